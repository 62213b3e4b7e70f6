//! Activations, quantized on the fly: to bytes, of which every 32 of a row get a scale and an offset of their own, or, where
//! the machine multiplies words, to words with one scale for a row.

use crate::dispatch::{InstructionSet, Job, Kernels};
use crate::error::{KernelError, expect_len};
use crate::packed::{BLOCK, Format, PackedMatrix, QUADS};
use crate::simd::{LANES, Quad, Quads, QuadsMut, ROUND, Simd, Steps};
use crate::widened::WIDENED_ABOVE;
use std::ops::Range;

/// Most rows that are multiplied at once. Four rows of two registers of sums, with weights and a broadcast, are what
/// the sixteen registers of x86 hold.
pub(crate) const MAX_ROWS: usize = 4;

/// A block whose range is below this counts as constant: its steps would be denormal and their reciprocals infinite.
const SMALLEST_SCALE: f32 = 1e-30;

/// What the rows of activations have to do with each other. It matters to machines that multiply words of 16 bits: for many rows
/// they round weights to those, too (a 4,000th of a column's largest), which for a few isn't worth the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Positions of a sequence. A row's products are the same, bit by bit, whatever other rows there are and however many.
    Sequence,
    /// Rows that stand for themselves, such as one step of several beams. Those of up to eight rows are the same whatever the
    /// others are, and those of more; between the two they may differ by a rounding.
    Independent,
}

/// Quantized activations: memory that is kept between calls, so that a forward pass allocates once.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    rows: usize,
    k: usize,
    /// Whether they are to be multiplied with [`crate::widened::Widened`] panels.
    wide: bool,
    /// What the activations were prepared for.
    made_for: Option<(InstructionSet, Format)>,
    /// For each tile of rows, `[k / 32, 8, rows of the tile]` groups of four integers; of words
    /// that are wide, `[k / 2, rows of the tile]` pairs.
    quads: Quads,
    /// For each tile of rows, `[k / 32, rows of the tile]`. What is not in use is empty.
    scales: Vec<f32>,
    offsets: Vec<f32>,
    starts: Vec<i32>,
    /// For each row.
    row_scales: Vec<f32>,
    /// Logits of the columns at hand, for [`Kernels::project_top_k`].
    pub(crate) logits: Vec<f32>,
}

/// The activations of a tile of `ROWS` rows; all but `row_scales` block by block of k.
pub(crate) struct Tile<'a, Q, const ROWS: usize> {
    /// A group of four integers for each step and row; of words, unless they are wide.
    pub(crate) quads: &'a [[[Q; ROWS]; QUADS]],
    /// Of wide words: a pair of them for each step and row.
    pub(crate) pairs: &'a [[i32; ROWS]],
    /// Of bytes: `x = offset + scale * q`.
    pub(crate) scales: &'a [[f32; ROWS]],
    /// Of bytes.
    pub(crate) offsets: &'a [[f32; ROWS]],
    /// Of words for nibbles: what their sums begin at.
    pub(crate) starts: &'a [[i32; ROWS]],
    /// Of words: `x = scale * q` in all blocks.
    pub(crate) row_scales: &'a [f32],
}

impl Scratch {
    /// Rows of the activations at hand.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether they are to be multiplied with [`crate::widened::Widened`] panels.
    pub(crate) fn wide(&self) -> bool {
        self.wide
    }

    /// The length of a row.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// Whether these activations can be multiplied with this matrix.
    pub(crate) fn fits(&self, kernels: Kernels, weights: &PackedMatrix) -> Result<(), KernelError> {
        let wanted = (kernels.instruction_set(), weights.format());
        let fits = self.made_for == Some(wanted) && self.k == weights.k();
        fits.then_some(()).ok_or(KernelError::Activations)
    }

    /// The tile of `ROWS` rows from `start`.
    #[inline(always)]
    pub(crate) fn tile<Q: Quad, const ROWS: usize>(&self, start: usize) -> Tile<'_, Q, ROWS> {
        let blocks = self.k / BLOCK;
        let first = start * blocks;
        let quads = &Q::of(&self.quads)[first * QUADS..][..ROWS * blocks * QUADS];
        Tile {
            quads: quads.as_chunks().0.as_chunks().0,
            pairs: Q::pairs(quads).as_chunks().0,
            scales: of_tile(&self.scales, first, blocks),
            offsets: of_tile(&self.offsets, first, blocks),
            starts: of_tile(&self.starts, first, blocks),
            row_scales: self.row_scales.get(start..start + ROWS).unwrap_or_default(),
        }
    }
}

