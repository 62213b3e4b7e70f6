//! Weights, repacked once from a file's blocks into panels of eight output columns that the dot product reads in order.
//!
//! A panel's block holds 32 values of k for each of its eight columns, four bytes of one column beside four of the next,
//! so that one vector multiplies eight columns at once and no sum has to be taken across lanes. It takes 36 bytes a
//! column where the file's Q8_0 takes 34, and 18 where its Q4_0 takes 18.

use crate::activations::Tile;
use crate::error::{KernelError, expect_len};
use crate::simd::{LANES, Simd};
use half::f16;
use std::hint::black_box;

/// Values of k that share a scale, in the file, in the panels and in the activations.
pub const BLOCK: usize = 32;

/// Output columns in a panel.
pub const PANEL: usize = LANES;

/// Groups of four bytes in a block: what a lane of the dot product takes at once.
pub(crate) const QUADS: usize = BLOCK / 4;

/// A quantized format of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A half-precision scale and 32 signed bytes.
    Q8_0,
    /// A half-precision scale and 32 nibbles less 8.
    Q4_0,
}

impl Format {
    /// Bytes of a block of 32 values in the file.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Q8_0 => 2 + BLOCK,
            Self::Q4_0 => 2 + BLOCK / 2,
        }
    }
}

/// A panel's worth of blocks in one format.
pub(crate) trait Block: Clone {
    /// All columns zero.
    const ZERO: Self;

    /// By what [`Block::widen`] multiplies the file's integers first.
    const UNIT: f32;

    /// Takes a column from a block of the file; false if its scale isn't finite.
    fn set_column(&mut self, column: usize, bytes: &[u8]) -> bool;

    /// A column's values.
    fn column(&self, column: usize) -> [f32; BLOCK];

    /// The columns' scales, half floats.
    fn scales(&self) -> &[u16; PANEL];

    /// Widens the block to words, two steps of two values of k at a time, as [`Simd::widen`] does.
    fn widen<S: Simd>(
        &self,
        simd: S,
        ratios: &[i16; PANEL],
        words: &mut [[[i16; 2 * PANEL]; 2]; QUADS],
    );

    /// Adds to `sums` its products with block `b` of `ROWS` rows of activations; of words, before their rows' scales.
    fn multiply_add<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        activations: &Tile<'_, S::Quad, ROWS>,
        b: usize,
        sums: &mut [S::F32; ROWS],
    );
}

/// The steps of a block, from a bound that the compiler can't see through. Unrolled, it would order all dot products of
/// one row before those of the next, and a browser would then spill every vector of weights.
#[inline(always)]
pub(crate) fn rolled(steps: usize) -> impl Iterator<Item = usize> {
    0..steps.min(black_box(steps))
}

/// Eight columns of Q8_0. The weights are the signed operand of the dot product and the activations its steps,
/// `x = offset + scale * q`; so each block also needs the sum of its weights, by which the offset counts.
#[repr(C, align(32))]
#[derive(Clone)]
pub(crate) struct Q8Block {
    quants: [[i8; 4 * PANEL]; QUADS],
    scales: [u16; PANEL],
    sums: [i16; PANEL],
}

impl Block for Q8Block {
    const ZERO: Self = Self {
        quants: [[0; 4 * PANEL]; QUADS],
        scales: [0; PANEL],
        sums: [0; PANEL],
    };
    const UNIT: f32 = 1.0;

    fn set_column(&mut self, column: usize, bytes: &[u8]) -> bool {
        let (scale, quants) = bytes.split_at(2);
        self.scales[column] = u16::from_le_bytes([scale[0], scale[1]]);
        let mut sum = 0;
        for (quad, four) in self.quants.iter_mut().zip(quants.chunks_exact(4)) {
            for (to, &from) in quad[4 * column..4 * column + 4].iter_mut().zip(four) {
                *to = from as i8;
                sum += i16::from(*to);
            }
        }
        self.sums[column] = sum;
        f16::from_bits(self.scales[column]).is_finite()
    }

    #[inline(always)]
    fn scales(&self) -> &[u16; PANEL] {
        &self.scales
    }

