//! What an instruction set must offer: eight 32-bit lanes, and a dot product of bytes.
//!
//! Every kernel is written once, over [`Simd`]. A vector is always eight lanes, whatever the register's width: two
//! registers of 128 bits in WebAssembly, one of 256 on x86, an array in the scalar reference. So shapes are plain
//! arrays of eight, loads need no pointers, and the pair gives the processor two independent chains for free.
//!
//! A value of an implementing type is the proof that its instructions may run: [`crate::dispatch`] alone makes one.

use crate::packed::{QUADS, rolled};

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

/// The integers from `least` to `most`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Steps {
    pub(crate) least: f32,
    pub(crate) most: f32,
}

impl Steps {
    /// The top bit is the sign.
    #[cfg(any(
        test,
        not(all(target_arch = "wasm32", target_feature = "simd128")),
        feature = "relaxed-simd"
    ))]
    pub(crate) const SIGNED: Self = Self {
        least: -128.0,
        most: 127.0,
    };
    /// Words on both sides of zero: 32 products of one with a byte each are far from the end of 32 bits.
    pub(crate) const WORDS: Self = Self {
        least: -32767.0,
        most: 32767.0,
    };
    /// The top bit counts 128.
    #[cfg(any(test, target_arch = "x86_64", feature = "relaxed-simd"))]
    pub(crate) const UNSIGNED: Self = Self {
        least: 0.0,
        most: 255.0,
    };
}

/// Four of a row's quantized activations, in the form in which an instruction set broadcasts them.
pub(crate) trait Quad: Copy + Default + 'static {
    /// From the integers in the order of k, which are bytes or words as the instruction set wants them.
    fn new(steps: [i16; 4]) -> Self;
    /// The integers in the order of k.
    #[cfg(test)]
    fn steps(self) -> [i16; 4];
    /// Those of this form.
    fn of(quads: &Quads) -> &[Self];
    /// The memory for those of this form.
    fn of_mut(quads: &mut Quads) -> &mut Vec<Self>;
}

/// Memory for quads; an instruction set uses one of the two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quads {
    bytes: Vec<[i8; 4]>,
    words: Vec<WordPairs>,
}

impl Quad for [i8; 4] {
    #[inline(always)]
    fn new(steps: [i16; 4]) -> Self {
        steps.map(|step| step as i8)
    }
    #[cfg(test)]
    fn steps(self) -> [i16; 4] {
        self.map(i16::from)
    }
    #[inline(always)]
    fn of(quads: &Quads) -> &[Self] {
        &quads.bytes
    }
    #[inline(always)]
    fn of_mut(quads: &mut Quads) -> &mut Vec<Self> {
        &mut quads.bytes
    }
}

/// Words 0 and 2, then words 1 and 3: for weights whose even and odd bytes are multiplied apart.
pub(crate) type WordPairs = [i32; 2];

impl Quad for WordPairs {
    #[inline(always)]
    fn new([a, b, c, d]: [i16; 4]) -> Self {
        let pair = |low: i16, high: i16| i32::from(low as u16) | i32::from(high) << 16;
        [pair(a, c), pair(b, d)]
    }
    #[cfg(test)]
    fn steps(self) -> [i16; 4] {
        let [[a, c], [b, d]] = self.map(|pair| [pair as i16, (pair >> 16) as i16]);
        [a, b, c, d]
    }
    #[inline(always)]
    fn of(quads: &Quads) -> &[Self] {
        &quads.words
    }
    #[inline(always)]
    fn of_mut(quads: &mut Quads) -> &mut Vec<Self> {
        &mut quads.words
    }
}

/// One instruction set. Floats may differ between implementations by the rounding of a fused multiply-add; integers,
/// and everything marked *exact*, may not differ at all.
pub(crate) trait Simd: Copy {
    /// Whether [`Simd::dot_add`] is one instruction for each register.
    const ONE_DOT: bool;
    /// Whether activations are words of 16 bits, because that is what the machine multiplies, and not bytes.
    const WORDS: bool;

