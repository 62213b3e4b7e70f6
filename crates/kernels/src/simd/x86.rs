//! x86-64 with AVX2 and FMA, and the byte dot product of VNNI where there is one.

use super::{LANES, ROUND, Simd, Steps};
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// How a machine with AVX2 multiplies bytes.
pub(crate) trait Dot: Copy {
    /// As [`Simd::ONE_DOT`].
    const ONE_DOT: bool;
    /// As [`Simd::steps`].
    const STEPS: Steps;

    /// As [`Simd::dot_add`].
    ///
    /// # Safety
    /// The machine has AVX2 and the extension that the implementing type names.
    unsafe fn dot_add(sums: __m256i, signed: __m256i, steps: __m256i) -> __m256i;
}

/// No VNNI: even and odd bytes, widened to 16 bits. (The product of bytes that AVX2 has saturates beyond 7 bits.)
#[derive(Clone, Copy)]
pub(crate) struct Wide;

impl Dot for Wide {
    const ONE_DOT: bool = false;
    const STEPS: Steps = Steps::SIGNED;

    #[inline(always)]
    unsafe fn dot_add(sums: __m256i, signed: __m256i, steps: __m256i) -> __m256i {
        // SAFETY: the caller vouches for AVX2.
        unsafe {
            let odd = |bytes| _mm256_srai_epi16(bytes, 8);
            let even = |bytes| odd(_mm256_slli_epi16(bytes, 8));
            let evens = _mm256_madd_epi16(even(signed), even(steps));
            let odds = _mm256_madd_epi16(odd(signed), odd(steps));
            _mm256_add_epi32(sums, _mm256_add_epi32(evens, odds))
        }
    }
}

/// AVX-VNNI, of processors without AVX-512.
#[derive(Clone, Copy)]
pub(crate) struct AvxVnni;

impl Dot for AvxVnni {
    const ONE_DOT: bool = true;
    const STEPS: Steps = Steps::UNSIGNED;

    #[inline(always)]
    unsafe fn dot_add(sums: __m256i, signed: __m256i, steps: __m256i) -> __m256i {
        // SAFETY: the caller vouches for AVX-VNNI.
        unsafe { _mm256_dpbusd_avx_epi32(sums, steps, signed) }
    }
}

/// AVX-512 VNNI at 256 bits.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Vnni;

impl Dot for Avx512Vnni {
    const ONE_DOT: bool = true;
    const STEPS: Steps = Steps::UNSIGNED;

    #[inline(always)]
    unsafe fn dot_add(sums: __m256i, signed: __m256i, steps: __m256i) -> __m256i {
        // SAFETY: the caller vouches for AVX-512 VNNI and VL.
        unsafe { _mm256_dpbusd_epi32(sums, steps, signed) }
    }
}

/// One 256-bit register to a vector. A value exists only where AVX2, FMA, F16C and the extension of `D` were detected:
/// that is the reason behind every unsafe block below.
#[derive(Clone, Copy)]
pub(crate) struct Avx<D>(PhantomData<D>);

impl<D> Avx<D> {
    /// # Safety
    /// The machine has AVX2, FMA, F16C and the extension that `D` names, and the caller is compiled for them.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(PhantomData)
    }
}

impl<D: Dot> Simd for Avx<D> {
    const ONE_DOT: bool = D::ONE_DOT;
    const WORDS: bool = false;