    #[inline(always)]
    fn widen<S: Simd>(
        &self,
        simd: S,
        ratios: &[i16; PANEL],
        words: &mut [[[i16; 2 * PANEL]; 2]; QUADS],
    ) {
        for (quants, words) in self.quants.iter().zip(words) {
            simd.widen(quants, ratios, words);
        }
    }

    fn column(&self, column: usize) -> [f32; BLOCK] {
        let scale = f16::from_bits(self.scales[column]).to_f32();
        std::array::from_fn(|i| scale * f32::from(self.quants[i / 4][4 * column + i % 4]))
    }

    #[inline(always)]
    fn multiply_add<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        activations: &Tile<'_, S::Quad, ROWS>,
        b: usize,
        sums: &mut [S::F32; ROWS],
    ) {
        let dots = simd.dots(&self.quants, &activations.quads[b]);
        let weight_scales = simd.load_f16(&self.scales);
        if S::WORDS {
            for (sum, dot) in sums.iter_mut().zip(dots) {
                *sum = simd.mul_add(simd.to_f32(dot), weight_scales, *sum);
            }
            return;
        }
        let weight_sums = simd.load_i16(&self.sums);
        let (scales, offsets) = (&activations.scales[b], &activations.offsets[b]);
        for row in 0..ROWS {
            let offset = simd.mul(simd.splat(offsets[row]), weight_sums);
            let dot = simd.mul_add(simd.to_f32(dots[row]), simd.splat(scales[row]), offset);
            sums[row] = simd.mul_add(dot, weight_scales, sums[row]);
        }
    }
}

/// Eight columns of Q4_0. The nibbles are the steps of the dot product, exactly, and the activations the signed
/// one with all 8 bits, `x = scale * q`; the nibbles' bias of 8 is in `offset`, which is -8 times the sum of a row's x.
#[repr(C, align(16))]
#[derive(Clone)]
pub(crate) struct Q4Block {
    nibbles: [[u8; 4 * PANEL]; QUADS / 2],
    scales: [u16; PANEL],
}

impl Block for Q4Block {
    const ZERO: Self = Self {
        nibbles: [[0x88; 4 * PANEL]; QUADS / 2],
        scales: [0; PANEL],
    };
    const UNIT: f32 = 16.0;

    fn set_column(&mut self, column: usize, bytes: &[u8]) -> bool {
        let (scale, nibbles) = bytes.split_at(2);
        self.scales[column] = u16::from_le_bytes([scale[0], scale[1]]);
        // The file pairs value i (low) with value i + 16 (high): quads of low nibbles are the first half of k.
        for (quad, four) in self.nibbles.iter_mut().zip(nibbles.chunks_exact(4)) {
            quad[4 * column..4 * column + 4].copy_from_slice(four);
        }
        f16::from_bits(self.scales[column]).is_finite()
    }

    #[inline(always)]
    fn scales(&self) -> &[u16; PANEL] {
        &self.scales
    }

    #[inline(always)]
    fn widen<S: Simd>(
        &self,
        simd: S,
        ratios: &[i16; PANEL],
        words: &mut [[[i16; 2 * PANEL]; 2]; QUADS],
    ) {
        // In the upper half of a byte a nibble counts 16 times, and flipping the top bit takes its 8 off.
        let (low, high) = words.split_at_mut(QUADS / 2);
        for ((nibbles, low), high) in self.nibbles.iter().zip(low).zip(high) {
            simd.widen(&nibbles.map(|byte| (byte << 4 ^ 0x80) as i8), ratios, low);
            simd.widen(
                &nibbles.map(|byte| (byte & 0xf0 ^ 0x80) as i8),
                ratios,
                high,
            );
        }
    }

    fn column(&self, column: usize) -> [f32; BLOCK] {
        let scale = f16::from_bits(self.scales[column]).to_f32();
        std::array::from_fn(|i| {
            let byte = self.nibbles[i % 16 / 4][4 * column + i % 4];
            let nibble = if i < 16 { byte & 15 } else { byte >> 4 };
            scale * (f32::from(nibble) - 8.0)
        })
    }

