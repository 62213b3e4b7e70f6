//! WebAssembly: two 128-bit registers to a vector, with or without the relaxed instructions.

use super::{LANES, Quad, ROUND, Simd, Steps, WIDENED, WordPairs};
use std::arch::wasm32::*;
#[cfg(feature = "relaxed-simd")]
use std::hint::black_box;
use std::marker::PhantomData;

/// The few instructions in which the builds and machines differ.
pub(crate) trait Level: Copy {
    /// As [`Simd::ONE_DOT`].
    const ONE_DOT: bool;

    /// Sixteen bytes in the form in which this level multiplies them.
    type Bytes: Copy;
    /// As [`Simd::Quad`].
    type Quad: Quad;
    /// Bytes from a register.
    fn bytes(register: v128) -> Self::Bytes;
    /// As [`Simd::splat_quad`], for four lanes.
    fn splat_quad(quad: &Self::Quad) -> Self::Bytes;
    /// As [`Simd::dot_add`], for four lanes.
    fn dot_add(sums: v128, signed: Self::Bytes, steps: Self::Bytes) -> v128;
    /// As [`Simd::steps`].
    fn steps() -> Steps;
    /// `a * b + c`.
    fn mul_add(a: v128, b: v128, c: v128) -> v128;
}

/// A level that has no dot product of bytes, and multiplies them as 16-bit integers.
pub(crate) trait Wide: Copy {
    /// As [`Level::mul_add`].
    fn mul_add(a: v128, b: v128, c: v128) -> v128;
}

impl<W: Wide> Level for W {
    const ONE_DOT: bool = false;

    // Bytes 0 and 2 of each lane, and bytes 1 and 3, widened to 16 bits: their products pair up within the lane, so
    // one register of sums is enough and nothing needs shuffling at the end.
    type Bytes = (v128, v128);
    // Widening a byte for every panel would cost more than to keep a word, which is far more exact besides.
    type Quad = WordPairs;

    #[inline(always)]
    fn bytes(register: v128) -> Self::Bytes {
        (i16x8_shr(i16x8_shl(register, 8), 8), i16x8_shr(register, 8))
    }
    #[inline(always)]
    fn splat_quad([even, odd]: &WordPairs) -> Self::Bytes {
        (i32x4_splat(*even), i32x4_splat(*odd))
    }
    #[inline(always)]
    fn dot_add(sums: v128, signed: Self::Bytes, steps: Self::Bytes) -> v128 {
        let even = i32x4_dot_i16x8(signed.0, steps.0);
        let odd = i32x4_dot_i16x8(signed.1, steps.1);
        i32x4_add(sums, i32x4_add(even, odd))
    }
    #[inline(always)]
    fn steps() -> Steps {
        Steps::WORDS
    }
    #[inline(always)]
    fn mul_add(a: v128, b: v128, c: v128) -> v128 {
        W::mul_add(a, b, c)
    }
}

/// Instructions that every browser with WebAssembly SIMD has.
#[cfg(any(test, not(feature = "relaxed-simd")))]
#[derive(Clone, Copy)]
pub(crate) struct Strict;

#[cfg(any(test, not(feature = "relaxed-simd")))]
impl Wide for Strict {
    #[inline(always)]
    fn mul_add(a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }
}

/// The relaxed instructions on a machine whose dot product of bytes has no use for the eighth bit: it takes three
/// instructions there, hardly less than with 16 bits, and the half of the steps would be lost.
#[cfg(feature = "relaxed-simd")]
#[derive(Clone, Copy)]
pub(crate) struct RelaxedWide;

#[cfg(feature = "relaxed-simd")]
impl Wide for RelaxedWide {
    #[inline(always)]
    fn mul_add(a: v128, b: v128, c: v128) -> v128 {
        f32x4_relaxed_madd(a, b, c)
    }
}

/// The relaxed instructions. With a 7-bit second operand the dot product is the same integer on every machine; what an
/// eighth bit means is the machine's choice, the same at every call, so that it can be asked.
#[cfg(feature = "relaxed-simd")]
#[derive(Clone, Copy)]
pub(crate) struct Relaxed;