    /// Eight floats.
    type F32: Copy;
    /// Eight integers.
    type I32: Copy;
    /// Eight yes-or-no answers.
    type Mask: Copy;
    /// Thirty-two bytes, ready for [`Simd::dot_add`].
    type Bytes: Copy;
    /// Four bytes in memory, ready for [`Simd::splat_quad`].
    type Quad: Quad;

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

    /// The lowest two bytes of each lane's bits, as [`Simd::low_bytes`].
    #[inline(always)]
    fn low_words(self, vectors: [Self::F32; 4]) -> [i16; 4 * LANES] {
        let mut words = [0; 4 * LANES];
        for (words, vector) in words.as_chunks_mut::<LANES>().0.iter_mut().zip(vectors) {
            let mut lanes = [0.0; LANES];
            self.store(vector, &mut lanes);
            *words = lanes.map(|lane: f32| lane.to_bits() as i16);
        }
        words
    }

    /// The same integer in every lane.
    fn splat_i32(self, value: i32) -> Self::I32;
    /// Thirty-two bytes from memory, four to a lane.
    fn load_bytes(self, bytes: &[i8; 4 * LANES]) -> Self::Bytes;
    /// The low and the high nibbles of thirty-two bytes, each 0 to 15.
    fn load_nibbles(self, bytes: &[u8; 4 * LANES]) -> (Self::Bytes, Self::Bytes);
    /// The same four activations in every lane.
    fn splat_quad(self, quad: &Self::Quad) -> Self::Bytes;
    /// Adds to each lane the dot product of its four bytes of `signed` with its four of `steps`, exact as long as
    /// every byte of `steps` lies in [`Simd::steps`]: machines disagree on what the top bit means. Where there are
    /// [words](Simd::WORDS), either may be words.
    fn dot_add(self, sums: Self::I32, signed: Self::Bytes, steps: Self::Bytes) -> Self::I32;
    /// What the second operand of [`Simd::dot_add`] may be.
    fn steps(self) -> Steps;

    /// The dot products of a block's 32 values of k, for the eight columns of each of `weights` and each row.
    #[inline(always)]
    fn dots<const PANELS: usize, const ROWS: usize>(
        self,
        weights: [&[[i8; 4 * LANES]; QUADS]; PANELS],
        quads: &[[Self::Quad; ROWS]; QUADS],
    ) -> [[Self::I32; ROWS]; PANELS] {
        let mut dots = [[self.splat_i32(0); ROWS]; PANELS];
        for pair in rolled(QUADS / 2) {
            for step in [2 * pair, 2 * pair + 1] {
                let quads = quads[step].each_ref().map(|quad| self.splat_quad(quad));
                for (weights, dots) in weights.iter().zip(&mut dots) {
                    let weights = self.load_bytes(&weights[step]);
                    for (dot, &quad) in dots.iter_mut().zip(&quads) {
                        *dot = self.dot_add(*dot, weights, quad);
                    }
                }
            }
        }
        dots
    }

    /// The same for nibbles, of which the low ones are the first half of k. They are the steps, exactly. The sums begin at
    /// a number for each row.
    #[inline(always)]
    fn nibble_dots<const PANELS: usize, const ROWS: usize>(
        self,
        weights: [&[[u8; 4 * LANES]; QUADS / 2]; PANELS],
        quads: &[[Self::Quad; ROWS]; QUADS],
        starts: [i32; ROWS],
    ) -> [[Self::I32; ROWS]; PANELS] {
        let mut dots = [starts.map(|start| self.splat_i32(start)); PANELS];
        for step in rolled(QUADS / 2) {
            let (low_quads, high_quads) = (&quads[step], &quads[step + QUADS / 2]);
            for (weights, dots) in weights.iter().zip(&mut dots) {
                let (low, high) = self.load_nibbles(&weights[step]);
                for row in 0..ROWS {
                    dots[row] = self.dot_add(dots[row], self.splat_quad(&low_quads[row]), low);
                    dots[row] = self.dot_add(dots[row], self.splat_quad(&high_quads[row]), high);
                }
            }
        }
        dots
    }

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