    #[inline(always)]
    fn multiply_add<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        activations: &Tile<'_, S::Quad, ROWS>,
        b: usize,
        sums: &mut [S::F32; ROWS],
    ) {
        let starts = if S::WORDS {
            activations.starts[b]
        } else {
            [0; ROWS]
        };
        let dots = simd.nibble_dots(&self.nibbles, &activations.quads[b], starts);
        let weight_scales = simd.load_f16(&self.scales);
        for row in 0..ROWS {
            let mut dot = simd.to_f32(dots[row]);
            if !S::WORDS {
                let scale = simd.splat(activations.scales[b][row]);
                dot = simd.mul_add(dot, scale, simd.splat(activations.offsets[b][row]));
            }
            sums[row] = simd.mul_add(dot, weight_scales, sums[row]);
        }
    }
}

/// A panel of eight columns: `[k / BLOCK]` blocks, in memory of its own, so that a matrix grows with the bytes that
/// arrive, is never copied to grow, and can become a part of a larger one.
pub(crate) type Panel<B> = Box<[B]>;

/// All panels, `[ceil(n / PANEL)]`.
#[derive(Clone)]
pub(crate) enum Panels {
    Q8(Vec<Panel<Q8Block>>),
    Q4(Vec<Panel<Q4Block>>),
}

/// A quantized weight matrix `[n, k]` (n output columns of k inputs, as a linear layer stores it), ready to multiply.
#[derive(Clone)]
pub struct PackedMatrix {
    n: usize,
    k: usize,
    pub(crate) panels: Panels,
}

impl PackedMatrix {
    /// From a tensor's bytes in a GGUF file: `n` rows of `k / 32` blocks of Q8_0.
    ///
    /// # Errors
    /// If k isn't a multiple of 32, the number of bytes doesn't fit the shape, a scale isn't finite, or there's no room.
    pub fn from_q8_0(bytes: &[u8], n: usize, k: usize) -> Result<Self, KernelError> {
        Self::from_bytes(Format::Q8_0, bytes, n, k)
    }

    /// From a tensor's bytes in a GGUF file: `n` rows of `k / 32` blocks of Q4_0.
    ///
    /// # Errors
    /// As [`PackedMatrix::from_q8_0`].
    pub fn from_q4_0(bytes: &[u8], n: usize, k: usize) -> Result<Self, KernelError> {
        Self::from_bytes(Format::Q4_0, bytes, n, k)
    }

    /// From floats `[n, k]`, rounded to Q8_0: the way in for every other type of tensor.
    ///
    /// # Errors
    /// If k isn't a multiple of 32, the number of values doesn't fit the shape, a value isn't finite or too large, or
    /// there's no room.
    pub fn from_f32(values: &[f32], n: usize, k: usize) -> Result<Self, KernelError> {
        let mut builder = PackedMatrixBuilder::new(Format::Q8_0, n, k)?;
        builder.push_f32(values)?;
        builder.finish()
    }

    fn from_bytes(format: Format, bytes: &[u8], n: usize, k: usize) -> Result<Self, KernelError> {
        let mut builder = PackedMatrixBuilder::new(format, n, k)?;
        builder.push(bytes)?;
        builder.finish()
    }

    /// Output columns: rows of the tensor.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Inputs: the length of each of the tensor's rows, a multiple of 32.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The format that the weights are in.
    pub fn format(&self) -> Format {
        match self.panels {
            Panels::Q8(_) => Format::Q8_0,
            Panels::Q4(_) => Format::Q4_0,
        }
    }

    /// Bytes of memory that the weights take.
    pub fn bytes(&self) -> usize {
        let block = match self.panels {
            Panels::Q8(_) => size_of::<Q8Block>(),
            Panels::Q4(_) => size_of::<Q4Block>(),
        };
        self.n.div_ceil(PANEL) * (self.k / BLOCK) * block
    }

    /// One matrix of the rows of all, moved and not copied: tensors with the same inputs in one multiplication.
    ///
    /// # Errors
    /// The matrices themselves, where they differ in format or k, or one that isn't the last ends within a panel.
    pub fn stack(parts: Vec<Self>) -> Result<Self, Vec<Self>> {
        let fits = |pair: &[Self]| {
            let (format, k) = (pair[0].format(), pair[0].k);
            (format, k) == (pair[1].format(), pair[1].k) && pair[0].n.is_multiple_of(PANEL)
        };
        if parts.is_empty() || !parts.windows(2).all(fits) {
            return Err(parts);
        }
        let mut parts = parts.into_iter();
        let first = parts.next().expect("there is at least one");
        Ok(parts.fold(first, |mut stack, part| {
            stack.n += part.n;
            match (&mut stack.panels, part.panels) {
                (Panels::Q8(panels), Panels::Q8(more)) => panels.extend(more),
                (Panels::Q4(panels), Panels::Q4(more)) => panels.extend(more),
                _ => unreachable!("they have one format"),
            }
            stack
        }))
    }

