//! What an instruction set must offer: eight 32-bit lanes, and a dot product of bytes.
//!
//! Every kernel is written once, over [`Simd`]. A vector is always eight lanes, whatever the register's width: two
//! registers of 128 bits in WebAssembly, one of 256 on x86, an array in the scalar reference. So shapes are plain
//! arrays of eight, loads need no pointers, and the pair gives the processor two independent chains for free.
//!
//! A value of an implementing type is the proof that its instructions may run: [`crate::dispatch`] alone makes one.

#[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
pub(crate) mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod wasm;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

/// Lanes in a vector.
pub(crate) const LANES: usize = 8;

/// Adding this to a float of magnitude below 2^22 rounds it to the nearest integer, ties to even, and leaves that
/// integer in the low bits of the float's own bits: rounding and conversion in one addition, alike everywhere.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// The bytes from `least` to `most`: 127 of them beside zero at least, which every machine reads alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Steps {
    pub(crate) least: f32,
    pub(crate) most: f32,
}

impl Steps {
    /// What every machine can do.
    #[cfg(any(test, feature = "relaxed-simd"))]
    pub(crate) const SEVEN_BITS: Self = Self {
        least: 0.0,
        most: 127.0,
    };
    /// The top bit is the sign.
    pub(crate) const SIGNED: Self = Self {
        least: -128.0,
        most: 127.0,
    };
    /// The top bit counts 128.
    #[cfg(any(test, target_arch = "x86_64", feature = "relaxed-simd"))]
    pub(crate) const UNSIGNED: Self = Self {
        least: 0.0,
        most: 255.0,
    };
}

/// One instruction set. Floats may differ between implementations by the rounding of a fused multiply-add; integers,
/// and everything marked *exact*, may not differ at all.
pub(crate) trait Simd: Copy {
    /// Whether [`Simd::dot_add`] is one instruction for each register.
    const ONE_DOT: bool;

    /// Eight floats.
    type F32: Copy;
    /// Eight integers.
    type I32: Copy;
    /// Eight yes-or-no answers.
    type Mask: Copy;
    /// Thirty-two bytes, ready for [`Simd::dot_add`].
    type Bytes: Copy;

    /// The same float in every lane.
    fn splat(self, value: f32) -> Self::F32;
    /// Eight floats from memory.
    fn load(self, values: &[f32; LANES]) -> Self::F32;
    /// Eight floats to memory.
    fn store(self, vector: Self::F32, values: &mut [f32; LANES]);
    /// `a + b`, exact.
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a - b`, exact.
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b`, exact.
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / b`, exact.
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b + c`, fused where that's what the machine has.
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// The smaller of each pair, exact; either one of a pair with a NaN: a relaxed build compiles even the scalar
    /// comparison to WebAssembly's relaxed minimum, which leaves that open.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The larger of each pair, exact; either one of a pair with a NaN.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a < b`; false where either is NaN.
    fn less(self, a: Self::F32, b: Self::F32) -> Self::Mask;
    /// `yes` where the mask holds, else `no`.
    fn select(self, mask: Self::Mask, yes: Self::F32, no: Self::F32) -> Self::F32;
    /// Whether the mask holds anywhere.
    fn any(self, mask: Self::Mask) -> bool;
    /// A mask that holds where the byte isn't zero.
    fn nonzero(self, bytes: &[u8; LANES]) -> Self::Mask;
    /// 2 to the power of an integer-valued float from -126 to 127, exact.
    fn pow2(self, exponent: Self::F32) -> Self::F32;
    /// Finite half floats, exact.
    fn load_f16(self, bits: &[u16; LANES]) -> Self::F32;
    /// Eight 16-bit integers as floats, exact.
    fn load_i16(self, values: &[i16; LANES]) -> Self::F32;
    /// Eight integers as floats, exact below 2^24.
    fn to_f32(self, integers: Self::I32) -> Self::F32;
    /// The lowest byte of each lane's bits, in order: with [`ROUND`] added beforehand, the rounded integer, exact.
    fn low_bytes(self, vectors: [Self::F32; 4]) -> [i8; 4 * LANES];

    /// Eight zeros.
    fn zero_i32(self) -> Self::I32;
    /// Thirty-two bytes from memory, four to a lane.
    fn load_bytes(self, bytes: &[i8; 4 * LANES]) -> Self::Bytes;
    /// The low and the high nibbles of thirty-two bytes, each 0 to 15.
    fn load_nibbles(self, bytes: &[u8; 4 * LANES]) -> (Self::Bytes, Self::Bytes);
    /// The same four bytes in every lane.
    fn splat_bytes(self, quad: [i8; 4]) -> Self::Bytes;
    /// Adds to each lane the dot product of its four bytes of `signed` with its four of `steps`, exact as long as
    /// every byte of `steps` lies in [`Simd::steps`]. Beyond 7 bits, machines disagree on what the top bit means.
    fn dot_add(self, sums: Self::I32, signed: Self::Bytes, steps: Self::Bytes) -> Self::I32;
    /// What a byte of the second operand of [`Simd::dot_add`] may be.
    fn steps(self) -> Steps;

    /// The sum of all lanes.
    #[inline(always)]
    fn sum(self, vector: Self::F32) -> f32 {
        self.fold(vector, |a, b| a + b)
    }

    /// The largest lane; any of them where one is NaN.
    #[inline(always)]
    fn largest(self, vector: Self::F32) -> f32 {
        self.fold(vector, |a, b| if a > b { a } else { b })
    }

    /// The smallest lane; any of them where one is NaN.
    #[inline(always)]
    fn smallest(self, vector: Self::F32) -> f32 {
        self.fold(vector, |a, b| if a < b { a } else { b })
    }

    /// All lanes, halved and halved again.
    #[inline(always)]
    fn fold(self, vector: Self::F32, f: impl Fn(f32, f32) -> f32) -> f32 {
        let mut v = [0.0; LANES];
        self.store(vector, &mut v);
        let half = [f(v[0], v[4]), f(v[1], v[5]), f(v[2], v[6]), f(v[3], v[7])];
        f(f(half[0], half[2]), f(half[1], half[3]))
    }

    /// The sums of four vectors.
    #[inline(always)]
    fn sum4(self, vectors: [Self::F32; 4]) -> [f32; 4] {
        vectors.map(|vector| self.sum(vector))
    }
}
