//! Activations, quantized on the fly: to bytes, of which every 32 of a row get a scale and an offset of their own, or, where
//! the machine multiplies words, to words with one scale for a row.

use crate::dispatch::{InstructionSet, Job, Kernels};
use crate::error::{KernelError, expect_len};
use crate::packed::{BLOCK, Format, PackedMatrix, QUADS};
use crate::simd::{LANES, Quad, Quads, ROUND, Simd, Steps};
use crate::widened::WIDENED_ABOVE;

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
        let k = weights.k();
        let rows = x.len() / k;
        expect_len("x", x.len(), rows * k)?;
        scratch.rows = rows;
        scratch.k = k;
        scratch.wide = together == Rows::Sequence || rows > WIDENED_ABOVE;
        scratch.made_for = Some((self.instruction_set(), weights.format()));
        match weights.format() {
            Format::Q8_0 => self.run(Quantize::<false> { x, scratch }),
            Format::Q4_0 => self.run(Quantize::<true> { x, scratch }),
        }
        Ok(())
    }
}

/// `SIGNED`: around zero, for weights that take the steps' side; else bytes go from the block's least value to its largest.
struct Quantize<'a, const SIGNED: bool> {
    x: &'a [f32],
    scratch: &'a mut Scratch,
}

impl<const SIGNED: bool> Job for Quantize<'_, SIGNED> {
    const MULTIPLIES_BYTES: bool = true;
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { x, scratch } = self;
        let (k, blocks) = (scratch.k, scratch.k / BLOCK);
        let steps = simd.steps();
        let quads = S::Quad::of_mut(&mut scratch.quads);
        quads.resize(x.len() / 4, S::Quad::default());
        scratch.wide &= S::WORDS;
        let in_use = |yes: bool| if yes { x.len() / BLOCK } else { 0 };
        scratch.scales.resize(in_use(!S::WORDS), 0.0);
        scratch.offsets.resize(in_use(!S::WORDS), 0.0);
        scratch.starts.resize(in_use(S::WORDS && SIGNED), 0);
        scratch.row_scales.clear();
        for (start, height) in tiles(scratch.rows) {
            for row in 0..height {
                let values = &x[(start + row) * k..][..k];
                let inverse = if S::WORDS {
                    let (scale, inverse) = word_scale(simd, values);
                    scratch.row_scales.push(scale);
                    inverse
                } else {
                    0.0
                };
                for (b, values) in values.as_chunks::<BLOCK>().0.iter().enumerate() {
                    let at = start * blocks + b * height + row;
                    let (integers, scale, offset) = if S::WORDS {
                        (quantize_words(simd, values, inverse), 0.0, 0.0)
                    } else if SIGNED {
                        quantize_signed(simd, values)
                    } else {
                        quantize_steps(simd, values, steps)
                    };
                    if !S::WORDS {
                        scratch.scales[at] = scale;
                        scratch.offsets[at] = offset;
                    } else if SIGNED {
                        let sum: i32 = integers.iter().map(|&word| i32::from(word)).sum();
                        scratch.starts[at] = -8 * sum;
                    }
                    let block = &mut quads[(start * blocks + b * height) * QUADS..];
                    let block = &mut block[..height * QUADS];
                    match scratch.wide {
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
