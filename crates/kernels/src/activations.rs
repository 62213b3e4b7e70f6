//! Activations, quantized on the fly: every 32 values of a row get a scale and an offset of their own.

use crate::dispatch::{Job, Kernels};
use crate::error::{KernelError, expect_len};
use crate::packed::{BLOCK, Format, PackedMatrix, QUADS};
use crate::simd::{LANES, ROUND, Simd, Steps};

/// Most rows that are multiplied at once. Four rows of two registers of sums, with weights and a broadcast, are what
/// the sixteen registers of x86 hold.
pub(crate) const MAX_ROWS: usize = 4;

/// A block whose range is below this counts as constant: its steps would be denormal and their reciprocals infinite.
const SMALLEST_SCALE: f32 = 1e-30;

/// Quantized activations: memory that is kept between calls, so that a forward pass allocates once.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    rows: usize,
    k: usize,
    format: Option<Format>,
    /// For each tile of rows, `[k / 32, 8, rows of the tile]` groups of four bytes.
    quads: Vec<[i8; 4]>,
    /// For each tile of rows, `[k / 32, rows of the tile]`.
    scales: Vec<f32>,
    offsets: Vec<f32>,
    /// What the bytes in `quads` count from.
    #[cfg(test)]
    least_step: i8,
    /// Logits of the columns at hand, for [`Kernels::project_top_k`].
    pub(crate) logits: Vec<f32>,
}

/// The activations of a tile of `ROWS` rows, for all blocks of k.
pub(crate) struct Tile<'a, const ROWS: usize> {
    quads: &'a [[[i8; 4]; ROWS]],
    scales: &'a [[f32; ROWS]],
    offsets: &'a [[f32; ROWS]],
}

impl<'a, const ROWS: usize> Tile<'a, ROWS> {
    /// How many blocks of k there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.scales.len()
    }

    /// Block by block of k.
    #[inline(always)]
    pub(crate) fn blocks(&self) -> impl Iterator<Item = TileBlock<'a, ROWS>> {
        let quads = self.quads.as_chunks().0;
        quads
            .iter()
            .zip(self.scales)
            .zip(self.offsets)
            .map(|((quads, scales), offsets)| TileBlock {
                quads,
                scales,
                offsets,
            })
    }
}

/// One block of k of a tile: a group of four bytes for each step and row, and each row's scale and offset.
#[derive(Clone, Copy)]
pub(crate) struct TileBlock<'a, const ROWS: usize> {
    pub(crate) quads: &'a [[[i8; 4]; ROWS]; QUADS],
    pub(crate) scales: &'a [f32; ROWS],
    pub(crate) offsets: &'a [f32; ROWS],
}

impl Scratch {
    /// Rows of the activations at hand.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// All quantized values, counted from the least step (or zero, for Q4_0), and their scales bit by bit.
    #[cfg(test)]
    pub(crate) fn bits(&self) -> (Vec<[i16; 4]>, Vec<u32>) {
        let signed = self.format == Some(Format::Q4_0);
        let count = |byte: i8| match (signed, self.least_step) {
            (true, _) => i16::from(byte),
            (false, 0) => i16::from(byte as u8),
            (false, least) => i16::from(byte) - i16::from(least),
        };
        let quads = self.quads.iter().map(|quad| quad.map(count));
        (
            quads.collect(),
            self.scales.iter().map(|f| f.to_bits()).collect(),
        )
    }

    /// Whether these activations can be multiplied with this matrix.
    pub(crate) fn fits(&self, weights: &PackedMatrix) -> Result<(), KernelError> {
        let fits = self.format == Some(weights.format()) && self.k == weights.k();
        fits.then_some(()).ok_or(KernelError::Activations)
    }

    /// The tile of `ROWS` rows from `start`.
    #[inline(always)]
    pub(crate) fn tile<const ROWS: usize>(&self, start: usize) -> Tile<'_, ROWS> {
        let blocks = self.k / BLOCK;
        let first = start * blocks;
        Tile {
            quads: self.quads[first * QUADS..][..ROWS * blocks * QUADS]
                .as_chunks()
                .0,
            scales: self.scales[first..][..ROWS * blocks].as_chunks().0,
            offsets: self.offsets[first..][..ROWS * blocks].as_chunks().0,
        }
    }
}

/// Cuts `rows` into tiles of at most [`MAX_ROWS`], as even as they go: first row and height of each.
pub(crate) fn tiles(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(MAX_ROWS);
    (0..count).map(move |i| {
        let (start, end) = (i * rows / count, (i + 1) * rows / count);
        (start, end - start)
    })
}