#[cfg(feature = "relaxed-simd")]
impl Relaxed {
    /// The steps of eight bits that this machine's dot product takes, if it takes any.
    #[inline(always)]
    pub(crate) fn eight_bits() -> Option<Steps> {
        // Four products of the extremes, which no sum of 16 bits holds if the top bit counts 128.
        let of = |signed| {
            let (signed, steps) = (i8x16_splat(black_box(signed)), u8x16_splat(black_box(255)));
            let sums = i32x4_relaxed_dot_i8x16_i7x16_add(signed, steps, i32x4_splat(0));
            i32x4_extract_lane::<0>(sums)
        };
        match (of(127), of(-128)) {
            (129_540, -130_560) => Some(Steps::UNSIGNED),
            (-508, 512) => Some(Steps::SIGNED),
            _ => None,
        }
    }
}

#[cfg(feature = "relaxed-simd")]
impl Level for Relaxed {
    const ONE_DOT: bool = true;

    type Bytes = v128;
    type Quad = [i8; 4];

    #[inline(always)]
    fn bytes(register: v128) -> Self::Bytes {
        register
    }
    #[inline(always)]
    fn splat_quad(quad: &[i8; 4]) -> Self::Bytes {
        i32x4_splat(i32::from_le_bytes(quad.map(|byte| byte as u8)))
    }
    #[inline(always)]
    fn dot_add(sums: v128, signed: Self::Bytes, steps: Self::Bytes) -> v128 {
        i32x4_relaxed_dot_i8x16_i7x16_add(signed, steps, sums)
    }
    #[inline(always)]
    fn steps() -> Steps {
        // Where there are none, `dispatch` does not choose this level.
        Self::eight_bits().unwrap_or(Steps::SIGNED)
    }
    #[inline(always)]
    fn mul_add(a: v128, b: v128, c: v128) -> v128 {
        f32x4_relaxed_madd(a, b, c)
    }
}

/// A pair of 128-bit registers at one [`Level`].
#[derive(Clone, Copy)]
pub(crate) struct Wasm<L>(PhantomData<L>);

impl<L> Wasm<L> {
    /// A module that holds these instructions was validated as a whole before any of it ran: nothing to detect.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

type Pair = (v128, v128);

#[inline(always)]
fn each(a: Pair, b: Pair, f: impl Fn(v128, v128) -> v128) -> Pair {
    (f(a.0, b.0), f(a.1, b.1))
}

/// The `index`-th 16 bytes of an array.
#[inline(always)]
fn load16<T, const N: usize>(values: &[T; N], index: usize) -> v128 {
    assert!((index + 1) * 16 <= size_of_val(values));
    // SAFETY: the assertion (on constants, so it costs nothing) keeps the read inside the array; any alignment will
    // do, and every bit pattern is a v128.
    unsafe { v128_load(values.as_ptr().cast::<v128>().add(index)) }
}

/// Writes the `index`-th 16 bytes of an array of numbers.
#[inline(always)]
fn store16<T, const N: usize>(register: v128, values: &mut [T; N], index: usize) {
    assert!((index + 1) * 16 <= size_of_val(values));
    // SAFETY: the assertion keeps the write inside the array; any alignment will do, and it is called for arrays of
    // numbers, for which every bit pattern is a value.
    unsafe { v128_store(values.as_mut_ptr().cast::<v128>().add(index), register) }
}

/// The low and the high nibbles of sixteen bytes.
#[inline(always)]
fn nibbles<L: Level>(register: v128) -> (L::Bytes, L::Bytes) {
    let low = |register| L::bytes(v128_and(register, u8x16_splat(15)));
    // A shift of bytes is two instructions on x86: this is the same, with the mask already at hand.
    (low(register), low(u16x8_shr(register, 4)))
}

impl<L: Level> Simd for Wasm<L> {
    const ONE_DOT: bool = L::ONE_DOT;
    const WORDS: bool = !L::ONE_DOT;

    type F32 = Pair;
    type I32 = Pair;
    type Mask = Pair;
    type Bytes = (L::Bytes, L::Bytes);
    type Quad = L::Quad;

