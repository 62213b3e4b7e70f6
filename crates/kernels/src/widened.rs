//! A panel of weights as words of 16 bits, with one scale for each column: what a machine that multiplies words wants of
//! weights that several rows share.
//!
//! Made once for all rows, it leaves their loop with the multiplications alone: bytes need not be widened, nor half
//! floats read, nor sums scaled block by block. A weight is rounded to a 4,000th of its column's largest, where the
//! bytes of a block have steps of a 127th of the block's own.

use crate::packed::{Block, PANEL};
use crate::simd::{LANES, ROUND, Simd, WIDENED, WORDS_SUMMED};

/// Up to so many rows, widening a panel takes longer than it saves (measured: it takes what some four rows do).
pub(crate) const WIDENED_ABOVE: usize = 8;

/// Steps of two values of k whose products are summed as integers.
const STEPS: usize = WORDS_SUMMED / 2;

/// The largest ratio of a block's scale to its column's, which stands for 1.
const ONE: f32 = 32_767.0;

/// The panel at hand; its memory serves one panel after the other.
pub(crate) struct Widened {
    /// `[k / 4, 2]`: for each column a pair of words, as [`crate::simd::WordPairs`] has its other factors.
    words: Vec<[[i16; 2 * PANEL]; 2]>,
    /// What a product with the words has to be multiplied by.
    scales: [f32; PANEL],
}

impl Widened {
    /// Nothing yet of a panel with `k` inputs.
    pub(crate) fn new(k: usize) -> Self {
        Self {
            words: vec![[[0; 2 * PANEL]; 2]; k / 4],
            scales: [0.0; PANEL],
        }
    }

    /// Widens another panel.
    #[inline(always)]
    pub(crate) fn fill<S: Simd, B: Block>(&mut self, simd: S, panel: &[B]) {
        let mut largest = simd.splat(0.0);
        for block in panel {
            let scale = simd.load_f16(block.scales());
            let magnitude = simd.max(scale, simd.sub(simd.splat(0.0), scale));
            largest = simd.max(magnitude, largest);
        }
        // A column of zeros has no scale to divide by, and any will do.
        let none = simd.less(largest, simd.splat(f32::MIN_POSITIVE));
        let divisor = simd.select(none, simd.splat(1.0), largest);
        let inverse = simd.div(simd.splat(ONE), divisor);
        for (block, words) in panel.iter().zip(self.words.as_chunks_mut().0) {
            let ratios = simd.mul(simd.load_f16(block.scales()), inverse);
            let mut lanes = [0.0; LANES];
            simd.store(simd.add(ratios, simd.splat(ROUND)), &mut lanes);
            let ratios = lanes.map(|lane: f32| lane.to_bits() as i16);
            block.widen(simd, &ratios, words);
        }
        let unit = 32_768.0 / ONE / (f32::from(WIDENED) * B::UNIT);
        simd.store(simd.mul(largest, simd.splat(unit)), &mut self.scales);
    }

    /// The products of the panel with `ROWS` rows of pairs, before the rows' scales.
    #[inline(always)]
    pub(crate) fn multiply<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        pairs: &[[i32; ROWS]],
    ) -> [S::F32; ROWS] {
        let mut sums = [simd.splat(0.0); ROWS];
        let words = self.words.as_flattened();
        for (pairs, words) in pairs.chunks(STEPS).zip(words.chunks(STEPS)) {
            let mut dots = [simd.splat_i32(0); ROWS];
            for (words, pairs) in words.iter().zip(pairs) {
                dots = simd.pair_dots_add(dots, words, pairs);
            }
            for (sum, dots) in sums.iter_mut().zip(dots) {
                *sum = simd.add(*sum, simd.to_f32(dots));
            }
        }
        sums.map(|sum| simd.mul(sum, simd.load(&self.scales)))
    }
}