impl Kernels {
    /// Quantizes `x` `[rows, weights.k()]` into `scratch`, for [`Kernels::gemm_columns`] with this matrix or any other
    /// of the same format and k.
    ///
    /// A row with an infinity or a NaN gives NaN in all of its outputs.
    ///
    /// # Errors
    /// If `x` isn't whole rows.
    pub fn quantize(
        self,
        x: &[f32],
        weights: &PackedMatrix,
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        let k = weights.k();
        let rows = x.len() / k;
        expect_len("x", x.len(), rows * k)?;
        scratch.rows = rows;
        scratch.k = k;
        scratch.format = Some(weights.format());
        scratch.quads.resize(x.len() / 4, [0; 4]);
        scratch.scales.resize(x.len() / BLOCK, 0.0);
        scratch.offsets.resize(x.len() / BLOCK, 0.0);
        match weights.format() {
            Format::Q8_0 => self.run(Quantize::<false> { x, scratch }),
            Format::Q4_0 => self.run(Quantize::<true> { x, scratch }),
        }
        Ok(())
    }
}

/// `SIGNED`: to -127..=127 around zero, for weights that take the steps' side; else to steps above the block's least.
struct Quantize<'a, const SIGNED: bool> {
    x: &'a [f32],
    scratch: &'a mut Scratch,
}

impl<const SIGNED: bool> Job for Quantize<'_, SIGNED> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { x, scratch } = self;
        let blocks = scratch.k / BLOCK;
        let steps = simd.steps();
        #[cfg(test)]
        {
            scratch.least_step = if SIGNED { 0 } else { steps.least as i8 };
        }
        for (start, height) in tiles(scratch.rows) {
            for row in 0..height {
                let values = &x[(start + row) * scratch.k..][..scratch.k];
                for (b, values) in values.as_chunks::<BLOCK>().0.iter().enumerate() {
                    let (bytes, scale, offset) = if SIGNED {
                        quantize_signed(simd, values)
                    } else {
                        quantize_steps(simd, values, steps)
                    };
                    let at = start * blocks + b * height + row;
                    scratch.scales[at] = scale;
                    scratch.offsets[at] = offset;
                    let quads = &mut scratch.quads[(start * blocks + b * height) * QUADS..];
                    for (to, from) in quads[row..]
                        .iter_mut()
                        .step_by(height)
                        .zip(bytes.as_chunks().0)
                    {
                        *to = *from;
                    }
                }
            }
        }
    }
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
) -> ([i8; BLOCK], f32, f32) {
    let v = load_block(simd, values);
    let least = simd.min(simd.min(v[0], v[1]), simd.min(v[2], v[3]));
    let least = simd.smallest(least);
    let most = simd.max(simd.max(v[0], v[1]), simd.max(v[2], v[3]));
    let most = simd.largest(most);
    // Divided first: the difference of two large floats overflows.
    let count = steps.most - steps.least;
    let scale = most / count - least / count;
    let (scale, inverse) = if scale > SMALLEST_SCALE {
        (scale, 1.0 / scale)
    } else {
        (0.0, 0.0)
    };
    // Halved for the same reason; the halves are exact, so that the difference is, too.
    let half = simd.splat(0.5);
    let (least_half, twice) = (simd.splat(least * 0.5), simd.splat(inverse * 2.0));
    let bytes = simd.low_bytes(v.map(|v| {
        let above = simd.mul(simd.sub(simd.mul(v, half), least_half), twice);
        simd.add(above, simd.splat(ROUND + steps.least))
    }));
    let offset = least - scale * steps.least;
    (bytes, scale + taint(simd, v), offset)
}

/// Bytes -127 to 127, scale, and -8 times the sum of the quantized block: `x = scale * q`.
#[inline(always)]
fn quantize_signed<S: Simd>(simd: S, values: &[f32; BLOCK]) -> ([i8; BLOCK], f32, f32) {
    let v = load_block(simd, values);
    let magnitude = v.map(|v| simd.max(v, simd.sub(simd.splat(0.0), v)));
    let most = simd.max(
        simd.max(magnitude[0], magnitude[1]),
        simd.max(magnitude[2], magnitude[3]),
    );
    let scale = simd.largest(most) / 127.0;
    let (scale, inverse) = if scale > SMALLEST_SCALE {
        (scale, 1.0 / scale)
    } else {
        (0.0, 0.0)
    };
    let bytes = simd.low_bytes(v.map(|v| {
        let steps = simd.mul(v, simd.splat(inverse));
        simd.add(steps, simd.splat(ROUND))
    }));
    let sum: i32 = bytes.iter().map(|&byte| i32::from(byte)).sum();
    let scale = scale + taint(simd, v);
    (bytes, scale, -8.0 * scale * sum as f32)
}
