//! The reference: what every other instruction set is tested against, and the fallback where there is none.

use super::{LANES, Simd, Steps};
use half::f16;

/// Plain Rust, one lane at a time.
#[derive(Clone, Copy)]
pub(crate) struct Scalar;

#[inline(always)]
fn each<A: Copy, B: Copy, C>(a: [A; LANES], b: [B; LANES], f: impl Fn(A, B) -> C) -> [C; LANES] {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

impl Simd for Scalar {
    const ONE_DOT: bool = false;
    const WORDS: bool = false;

    type F32 = [f32; LANES];
    type I32 = [i32; LANES];
    type Mask = [bool; LANES];
    type Bytes = [i8; 4 * LANES];
    type Quad = [i8; 4];

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F32 {
        [value; LANES]
    }
    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> Self::F32 {
        *values
    }
    #[inline(always)]
    fn store(self, vector: Self::F32, values: &mut [f32; LANES]) {
        *values = vector;
    }
    #[inline(always)]
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        each(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        // Not `f32::mul_add`: without the instruction that is a call into the mathematical library.
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        each(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn less(self, a: Self::F32, b: Self::F32) -> Self::Mask {
        each(a, b, |a, b| a < b)
    }
    #[inline(always)]
    fn select(self, mask: Self::Mask, yes: Self::F32, no: Self::F32) -> Self::F32 {
        std::array::from_fn(|lane| if mask[lane] { yes[lane] } else { no[lane] })
    }
    #[inline(always)]
    fn any(self, mask: Self::Mask) -> bool {
        mask.contains(&true)
    }
    #[inline(always)]
    fn nonzero(self, bytes: &[u8; LANES]) -> Self::Mask {
        bytes.map(|byte| byte != 0)
    }
    #[inline(always)]
    fn pow2(self, exponent: Self::F32) -> Self::F32 {
        exponent.map(|e| f32::from_bits(((e as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    fn load_f16(self, bits: &[u16; LANES]) -> Self::F32 {
        bits.map(|b| f16::from_bits(b).to_f32_const())
    }
    #[inline(always)]
    fn load_i16(self, values: &[i16; LANES]) -> Self::F32 {
        values.map(f32::from)
    }
    #[inline(always)]
    fn to_f32(self, integers: Self::I32) -> Self::F32 {
        integers.map(|i| i as f32)
    }
    #[inline(always)]
    fn low_bytes(self, vectors: [Self::F32; 4]) -> [i8; 4 * LANES] {
        std::array::from_fn(|i| vectors[i / LANES][i % LANES].to_bits() as i8)
    }
    #[inline(always)]
    fn splat_i32(self, value: i32) -> Self::I32 {
        [value; LANES]
    }
    #[inline(always)]
    fn add_i32(self, a: Self::I32, b: Self::I32) -> Self::I32 {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn load_bytes(self, bytes: &[i8; 4 * LANES]) -> Self::Bytes {
        *bytes
    }
    #[inline(always)]
    fn load_nibbles(self, bytes: &[u8; 4 * LANES]) -> (Self::Bytes, Self::Bytes) {
        (bytes.map(|b| (b & 15) as i8), bytes.map(|b| (b >> 4) as i8))
    }
    #[inline(always)]
    fn splat_quad(self, quad: &[i8; 4]) -> Self::Bytes {
        std::array::from_fn(|i| quad[i % 4])
    }
    #[inline(always)]
    fn dot_add(self, sums: Self::I32, signed: Self::Bytes, steps: Self::Bytes) -> Self::I32 {
        std::array::from_fn(|lane| {
            let bytes = 4 * lane..4 * lane + 4;
            let products = bytes.map(|i| i32::from(signed[i]) * i32::from(steps[i]));
            sums[lane] + products.sum::<i32>()
        })
    }
    #[inline(always)]
    fn pair_dots_add<const ROWS: usize>(
        self,
        sums: [Self::I32; ROWS],
        words: &[i16; 2 * LANES],
        pairs: &[i32; ROWS],
    ) -> [Self::I32; ROWS] {
        std::array::from_fn(|row| {
            let [low, high] = [pairs[row] as i16, (pairs[row] >> 16) as i16].map(i32::from);
            std::array::from_fn(|lane| {
                let [a, b] = [words[2 * lane], words[2 * lane + 1]].map(i32::from);
                sums[row][lane] + a * low + b * high
            })
        })
    }
    #[inline(always)]
    fn steps(self) -> Steps {
        Steps::SIGNED
    }
}