    /// Writes row `row` of the tensor, dequantized, to `out` `[k]`: an embedding lookup.
    ///
    /// # Errors
    /// If there's no such row, or `out` isn't k long.
    pub fn dequantize_row(&self, row: usize, out: &mut [f32]) -> Result<(), KernelError> {
        expect_len("the output row", out.len(), self.k)?;
        if row >= self.n {
            return Err(KernelError::Row { row, n: self.n });
        }
        match &self.panels {
            Panels::Q8(panels) => dequantize_row(&panels[row / PANEL], row, out),
            Panels::Q4(panels) => dequantize_row(&panels[row / PANEL], row, out),
        }
        Ok(())
    }
}

impl std::fmt::Debug for PackedMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "PackedMatrix({:?} [{}, {}])",
            self.format(),
            self.n,
            self.k
        )
    }
}

fn dequantize_row<B: Block>(panel: &[B], row: usize, out: &mut [f32]) {
    for (block, out) in panel.iter().zip(out.chunks_exact_mut(BLOCK)) {
        out.copy_from_slice(&block.column(row % PANEL));
    }
}

/// Packs a matrix from bytes as they arrive, so that the file and the packed weights never both lie in memory whole:
/// memory is taken for eight rows when the first of them begins. The pieces may be cut anywhere.
pub struct PackedMatrixBuilder {
    matrix: PackedMatrix,
    done: usize,
    partial: Vec<u8>,
}

impl PackedMatrixBuilder {
    /// Nothing yet of a matrix `[n, k]`.
    ///
    /// # Errors
    /// If k isn't a multiple of 32, or a dimension is zero.
    pub fn new(format: Format, n: usize, k: usize) -> Result<Self, KernelError> {
        if !k.is_multiple_of(BLOCK) {
            return Err(KernelError::Block { k });
        }
        let per_panel = k / BLOCK;
        let count = n.div_ceil(PANEL).checked_mul(per_panel);
        let count = count.filter(|&count| count > 0 && count.checked_mul(PANEL).is_some());
        count.ok_or(KernelError::Size { n, k })?;
        let panels = match format {
            Format::Q8_0 => Panels::Q8(Vec::new()),
            Format::Q4_0 => Panels::Q4(Vec::new()),
        };
        Ok(Self {
            matrix: PackedMatrix { n, k, panels },
            done: 0,
            partial: Vec::new(),
        })
    }

    /// Takes the next bytes of the tensor, in the file's format and order.
    ///
    /// # Errors
    /// If they're more than the matrix takes, a scale isn't finite, or there's no room.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), KernelError> {
        let size = self.matrix.format().block_bytes();
        if !self.partial.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(size - self.partial.len()));
            self.partial.extend_from_slice(head);
            bytes = rest;
            if self.partial.len() == size {
                let block = std::mem::take(&mut self.partial);
                self.push_block(&block)?;
            }
        }
        let blocks = bytes.chunks_exact(size);
        self.partial.extend_from_slice(blocks.remainder());
        for block in blocks {
            self.push_block(block)?;
        }
        Ok(())
    }

    /// Takes the next values of the tensor, whole blocks of 32, and quantizes them.
    ///
    /// # Errors
    /// If they aren't whole blocks, are more than the matrix takes, aren't finite, or are too large, or there's no room.
    pub fn push_f32(&mut self, values: &[f32]) -> Result<(), KernelError> {
        let (blocks, rest) = values.as_chunks::<BLOCK>();
        if !rest.is_empty() || !self.partial.is_empty() {
            return Err(KernelError::Block { k: values.len() });
        }
        for block in blocks {
            let row = self.row();
            let range = KernelError::Range { row };
            match self.matrix.format() {
                Format::Q8_0 => self.push_block(&quantize_q8_0(block).ok_or(range)?)?,
                Format::Q4_0 => self.push_block(&quantize_q4_0(block).ok_or(range)?)?,
            }
        }
        Ok(())
    }

    /// The matrix, once all of it has arrived.
    ///
    /// # Errors
    /// If some of it is missing.
    pub fn finish(self) -> Result<PackedMatrix, KernelError> {
        if self.done == self.expected() && self.partial.is_empty() {
            Ok(self.matrix)
        } else {
            Err(KernelError::Blocks {
                expected: self.expected(),
                actual: self.done,
            })
        }
    }

    fn expected(&self) -> usize {
        self.matrix.n * (self.matrix.k / BLOCK)
    }

    fn row(&self) -> usize {
        self.done / (self.matrix.k / BLOCK)
    }

    fn push_block(&mut self, bytes: &[u8]) -> Result<(), KernelError> {
        if self.done == self.expected() {
            return Err(KernelError::Blocks {
                expected: self.expected(),
                actual: self.done + 1,
            });
        }
        let per_panel = self.matrix.k / BLOCK;
        let (row, index) = (self.row(), self.done % per_panel);
        let finite = match &mut self.matrix.panels {
            Panels::Q8(panels) => set_block(panels, per_panel, row, index, bytes)?,
            Panels::Q4(panels) => set_block(panels, per_panel, row, index, bytes)?,
        };
        self.done += 1;
        finite.then_some(()).ok_or(KernelError::Scale { row })
    }
}