/// A number for each block and row of a tile, or none where such numbers are not in use.
#[inline(always)]
fn of_tile<T, const ROWS: usize>(numbers: &[T], first: usize, blocks: usize) -> &[[T; ROWS]] {
    let of_tile = numbers.get(first..first + ROWS * blocks);
    of_tile.unwrap_or_default().as_chunks().0
}

/// Rows cut into tiles of at most [`MAX_ROWS`], as even as they go: first row, counted from the first of these tiles, and
/// height of each.
#[derive(Clone, Debug)]
pub(crate) struct Tiles {
    all_rows: usize,
    count: usize,
    first_row: usize,
    range: Range<usize>,
}

impl Tiles {
    pub(crate) fn of(rows: usize) -> Self {
        let count = rows.div_ceil(MAX_ROWS);
        Self {
            all_rows: rows,
            count,
            first_row: 0,
            range: 0..count,
        }
    }

    /// The first row of a tile, counted from the first of all.
    #[inline(always)]
    fn row(&self, tile: usize) -> usize {
        tile * self.all_rows / self.count.max(1)
    }

    fn rows(&self) -> usize {
        self.row(self.range.end) - self.first_row
    }

    fn split_at(self, count: usize) -> (Self, Self) {
        let Range { start, end } = self.range;
        let at = (start + count).min(end);
        let first_row = self.row(at);
        let part = Self {
            range: start..at,
            ..self.clone()
        };
        let others = Self {
            range: at..end,
            first_row,
            ..self
        };
        (part, others)
    }
}

impl Iterator for Tiles {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        let tile = self.range.next()?;
        let (start, end) = (self.row(tile), self.row(tile + 1));
        Some((start - self.first_row, end - start))
    }
}

impl Kernels {
    /// Quantizes `x` `[rows, weights.k()]` into `scratch`, for [`Kernels::gemm_columns`] with this matrix or any other
    /// of the same format and k. `together` says what the rows are to each other.
    ///
    /// A row with an infinity or a NaN gives NaN in all of its outputs.
    ///
    /// # Errors
    /// If `x` isn't whole rows.
    pub fn quantize(
        self,
        x: &[f32],
        weights: &PackedMatrix,
        together: Rows,
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        let rows = self.prepare(x, weights, together, scratch)?;
        self.quantize_rows(rows);
        Ok(())
    }

    /// Makes room in `scratch` for what [`Kernels::quantize`] writes there, and leaves the writing to
    /// [`Kernels::quantize_rows`]: parts of it can go to several threads.
    ///
    /// # Errors
    /// If `x` isn't whole rows.
    pub fn prepare<'a>(
        self,
        x: &'a [f32],
        weights: &PackedMatrix,
        together: Rows,
        scratch: &'a mut Scratch,
    ) -> Result<Unquantized<'a>, KernelError> {
        let k = weights.k();
        let rows = x.len() / k;
        expect_len("x", x.len(), rows * k)?;
        let (words, nibbles) = (self.run(Words), weights.format() == Format::Q4_0);
        scratch.rows = rows;
        scratch.k = k;
        scratch.wide = words && (together == Rows::Sequence || rows > WIDENED_ABOVE);
        scratch.made_for = Some((self.instruction_set(), weights.format()));
        let blocks = x.len() / BLOCK;
        let in_use = |yes: bool, count: usize| if yes { count } else { 0 };
        scratch.quads.resize(words, x.len() / 4);
        scratch.scales.resize(in_use(!words, blocks), 0.0);
        scratch.offsets.resize(in_use(!words, blocks), 0.0);
        scratch.starts.resize(in_use(words && nibbles, blocks), 0);
        scratch.row_scales.resize(in_use(words, rows), 0.0);
        Ok(Unquantized {
            x,
            k,
            tiles: Tiles::of(rows),
            nibbles,
            wide: scratch.wide,
            quads: scratch.quads.as_mut(),
            scales: &mut scratch.scales,
            offsets: &mut scratch.offsets,
            starts: &mut scratch.starts,
            row_scales: &mut scratch.row_scales,
        })
    }

    /// Quantizes rows, all of them or a part.
    pub fn quantize_rows(self, rows: Unquantized<'_>) {
        self.run(rows);
    }
}

/// Whether the machine multiplies words.
pub(crate) struct Words;

impl Job for Words {
    const MULTIPLIES_BYTES: bool = true;
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> bool {
        S::WORDS
    }
}

