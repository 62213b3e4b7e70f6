//! What happens to whole rows: softmax, layer norm, and the activations that aren't part of a multiplication.

use crate::dispatch::{Job, Kernels};
use crate::error::{KernelError, expect_len};
use crate::math;
use crate::simd::{LANES, Simd};

impl Kernels {
    /// Softmax of each row of `scores` `[rows, columns]`, in place, over the columns that `mask` (the same shape, nonzero
    /// where attention is allowed) leaves.
    ///
    /// A forbidden entry becomes exactly 0, one with a score of minus infinity as well, and a row with nothing else all
    /// zeros.
    ///
    /// # Errors
    /// If `scores` isn't whole rows, or the mask has another shape.
    pub fn softmax_rows(
        self,
        scores: &mut [f32],
        columns: usize,
        mask: Option<&[u8]>,
    ) -> Result<(), KernelError> {
        expect_rows("the scores", scores.len(), columns)?;
        if let Some(mask) = mask {
            expect_len("the mask", mask.len(), scores.len())?;
        }
        self.run(SoftmaxRows {
            scores,
            columns,
            mask,
        });
        Ok(())
    }

    /// Logarithms of the softmax of `logits`, in place. What becomes of a NaN or an infinity depends on the machine.
    pub fn log_softmax(self, logits: &mut [f32]) {
        self.run(LogSoftmax(logits));
    }

    /// Layer normalization of each row of `x` `[rows, gamma.len()]`, in place: first `residual` (the same shape) is
    /// added, then the row is brought to mean 0 and variance 1, then scaled by gamma and shifted by beta.
    ///
    /// # Errors
    /// If `x` isn't whole rows, or a length doesn't fit.
    pub fn layer_norm(
        self,
        x: &mut [f32],
        residual: Option<&[f32]>,
        gamma: &[f32],
        beta: &[f32],
        epsilon: f32,
    ) -> Result<(), KernelError> {
        expect_rows("x", x.len(), gamma.len())?;
        expect_len("beta", beta.len(), gamma.len())?;
        if let Some(residual) = residual {
            expect_len("the residual", residual.len(), x.len())?;
        }
        self.run(LayerNorm {
            x,
            residual,
            gamma,
            beta,
            epsilon,
        });
        Ok(())
    }

    /// The Gaussian error linear unit of each value, in place, in its exact form (by erf), to 1e-6; NaN for NaN and for
    /// minus infinity.
    pub fn gelu(self, x: &mut [f32]) {
        self.run(Each(x, Function::Gelu));
    }

    /// The hyperbolic tangent of each value, in place, to 1e-6. What becomes of a NaN depends on the machine.
    pub fn tanh(self, x: &mut [f32]) {
        self.run(Each(x, Function::Tanh));
    }

    /// The error function of each value, in place, to 1e-6. What becomes of a NaN depends on the machine.
    pub fn erf(self, x: &mut [f32]) {
        self.run(Each(x, Function::Erf));
    }

    /// e to the power of each value, in place, to 2 units in the last place; 0 below -87. What becomes of
    /// a NaN depends on the machine.
    pub fn exp(self, x: &mut [f32]) {
        self.run(Each(x, Function::Exp));
    }
}

fn expect_rows(what: &'static str, actual: usize, columns: usize) -> Result<(), KernelError> {
    let rows = actual.checked_div(columns).unwrap_or(0);
    expect_len(what, actual, rows * columns)
}

struct SoftmaxRows<'a> {
    scores: &'a mut [f32],
    columns: usize,
    mask: Option<&'a [u8]>,
}

impl Job for SoftmaxRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if self.columns == 0 {
            return;
        }
        let rows = self.scores.chunks_exact_mut(self.columns);
        match self.mask {
            None => rows.for_each(|row| softmax(simd, row, None)),
            Some(mask) => rows
                .zip(mask.chunks_exact(self.columns))
                .for_each(|(row, mask)| softmax(simd, row, Some(mask))),
        }
    }
}

/// Softmax of one row.
#[inline(always)]
pub(crate) fn softmax<S: Simd>(simd: S, row: &mut [f32], mask: Option<&[u8]>) {
    if let Some(mask) = mask {
        // What is forbidden becomes a score of minus infinity, of which nothing remains.
        let (scores, last_scores) = row.as_chunks_mut::<LANES>();
        let (mask, last_mask) = mask.as_chunks::<LANES>();
        for (scores, mask) in scores.iter_mut().zip(mask) {
            let kept = simd.select(
                simd.nonzero(mask),
                simd.load(scores),
                simd.splat(f32::NEG_INFINITY),
            );
            simd.store(kept, scores);
        }
        for (score, &allowed) in last_scores.iter_mut().zip(last_mask) {
            if allowed == 0 {
                *score = f32::NEG_INFINITY;
            }
        }
    }
    let (vectors, last) = row.as_chunks_mut::<LANES>();
    // The lanes that the last vector lacks are forbidden ones.
    let mut padded = [f32::NEG_INFINITY; LANES];
    padded[..last.len()].copy_from_slice(last);

    let mut largest = simd.load(&padded);
    for vector in vectors.iter() {
        largest = simd.max(simd.load(vector), largest);
    }
    let largest = simd.largest(largest);
    if largest == f32::NEG_INFINITY {
        row.fill(0.0);
        return;
    }
    let largest = simd.splat(largest);
    let last_vector = math::exp(simd, simd.sub(simd.load(&padded), largest));
    let mut sum = last_vector;
    for vector in vectors.iter_mut() {
        let exp = math::exp(simd, simd.sub(simd.load(vector), largest));
        sum = simd.add(sum, exp);
        simd.store(exp, vector);
    }
    // The largest score alone contributes 1: the sum is never 0.
    let factor = simd.splat(1.0 / simd.sum(sum));
    for vector in vectors {
        simd.store(simd.mul(simd.load(vector), factor), vector);
    }
    math::store_padded(simd, simd.mul(last_vector, factor), last);
}