    type F32 = __m256;
    type I32 = __m256i;
    type Mask = __m256;
    type Bytes = __m256i;
    type Quad = [i8; 4];

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: AVX was detected.
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> __m256 {
        // SAFETY: AVX was detected; eight floats are 32 bytes, and an unaligned load wants no more.
        unsafe { _mm256_loadu_ps(values.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, vector: __m256, values: &mut [f32; LANES]) {
        // SAFETY: AVX was detected; eight floats are 32 bytes.
        unsafe { _mm256_storeu_ps(values.as_mut_ptr(), vector) }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: AVX was detected.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: AVX was detected.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: AVX was detected.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: AVX was detected.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: FMA was detected.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: AVX was detected.
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: AVX was detected.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn less(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: AVX was detected.
        unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(a, b) }
    }
    #[inline(always)]
    fn select(self, mask: __m256, yes: __m256, no: __m256) -> __m256 {
        // SAFETY: AVX was detected.
        unsafe { _mm256_blendv_ps(no, yes, mask) }
    }
    #[inline(always)]
    fn any(self, mask: __m256) -> bool {
        // SAFETY: AVX was detected.
        unsafe { _mm256_movemask_ps(mask) != 0 }
    }
    #[inline(always)]
    fn nonzero(self, bytes: &[u8; LANES]) -> __m256 {
        // SAFETY: AVX2 was detected.
        unsafe {
            let wide = _mm256_cvtepu8_epi32(_mm_set1_epi64x(i64::from_le_bytes(*bytes)));
            _mm256_castsi256_ps(_mm256_cmpgt_epi32(wide, _mm256_setzero_si256()))
        }
    }
    #[inline(always)]
    fn pow2(self, exponent: __m256) -> __m256 {
        // The rounding constant leaves `exponent + 127` in the low bits; the shift drops everything above them.
        let biased = self.add(exponent, self.splat(ROUND + 127.0));
        // SAFETY: AVX2 was detected.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(biased))) }
    }
    #[inline(always)]
    fn load_f16(self, bits: &[u16; LANES]) -> __m256 {
        // SAFETY: F16C was detected; eight half floats are the 16 bytes of an unaligned load.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(bits.as_ptr().cast())) }
    }
    #[inline(always)]
    fn load_i16(self, values: &[i16; LANES]) -> __m256 {
        // SAFETY: AVX2 was detected; eight 16-bit integers are the 16 bytes of an unaligned load.
        unsafe {
            self.to_f32(_mm256_cvtepi16_epi32(_mm_loadu_si128(
                values.as_ptr().cast(),
            )))
        }
    }
    #[inline(always)]
    fn to_f32(self, integers: __m256i) -> __m256 {
        // SAFETY: AVX was detected.
        unsafe { _mm256_cvtepi32_ps(integers) }
    }
    #[inline(always)]
    fn low_bytes(self, vectors: [__m256; 4]) -> [i8; 4 * LANES] {
        let mut bytes = [0; 4 * LANES];
        // SAFETY: AVX2 was detected; the array is the 32 bytes of an unaligned store. Packing works within each half
        // of a register, so the last step puts the eight groups of four back in order.
        unsafe {
            let [a, b, c, d] =
                vectors.map(|v| _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0xff)));
            let packed = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            let ordered = _mm256_permutevar8x32_epi32(packed, order);
            _mm256_storeu_si256(bytes.as_mut_ptr().cast(), ordered);
        }
        bytes
    }
    #[inline(always)]
    fn splat_i32(self, value: i32) -> __m256i {
        // SAFETY: AVX was detected.
        unsafe { _mm256_set1_epi32(value) }
    }
    #[inline(always)]
    fn add_i32(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 was detected.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    fn load_bytes(self, bytes: &[i8; 4 * LANES]) -> __m256i {
        // SAFETY: AVX was detected; the array is the 32 bytes of an unaligned load.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }
    #[inline(always)]
    fn load_nibbles(self, bytes: &[u8; 4 * LANES]) -> (__m256i, __m256i) {
        // SAFETY: AVX2 was detected; the array is the 32 bytes of an unaligned load.
        unsafe {
            let bytes = _mm256_loadu_si256(bytes.as_ptr().cast());
            let nibble = _mm256_set1_epi8(15);
            (
                _mm256_and_si256(bytes, nibble),
                _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble),
            )
        }
    }
    #[inline(always)]
    fn splat_quad(self, quad: &[i8; 4]) -> __m256i {
        // SAFETY: AVX2 was detected.
        unsafe { _mm256_set1_epi32(i32::from_le_bytes(quad.map(|byte| byte as u8))) }
    }
    #[inline(always)]
    fn dot_add(self, sums: __m256i, signed: __m256i, steps: __m256i) -> __m256i {
        // SAFETY: the extension of `D` was detected.
        unsafe { D::dot_add(sums, signed, steps) }
    }
    #[inline(always)]
    fn pair_dots_add<const ROWS: usize>(
        self,
        sums: [__m256i; ROWS],
        words: &[i16; 2 * LANES],
        pairs: &[i32; ROWS],
    ) -> [__m256i; ROWS] {
        // SAFETY: AVX2 was detected; sixteen words are 32 bytes, and an unaligned load wants no more.
        unsafe {
            let words = _mm256_loadu_si256(words.as_ptr().cast());
            std::array::from_fn(|row| {
                let products = _mm256_madd_epi16(words, _mm256_set1_epi32(pairs[row]));
                _mm256_add_epi32(sums[row], products)
            })
        }
    }
    #[inline(always)]
    fn steps(self) -> Steps {
        D::STEPS
    }
}