/// Writes block `index` of a row to its panel, which is added if it isn't there yet; false if its scale isn't finite.
fn set_block<B: Block>(
    panels: &mut Vec<Panel<B>>,
    per_panel: usize,
    row: usize,
    index: usize,
    bytes: &[u8],
) -> Result<bool, KernelError> {
    if row / PANEL == panels.len() {
        let no_room = |_| KernelError::Memory {
            bytes: per_panel.saturating_mul(size_of::<B>()),
        };
        let mut panel = Vec::new();
        panel.try_reserve_exact(per_panel).map_err(no_room)?;
        panel.resize(per_panel, B::ZERO);
        panels.try_reserve(1).map_err(no_room)?;
        panels.push(panel.into_boxed_slice());
    }
    Ok(panels[row / PANEL][index].set_column(row % PANEL, bytes))
}

/// Rounds 32 values to a Q8_0 block, as it would stand in a file; none if one isn't finite or out of range.
pub(crate) fn quantize_q8_0(values: &[f32; BLOCK]) -> Option<[u8; 34]> {
    let largest = values
        .iter()
        .fold(0.0f32, |largest, value| largest.max(value.abs()));
    let (scale, inverse) = half_scale(values, largest / 127.0)?;
    let mut bytes = [0; 34];
    bytes[..2].copy_from_slice(&scale.to_le_bytes());
    for (byte, value) in bytes[2..].iter_mut().zip(values) {
        *byte = (value * inverse).round_ties_even().clamp(-127.0, 127.0) as i8 as u8;
    }
    Some(bytes)
}

/// Rounds 32 values to a Q4_0 block: the value of largest magnitude becomes -8, the one nibble without an opposite.
pub(crate) fn quantize_q4_0(values: &[f32; BLOCK]) -> Option<[u8; 18]> {
    let largest = values.iter().fold(0.0f32, |largest, &value| {
        if value.abs() > largest.abs() {
            value
        } else {
            largest
        }
    });
    let (scale, inverse) = half_scale(values, largest / -8.0)?;
    let nibble = |value: f32| ((value * inverse).round_ties_even().clamp(-8.0, 7.0) + 8.0) as u8;
    let mut bytes = [0; 18];
    bytes[..2].copy_from_slice(&scale.to_le_bytes());
    for (i, byte) in bytes[2..].iter_mut().enumerate() {
        *byte = nibble(values[i]) | nibble(values[i + 16]) << 4;
    }
    Some(bytes)
}

/// The scale as a half float and the reciprocal of what it was rounded to (zero for zero).
fn half_scale(values: &[f32; BLOCK], scale: f32) -> Option<(f16, f32)> {
    let half = f16::from_f32(scale);
    let finite = half.is_finite() && values.iter().all(|value| value.is_finite());
    let rounded = half.to_f32();
    finite.then_some((half, if rounded == 0.0 { 0.0 } else { 1.0 / rounded }))
}