    #[inline(always)]
    fn splat(self, value: f32) -> Pair {
        let register = f32x4_splat(value);
        (register, register)
    }
    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> Pair {
        (load16(values, 0), load16(values, 1))
    }
    #[inline(always)]
    fn store(self, vector: Pair, values: &mut [f32; LANES]) {
        store16(vector.0, values, 0);
        store16(vector.1, values, 1);
    }
    #[inline(always)]
    fn add(self, a: Pair, b: Pair) -> Pair {
        each(a, b, |a, b| f32x4_add(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Pair, b: Pair) -> Pair {
        each(a, b, |a, b| f32x4_sub(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Pair, b: Pair) -> Pair {
        each(a, b, |a, b| f32x4_mul(a, b))
    }
    #[inline(always)]
    fn div(self, a: Pair, b: Pair) -> Pair {
        each(a, b, |a, b| f32x4_div(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: Pair, b: Pair, c: Pair) -> Pair {
        (L::mul_add(a.0, b.0, c.0), L::mul_add(a.1, b.1, c.1))
    }
    #[inline(always)]
    fn min(self, a: Pair, b: Pair) -> Pair {
        // pmin(x, y) is `y < x ? y : x`, one instruction; the IEEE minimum is seven on x86.
        each(a, b, |a, b| f32x4_pmin(b, a))
    }
    #[inline(always)]
    fn max(self, a: Pair, b: Pair) -> Pair {
        each(a, b, |a, b| f32x4_pmax(b, a))
    }
    #[inline(always)]
    fn less(self, a: Pair, b: Pair) -> Pair {
        each(a, b, |a, b| f32x4_lt(a, b))
    }
    #[inline(always)]
    fn select(self, mask: Pair, yes: Pair, no: Pair) -> Pair {
        (
            v128_bitselect(yes.0, no.0, mask.0),
            v128_bitselect(yes.1, no.1, mask.1),
        )
    }
    #[inline(always)]
    fn any(self, mask: Pair) -> bool {
        v128_any_true(v128_or(mask.0, mask.1))
    }
    #[inline(always)]
    fn nonzero(self, bytes: &[u8; LANES]) -> Pair {
        let word = i64x2_splat(i64::from_le_bytes(*bytes));
        let wide = i16x8_ne(u16x8_extend_low_u8x16(word), i16x8_splat(0));
        (i32x4_extend_low_i16x8(wide), i32x4_extend_high_i16x8(wide))
    }
    #[inline(always)]
    fn pow2(self, exponent: Pair) -> Pair {
        // The rounding constant leaves `exponent + 127` in the low bits; the shift drops everything above them.
        let biased = self.add(exponent, self.splat(ROUND + 127.0));
        (i32x4_shl(biased.0, 23), i32x4_shl(biased.1, 23))
    }
    #[inline(always)]
    fn load_f16(self, bits: &[u16; LANES]) -> Pair {
        // Sign-extended and shifted to where a float has its exponent, a half float is 2^112 times too small, its
        // denormals included; the mask removes the copies of the sign.
        let halves = load16(bits, 0);
        let widen = |bits| {
            let placed = v128_and(i32x4_shl(bits, 13), u32x4_splat(0x8fff_ffff));
            f32x4_mul(placed, u32x4_splat((127 + 112) << 23))
        };
        (
            widen(i32x4_extend_low_i16x8(halves)),
            widen(i32x4_extend_high_i16x8(halves)),
        )
    }
    #[inline(always)]
    fn load_i16(self, values: &[i16; LANES]) -> Pair {
        let values = load16(values, 0);
        self.to_f32((
            i32x4_extend_low_i16x8(values),
            i32x4_extend_high_i16x8(values),
        ))
    }
    #[inline(always)]
    fn to_f32(self, integers: Pair) -> Pair {
        (
            f32x4_convert_i32x4(integers.0),
            f32x4_convert_i32x4(integers.1),
        )
    }
    #[inline(always)]
    fn low_bytes(self, vectors: [Pair; 4]) -> [i8; 4 * LANES] {
        let low = |v: Pair| {
            let byte = u32x4_splat(0xff);
            i16x8_narrow_i32x4(v128_and(v.0, byte), v128_and(v.1, byte))
        };
        let mut bytes = [0; 4 * LANES];
        store16(
            u8x16_narrow_i16x8(low(vectors[0]), low(vectors[1])),
            &mut bytes,
            0,
        );
        store16(
            u8x16_narrow_i16x8(low(vectors[2]), low(vectors[3])),
            &mut bytes,
            1,
        );
        bytes
    }
    #[inline(always)]
    fn splat_i32(self, value: i32) -> Pair {
        let register = i32x4_splat(value);
        (register, register)
    }
    #[inline(always)]
    fn add_i32(self, a: Pair, b: Pair) -> Pair {
        each(a, b, |a, b| i32x4_add(a, b))
    }
    #[inline(always)]
    fn load_bytes(self, bytes: &[i8; 4 * LANES]) -> Self::Bytes {
        (L::bytes(load16(bytes, 0)), L::bytes(load16(bytes, 1)))
    }
    #[inline(always)]
    fn load_nibbles(self, bytes: &[u8; 4 * LANES]) -> (Self::Bytes, Self::Bytes) {
        let (a, b) = (
            nibbles::<L>(load16(bytes, 0)),
            nibbles::<L>(load16(bytes, 1)),
        );
        ((a.0, b.0), (a.1, b.1))
    }
    #[inline(always)]
    fn splat_quad(self, quad: &L::Quad) -> Self::Bytes {
        let bytes = L::splat_quad(quad);
        (bytes, bytes)
    }
    #[inline(always)]
    fn dot_add(self, sums: Pair, signed: Self::Bytes, steps: Self::Bytes) -> Pair {
        (
            L::dot_add(sums.0, signed.0, steps.0),
            L::dot_add(sums.1, signed.1, steps.1),
        )
    }
    #[inline(always)]
    fn widen(
        self,
        bytes: &[i8; 4 * LANES],
        ratios: &[i16; LANES],
        words: &mut [[i16; 2 * LANES]; 2],
    ) {
        // A ratio for each word, and the byte's factor in the shift that isolates it.
        const { assert!(WIDENED == 1 << 5) };
        let ratios = load16(ratios, 0);
        let ratios = [
            i16x8_shuffle::<0, 0, 1, 1, 2, 2, 3, 3>(ratios, ratios),
            i16x8_shuffle::<4, 4, 5, 5, 6, 6, 7, 7>(ratios, ratios),
        ];
        for (half, ratio) in ratios.into_iter().enumerate() {
            let bytes = load16(bytes, half);
            let even = i16x8_shr(i16x8_shl(bytes, 8), 3);
            let odd = i16x8_shl(i16x8_shr(bytes, 8), 5);
            store16(i16x8_q15mulr_sat(even, ratio), &mut words[0], half);
            store16(i16x8_q15mulr_sat(odd, ratio), &mut words[1], half);
        }
    }
    #[inline(always)]
    fn pair_dots_add<const ROWS: usize>(
        self,
        sums: [Pair; ROWS],
        words: &[i16; 2 * LANES],
        pairs: &[i32; ROWS],
    ) -> [Pair; ROWS] {
        let words = (load16(words, 0), load16(words, 1));
        std::array::from_fn(|row| {
            let pair = i32x4_splat(pairs[row]);
            (
                i32x4_add(sums[row].0, i32x4_dot_i16x8(words.0, pair)),
                i32x4_add(sums[row].1, i32x4_dot_i16x8(words.1, pair)),
            )
        })
    }
    #[inline(always)]
    fn steps(self) -> Steps {
        L::steps()
    }
    #[inline(always)]
    fn sum4(self, vectors: [Pair; 4]) -> [f32; 4] {
        // A transpose: three levels of additions for all four sums together.
        let [a, b, c, d] = vectors.map(|v| f32x4_add(v.0, v.1));
        let ab = f32x4_add(
            i32x4_shuffle::<0, 4, 1, 5>(a, b),
            i32x4_shuffle::<2, 6, 3, 7>(a, b),
        );
        let cd = f32x4_add(
            i32x4_shuffle::<0, 4, 1, 5>(c, d),
            i32x4_shuffle::<2, 6, 3, 7>(c, d),
        );
        let sums = f32x4_add(i64x2_shuffle::<0, 2>(ab, cd), i64x2_shuffle::<1, 3>(ab, cd));
        let mut lanes = [0.0; 4];
        store16(sums, &mut lanes, 0);
        lanes
    }
}
