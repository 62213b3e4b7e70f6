//! The highest of many logits, and the denominator of their softmax, without sorting or even keeping them all.

use crate::activations::{Rows, Scratch};
use crate::dispatch::{Job, Kernels};
use crate::error::KernelError;
use crate::gemm::{Epilogue, OutColumns};
use crate::math;
use crate::packed::{PANEL, PackedMatrix};
use crate::simd::{LANES, Simd};

/// Columns whose logits are alive at once in [`Kernels::project_top_k`].
const COLUMNS_AT_ONCE: usize = 64 * PANEL;

/// A column and its logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The column: a token's id.
    pub index: usize,
    /// Its logit.
    pub logit: f32,
}

/// The highest logits of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    /// Highest first; of equals, the lower index first. NaN and minus infinity are never among them.
    pub candidates: Vec<Candidate>,
    /// Logarithm of the sum of e to the power of all logits: a candidate's probability is `exp(logit - log_sum_exp)`.
    pub log_sum_exp: f32,
}

impl Kernels {
    /// The `count` highest of `logits`.
    pub fn top_k(self, logits: &[f32], count: usize) -> TopK {
        let mut ranking = Ranking::new(count);
        self.run(Rank {
            ranking: &mut ranking,
            logits,
            first: 0,
        });
        ranking.finish()
    }

    /// For each row of `x` `[m, k]` the `count` highest of its logits `x · wᵀ + bias`, with weights `[n, k]`: the same as
    /// [`Kernels::gemm`] and [`Kernels::top_k`], but without memory for the logits of the whole vocabulary.
    ///
    /// # Errors
    /// If a length doesn't fit.
    pub fn project_top_k(
        self,
        x: &[f32],
        weights: &PackedMatrix,
        bias: Option<&[f32]>,
        count: usize,
        scratch: &mut Scratch,
    ) -> Result<Vec<TopK>, KernelError> {
        self.quantize(x, weights, Rows::Independent, scratch)?;
        let rows = scratch.rows();
        let mut rankings: Vec<_> = (0..rows).map(|_| Ranking::new(count)).collect();
        let mut logits = std::mem::take(&mut scratch.logits);
        let epilogue = Epilogue {
            bias,
            ..Epilogue::default()
        };
        for start in (0..weights.n()).step_by(COLUMNS_AT_ONCE) {
            let columns = start..(start + COLUMNS_AT_ONCE).min(weights.n());
            let width = columns.len();
            logits.resize(rows * width, 0.0);
            let mut window = OutColumns::window(&mut logits, rows, columns);
            self.gemm_columns(scratch, weights, &mut window, epilogue)?;
            for (ranking, logits) in rankings.iter_mut().zip(logits.chunks_exact(width)) {
                self.run(Rank {
                    ranking,
                    logits,
                    first: start,
                });
            }
        }
        scratch.logits = logits;
        Ok(rankings.into_iter().map(Ranking::finish).collect())
    }
}

/// The highest logits so far.
struct Ranking {
    count: usize,
    candidates: Vec<Candidate>,
    largest: f32,
    /// Sum of e to the power of (logit - largest).
    sum: f32,
}

impl Ranking {
    fn new(count: usize) -> Self {
        Self {
            count,
            candidates: Vec::new(),
            largest: f32::NEG_INFINITY,
            sum: 0.0,
        }
    }

    /// What a logit must exceed to be among the highest.
    fn threshold(&self) -> f32 {
        if self.candidates.len() < self.count {
            return f32::NEG_INFINITY;
        }
        self.candidates
            .last()
            .map_or(f32::INFINITY, |last| last.logit)
    }

    fn insert(&mut self, index: usize, logit: f32) {
        if logit > self.threshold() {
            self.candidates.truncate(self.count - 1);
            let at = self.candidates.partition_point(|c| c.logit >= logit);
            self.candidates.insert(at, Candidate { index, logit });
        }
    }

    fn finish(self) -> TopK {
        TopK {
            candidates: self.candidates,
            log_sum_exp: self.largest + self.sum.ln(),
        }
    }
}

/// Takes the logits of columns from `first` into a ranking.
struct Rank<'a> {
    ranking: &'a mut Ranking,
    logits: &'a [f32],
    first: usize,
}

impl Job for Rank<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            ranking,
            logits,
            first,
        } = self;
        let (vectors, last) = logits.as_chunks::<LANES>();
        let mut padded = [f32::NEG_INFINITY; LANES];
        padded[..last.len()].copy_from_slice(last);

        let mut largest = simd.splat(ranking.largest);
        for (i, vector) in vectors.iter().chain([&padded]).enumerate() {
            let v = simd.load(vector);
            largest = simd.max(v, largest);
            // Almost always false, once the first few vectors have set the threshold.
            if simd.any(simd.less(simd.splat(ranking.threshold()), v)) {
                for (lane, &logit) in vector.iter().enumerate() {
                    ranking.insert(first + i * LANES + lane, logit);
                }
            }
        }
        let largest = simd.largest(largest);
        if largest == f32::NEG_INFINITY {
            return;
        }
        let mut sum = simd.splat(0.0);
        for vector in vectors.iter().chain([&padded]) {
            let shifted = simd.sub(simd.load(vector), simd.splat(largest));
            sum = simd.add(sum, math::exp(simd, shifted));
        }
        let before = if ranking.sum > 0.0 {
            ranking.sum * (ranking.largest - largest).exp()
        } else {
            0.0
        };
        ranking.sum = before + simd.sum(sum);
        ranking.largest = largest;
    }
}