struct LogSoftmax<'a>(&'a mut [f32]);

impl Job for LogSoftmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (vectors, last) = self.0.as_chunks_mut::<LANES>();
        let mut padded = [f32::NEG_INFINITY; LANES];
        padded[..last.len()].copy_from_slice(last);
        let mut largest = simd.load(&padded);
        for vector in vectors.iter() {
            largest = simd.max(simd.load(vector), largest);
        }
        let largest = simd.splat(simd.largest(largest));
        let exp = |v| math::exp(simd, simd.sub(v, largest));
        let sum = sum(simd, vectors, exp) + simd.sum(exp(simd.load(&padded)));
        let log_sum = simd.splat(sum.ln());
        // In this order nothing is lost where the logits are large and close together.
        let shifted = |v| simd.sub(simd.sub(v, largest), log_sum);
        for vector in vectors {
            simd.store(shifted(simd.load(vector)), vector);
        }
        math::store_padded(simd, shifted(simd.load(&padded)), last);
    }
}

struct LayerNorm<'a> {
    x: &'a mut [f32],
    residual: Option<&'a [f32]>,
    gamma: &'a [f32],
    beta: &'a [f32],
    epsilon: f32,
}

impl Job for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.gamma.len();
        if width == 0 {
            return;
        }
        let (gamma, last_gamma) = self.gamma.as_chunks::<LANES>();
        let (beta, last_beta) = self.beta.as_chunks::<LANES>();
        for (index, row) in self.x.chunks_exact_mut(width).enumerate() {
            if let Some(residual) = self.residual {
                add_assign(simd, row, &residual[index * width..][..width]);
            }
            let (vectors, last) = row.as_chunks_mut::<LANES>();
            let mean = sum(simd, vectors, |v| v) + last.iter().sum::<f32>();
            let mean = mean / width as f32;
            let center = simd.splat(mean);
            let square = |v| {
                let centered = simd.sub(v, center);
                simd.mul(centered, centered)
            };
            let last_squares = last.iter().map(|x| (x - mean) * (x - mean));
            let variance = sum(simd, vectors, square) + last_squares.sum::<f32>();
            let factor = 1.0 / (variance / width as f32 + self.epsilon).sqrt();
            let scale = simd.splat(factor);
            for ((x, gamma), beta) in vectors.iter_mut().zip(gamma).zip(beta) {
                let normal = simd.mul(simd.sub(simd.load(x), center), scale);
                simd.store(simd.mul_add(normal, simd.load(gamma), simd.load(beta)), x);
            }
            for ((x, gamma), beta) in last.iter_mut().zip(last_gamma).zip(last_beta) {
                *x = (*x - mean) * factor * gamma + beta;
            }
        }
    }
}

/// The sum of `f` of each lane, in two chains, because an addition takes several cycles.
#[inline(always)]
fn sum<S: Simd>(simd: S, vectors: &[[f32; LANES]], f: impl Fn(S::F32) -> S::F32) -> f32 {
    let (pairs, single) = vectors.as_chunks::<2>();
    let mut sums = [simd.splat(0.0); 2];
    for [a, b] in pairs {
        sums = [
            simd.add(sums[0], f(simd.load(a))),
            simd.add(sums[1], f(simd.load(b))),
        ];
    }
    for vector in single {
        sums[0] = simd.add(sums[0], f(simd.load(vector)));
    }
    simd.sum(simd.add(sums[0], sums[1]))
}

/// `to += from`
#[inline(always)]
fn add_assign<S: Simd>(simd: S, to: &mut [f32], from: &[f32]) {
    let (vectors, last) = to.as_chunks_mut::<LANES>();
    let (others, last_others) = from.as_chunks::<LANES>();
    for (to, from) in vectors.iter_mut().zip(others) {
        simd.store(simd.add(simd.load(to), simd.load(from)), to);
    }
    for (to, from) in last.iter_mut().zip(last_others) {
        *to += from;
    }
}

#[derive(Clone, Copy)]
enum Function {
    Gelu,
    Tanh,
    Erf,
    Exp,
}

/// A function of every value by itself.
struct Each<'a>(&'a mut [f32], Function);

impl Job for Each<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.1 {
            Function::Gelu => map(simd, self.0, |v| math::gelu(simd, v)),
            Function::Tanh => map(simd, self.0, |v| math::tanh(simd, v)),
            Function::Erf => map(simd, self.0, |v| math::erf(simd, v)),
            Function::Exp => map(simd, self.0, |v| math::exp(simd, v)),
        }
    }
}

#[inline(always)]
fn map<S: Simd>(simd: S, values: &mut [f32], f: impl Fn(S::F32) -> S::F32) {
    for chunk in values.chunks_mut(LANES) {
        let vector = f(math::load_padded(simd, chunk));
        math::store_padded(simd, vector, chunk);
    }
}