/// Rows that [`Kernels::prepare`] has made room for. Its numbers lie as in [`Scratch`], those of other rows left out.
#[derive(Debug)]
pub struct Unquantized<'a> {
    x: &'a [f32],
    k: usize,
    tiles: Tiles,
    /// The weights are Q4_0: they take the steps' side, and the activations go from -127 to 127; otherwise from a block's
    /// least value to its largest.
    nibbles: bool,
    wide: bool,
    quads: QuadsMut<'a>,
    scales: &'a mut [f32],
    offsets: &'a mut [f32],
    starts: &'a mut [i32],
    row_scales: &'a mut [f32],
}

impl<'a> Unquantized<'a> {
    /// In how many parts it can be cut at most.
    pub fn pieces(&self) -> usize {
        self.tiles.range.len()
    }

    /// Those of the first `pieces`, and the others.
    pub fn split_at(self, pieces: usize) -> (Self, Self) {
        let (tiles, other_tiles) = self.tiles.split_at(pieces);
        let rows = tiles.rows();
        let blocks = rows * (self.k / BLOCK);
        let (x, other_x) = self.x.split_at(rows * self.k);
        let (quads, other_quads) = self.quads.split_at(blocks * QUADS);
        let (scales, other_scales) = split(self.scales, blocks);
        let (offsets, other_offsets) = split(self.offsets, blocks);
        let (starts, other_starts) = split(self.starts, blocks);
        let (row_scales, other_row_scales) = split(self.row_scales, rows);
        let (k, nibbles, wide) = (self.k, self.nibbles, self.wide);
        let part = Self {
            x,
            k,
            tiles,
            nibbles,
            wide,
            quads,
            scales,
            offsets,
            starts,
            row_scales,
        };
        let others = Self {
            x: other_x,
            k,
            tiles: other_tiles,
            nibbles,
            wide,
            quads: other_quads,
            scales: other_scales,
            offsets: other_offsets,
            starts: other_starts,
            row_scales: other_row_scales,
        };
        (part, others)
    }
}

/// As the slice's own, where what is not in use is empty.
pub(crate) fn split<T>(numbers: &mut [T], at: usize) -> (&mut [T], &mut [T]) {
    numbers.split_at_mut(at.min(numbers.len()))
}

impl Job for Unquantized<'_> {
    const MULTIPLIES_BYTES: bool = true;
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (k, blocks) = (self.k, self.k / BLOCK);
        let steps = simd.steps();
        let quads = S::Quad::of_part(self.quads);
        for (start, height) in self.tiles {
            for row in 0..height {
                let values = &self.x[(start + row) * k..][..k];
                let inverse = if S::WORDS {
                    let (scale, inverse) = word_scale(simd, values);
                    self.row_scales[start + row] = scale;
                    inverse
                } else {
                    0.0
                };
                for (b, values) in values.as_chunks::<BLOCK>().0.iter().enumerate() {
                    let at = start * blocks + b * height + row;
                    let (integers, scale, offset) = if S::WORDS {
                        (quantize_words(simd, values, inverse), 0.0, 0.0)
                    } else if self.nibbles {
                        quantize_signed(simd, values)
                    } else {
                        quantize_steps(simd, values, steps)
                    };
                    if !S::WORDS {
                        self.scales[at] = scale;
                        self.offsets[at] = offset;
                    } else if self.nibbles {
                        let sum: i32 = integers.iter().map(|&word| i32::from(word)).sum();
                        self.starts[at] = -8 * sum;
                    }
                    let block = &mut quads[(start * blocks + b * height) * QUADS..];
                    let block = &mut block[..height * QUADS];
                    match self.wide {
                        true => S::Quad::write_pairs(block, height, row, &integers),
                        false => S::Quad::write(block, height, row, &integers),
                    }
                }
            }
        }
    }
}

/// The scale of a row of words, and by what to multiply: `x = scale * q`.
#[inline(always)]
fn word_scale<S: Simd>(simd: S, values: &[f32]) -> (f32, f32) {
    let mut most = simd.splat(0.0);
    let mut tainted = 0.0;
    for values in values.as_chunks::<BLOCK>().0 {
        let v = load_block(simd, values);
        tainted += taint(simd, v);
        for v in v {
            most = simd.max(simd.max(v, simd.sub(simd.splat(0.0), v)), most);
        }
    }
    let (scale, inverse) = usable(simd.largest(most) / Steps::WORDS.most);
    (scale + tainted, inverse)
}

