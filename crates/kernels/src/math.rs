//! exp, erf and tanh on vectors, and the loads and stores of a last, shorter vector.

use crate::simd::{LANES, ROUND, Simd};
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, LOG2_E};

/// Up to eight floats; the lanes beyond them are zero.
#[inline(always)]
pub(crate) fn load_padded<S: Simd>(simd: S, values: &[f32]) -> S::F32 {
    if let Some(values) = values.first_chunk() {
        return simd.load(values);
    }
    let mut padded = [0.0; LANES];
    padded[..values.len()].copy_from_slice(values);
    simd.load(&padded)
}

/// The first lanes of a vector, as many as `values` has room for.
#[inline(always)]
pub(crate) fn store_padded<S: Simd>(simd: S, vector: S::F32, values: &mut [f32]) {
    if let Some(values) = values.first_chunk_mut() {
        return simd.store(vector, values);
    }
    let mut padded = [0.0; LANES];
    simd.store(vector, &mut padded);
    values.copy_from_slice(&padded[..values.len()]);
}

/// c0 + c1 x + c2 x^2 + ...
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::F32, coefficients: [f32; N]) -> S::F32 {
    let mut sum = simd.splat(coefficients[N - 1]);
    for &coefficient in coefficients[..N - 1].iter().rev() {
        sum = simd.mul_add(sum, x, simd.splat(coefficient));
    }
    sum
}

/// e to the power of x, to 2 units in the last place; zero below -87, where floats run out, and e^88 above 88.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let least = simd.splat(-87.0);
    let vanishes = simd.less(x, least);
    let x = simd.min(simd.splat(88.0), simd.max(least, x));
    // x = n ln 2 + r with |r| at most half of ln 2.
    let rounded = simd.mul_add(x, simd.splat(LOG2_E), simd.splat(ROUND));
    let n = simd.sub(rounded, simd.splat(ROUND));
    let r = simd.mul_add(n, simd.splat(-LN_2_HIGH), x);
    let r = simd.mul_add(n, simd.splat(-LN_2_LOW), r);
    // Minimax on that interval for (e^r - 1 - r) / r^2.
    let tail = polynomial(
        simd,
        r,
        [
            0.499_999_9,
            0.166_665_18,
            0.041_669_534,
            0.008_368_923,
            0.001_375_138_2,
        ],
    );
    let one = simd.splat(1.0);
    let series = simd.add(simd.mul_add(simd.mul(tail, r), r, r), one);
    simd.select(vanishes, simd.splat(0.0), simd.mul(series, simd.pow2(n)))
}

/// x P(x^2) / Q(x^2), the form that suits an odd function which levels off at 1. From `limit` on the quotient is above 1,
/// so that the result is 1 exactly: GELU multiplies what is left of 1 by x.
#[inline(always)]
fn odd_rational<S: Simd, const P: usize, const Q: usize>(
    simd: S,
    x: S::F32,
    limit: f32,
    p: [f32; P],
    q: [f32; Q],
) -> S::F32 {
    let within = |limit, x| simd.min(simd.splat(limit), simd.max(simd.splat(-limit), x));
    let x = within(limit, x);
    let square = simd.mul(x, x);
    let numerator = simd.mul(x, polynomial(simd, square, p));
    within(1.0, simd.div(numerator, polynomial(simd, square, q)))
}

/// The error function, to 4e-7. The coefficients are a weighted least-squares fit that was driven to equal ripples, for
/// the relative error.
#[inline(always)]
pub(crate) fn erf<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let p = [
        FRAC_2_SQRT_PI,
        0.190_387_45,
        0.052_745_82,
        0.003_764_695_4,
        2.848_44e-4,
        2.049_996e-6,
    ];
    let q = [
        1.0,
        0.502_059_2,
        0.114_100_9,
        0.014_967_386,
        0.001_162_278_5,
        3.808_875e-5,
    ];
    odd_rational(simd, x, 4.15, p, q)
}

/// The hyperbolic tangent, to 4e-7, by the same kind of fit.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let p = [
        1.0,
        0.133_797_55,
        0.003_494_075,
        2.058_399_4e-5,
        1.331_951_3e-8,
    ];
    let q = [
        1.0,
        0.467_130_7,
        0.025_871_237,
        3.283_152_2e-4,
        7.762_256e-7,
    ];
    odd_rational(simd, x, 9.7, p, q)
}

/// x times the normal distribution's share below x. NaN for NaN, and for minus infinity.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let half = simd.mul(x, simd.splat(0.5));
    let erf = erf(simd, simd.mul(x, simd.splat(FRAC_1_SQRT_2)));
    simd.mul_add(half, erf, half)
}