/// A scale and its reciprocal, or zeros where there is none.
#[inline(always)]
fn usable(scale: f32) -> (f32, f32) {
    if scale > SMALLEST_SCALE {
        (scale, 1.0 / scale)
    } else {
        (0.0, 0.0)
    }
}

/// Words on both sides of zero.
#[inline(always)]
fn quantize_words<S: Simd>(simd: S, values: &[f32; BLOCK], inverse: f32) -> [i16; BLOCK] {
    let steps = load_block(simd, values).map(|v| {
        let steps = simd.mul(v, simd.splat(inverse));
        simd.add(steps, simd.splat(ROUND))
    });
    simd.low_words(steps)
}

#[inline(always)]
fn load_block<S: Simd>(simd: S, values: &[f32; BLOCK]) -> [S::F32; 4] {
    let vectors = values.as_chunks::<LANES>().0;
    std::array::from_fn(|i| simd.load(&vectors[i]))
}

/// Zero, or NaN where a value isn't finite.
#[inline(always)]
fn taint<S: Simd>(simd: S, v: [S::F32; 4]) -> f32 {
    let [a, b, c, d] = v.map(|v| simd.sub(v, v));
    simd.sum(simd.add(simd.add(a, b), simd.add(c, d)))
}

/// Bytes from the least step to the most, scale and offset: `x = offset + scale * q`.
#[inline(always)]
fn quantize_steps<S: Simd>(
    simd: S,
    values: &[f32; BLOCK],
    steps: Steps,
) -> ([i16; BLOCK], f32, f32) {
    let v = load_block(simd, values);
    let least = simd.min(simd.min(v[0], v[1]), simd.min(v[2], v[3]));
    let least = simd.smallest(least);
    let most = simd.max(simd.max(v[0], v[1]), simd.max(v[2], v[3]));
    let most = simd.largest(most);
    // Divided first: the difference of two large floats overflows.
    let count = steps.most - steps.least;
    let scale = most / count - least / count;
    let (scale, inverse) = usable(scale);
    // Halved for the same reason; the halves are exact, so that the difference is, too.
    let half = simd.splat(0.5);
    let (least_half, twice) = (simd.splat(least * 0.5), simd.splat(inverse * 2.0));
    let bytes = simd.low_bytes(v.map(|v| {
        let above = simd.mul(simd.sub(simd.mul(v, half), least_half), twice);
        simd.add(above, simd.splat(ROUND + steps.least))
    }));
    let offset = least - scale * steps.least;
    (bytes.map(i16::from), scale + taint(simd, v), offset)
}

/// Bytes -127 to 127, scale, and -8 times the sum of the quantized block: `x = scale * q`.
#[inline(always)]
fn quantize_signed<S: Simd>(simd: S, values: &[f32; BLOCK]) -> ([i16; BLOCK], f32, f32) {
    let v = load_block(simd, values);
    let magnitude = v.map(|v| simd.max(v, simd.sub(simd.splat(0.0), v)));
    let most = simd.max(
        simd.max(magnitude[0], magnitude[1]),
        simd.max(magnitude[2], magnitude[3]),
    );
    let (scale, inverse) = usable(simd.largest(most) / 127.0);
    let bytes = simd.low_bytes(v.map(|v| {
        let steps = simd.mul(v, simd.splat(inverse));
        simd.add(steps, simd.splat(ROUND))
    }));
    let sum: i32 = bytes.iter().map(|&byte| i32::from(byte)).sum();
    let scale = scale + taint(simd, v);
    (bytes.map(i16::from), scale, -8.0 * scale * sum as f32)
}

/// All quantized values, bytes counted from the least step (or zero, for Q4_0), and their scales bit by bit.
#[cfg(test)]
pub(crate) struct Bits<'a>(pub(crate) &'a Scratch);

#[cfg(test)]
impl Job for Bits<'_> {
    const MULTIPLIES_BYTES: bool = true;
    type Output = (Vec<[i16; 4]>, Vec<u32>);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let Self(scratch) = self;
        let signed = S::WORDS || matches!(scratch.made_for, Some((_, Format::Q4_0)));
        let least = simd.steps().least as i16;
        let count = |step: i16| match (signed, least) {
            (true, _) => step,
            (false, 0) => step & 255,
            (false, least) => step - least,
        };
        let quads = S::Quad::of(&scratch.quads).iter();
        let scales = scratch.scales.iter().chain(&scratch.row_scales);
        (
            quads.map(|quad| quad.steps().map(count)).collect(),
            scales.map(|f| f.to_bits()).collect(),
        )
    }
}
