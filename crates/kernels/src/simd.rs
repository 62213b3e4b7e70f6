//! What an instruction set must offer: eight 32-bit lanes, and a dot product of bytes.
//!
//! Every kernel is written once, over [`Simd`]. A vector is always eight lanes, whatever the register's width: two
//! registers of 128 bits in WebAssembly, one of 256 on x86, an array in the scalar reference. So shapes are plain
//! arrays of eight, loads need no pointers, and the pair gives the processor two independent chains for free.
//!
//! A value of an implementing type is the proof that its instructions may run: [`crate::dispatch`] alone makes one.

use crate::activations::split;
use crate::packed::{BLOCK, QUADS, rolled};

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

/// Products of words that are summed as integers before their sum becomes a float.
pub(crate) const WORDS_SUMMED: usize = 64;

/// By what [`Simd::widen`] multiplies a byte whose ratio is one (2^15).
pub(crate) const WIDENED: i16 = 32;

const _: () = {
    let largest = 128 * WIDENED as i64 * Steps::WORDS.most as i64;
    assert!(WORDS_SUMMED as i64 * largest <= i32::MAX as i64);
};

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
    /// Words on both sides of zero. The sum of [`WORDS_SUMMED`] products with the largest words that
    /// [`Simd::widen`] makes still fits in 32 bits.
    pub(crate) const WORDS: Self = Self {
        least: -8191.0,
        most: 8191.0,
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
    /// Writes one row of `height` to the quads of a tile and a block.
    #[inline(always)]
    fn write(block: &mut [Self], height: usize, row: usize, steps: &[i16; BLOCK]) {
        for (quads, steps) in block.chunks_exact_mut(height).zip(steps.as_chunks().0) {
            quads[row] = Self::new(*steps);
        }
    }
    /// The same pair by pair, so that a step of a tile finds its rows' pairs side by side; only of words.
    fn write_pairs(block: &mut [Self], height: usize, row: usize, steps: &[i16; BLOCK]);
    /// The integers in the order of k.
    #[cfg(test)]
    fn steps(self) -> [i16; 4];
    /// Those of this form.
    fn of(quads: &Quads) -> &[Self];
    /// Their words, two by two; none of bytes.
    fn pairs(quads: &[Self]) -> &[i32];
    /// The memory for those of this form.
    fn of_part(quads: QuadsMut<'_>) -> &mut [Self];
}

/// Memory for quads; an instruction set uses one of the two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quads {
    bytes: Vec<[i8; 4]>,
    words: Vec<WordPairs>,
}

impl Quads {
    /// Makes room for `count` of one form.
    pub(crate) fn resize(&mut self, words: bool, count: usize) {
        self.bytes.resize(if words { 0 } else { count }, [0; 4]);
        self.words.resize(if words { count } else { 0 }, [0; 2]);
    }

    pub(crate) fn as_mut(&mut self) -> QuadsMut<'_> {
        QuadsMut {
            bytes: &mut self.bytes,
            words: &mut self.words,
        }
    }
}

/// Some of the quads.
#[derive(Debug)]
pub(crate) struct QuadsMut<'a> {
    bytes: &'a mut [[i8; 4]],
    words: &'a mut [WordPairs],
}

impl QuadsMut<'_> {
    pub(crate) fn split_at(self, at: usize) -> (Self, Self) {
        let (bytes, other_bytes) = split(self.bytes, at);
        let (words, other_words) = split(self.words, at);
        let others = Self {
            bytes: other_bytes,
            words: other_words,
        };
        (Self { bytes, words }, others)
    }
}

impl Quad for [i8; 4] {
    #[inline(always)]
    fn new(steps: [i16; 4]) -> Self {
        steps.map(|step| step as i8)
    }
    #[inline(always)]
    fn write_pairs(block: &mut [Self], height: usize, row: usize, steps: &[i16; BLOCK]) {
        Self::write(block, height, row, steps);
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
    fn pairs(_: &[Self]) -> &[i32] {
        &[]
    }
    #[inline(always)]
    fn of_part(quads: QuadsMut<'_>) -> &mut [Self] {
        quads.bytes
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
    #[inline(always)]
    fn write_pairs(block: &mut [Self], height: usize, row: usize, steps: &[i16; BLOCK]) {
        let pairs = block.as_flattened_mut().chunks_exact_mut(2 * height);
        for (pairs, steps) in pairs.zip(steps.as_chunks().0) {
            [pairs[row], pairs[height + row]] = Self::new(*steps);
        }
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
    fn pairs(quads: &[Self]) -> &[i32] {
        quads.as_flattened()
    }
    #[inline(always)]
    fn of_part(quads: QuadsMut<'_>) -> &mut [Self] {
        quads.words
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
    /// `a + b`, exact.
    fn add_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;
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

    /// Bytes as words on another scale, exact: each times [`WIDENED`] and its lane's ratio in units of 2^-15, rounded.
    /// Bytes 0 and 2 of each lane are in the first half, bytes 1 and 3 in the second, as in [`WordPairs`].
    #[inline(always)]
    fn widen(
        self,
        bytes: &[i8; 4 * LANES],
        ratios: &[i16; LANES],
        words: &mut [[i16; 2 * LANES]; 2],
    ) {
        let scaled = |byte: i8, ratio: i16| {
            let product = i32::from(byte) * i32::from(WIDENED) * i32::from(ratio);
            ((product + (1 << 14)) >> 15) as i16
        };
        for (odd, words) in words.iter_mut().enumerate() {
            for (i, word) in words.iter_mut().enumerate() {
                *word = scaled(bytes[4 * (i / 2) + 2 * (i % 2) + odd], ratios[i / 2]);
            }
        }
    }
    /// Adds to each lane of each row's sums the dot product of its two words with the row's pair of words, exact.
    fn pair_dots_add<const ROWS: usize>(
        self,
        sums: [Self::I32; ROWS],
        words: &[i16; 2 * LANES],
        pairs: &[i32; ROWS],
    ) -> [Self::I32; ROWS];

    /// The dot products of a block's 32 values of k, for eight columns and each row.
    #[inline(always)]
    fn dots<const ROWS: usize>(
        self,
        weights: &[[i8; 4 * LANES]; QUADS],
        quads: &[[Self::Quad; ROWS]; QUADS],
    ) -> [Self::I32; ROWS] {
        let mut dots = [self.splat_i32(0); ROWS];
        let mut others = dots;
        for pair in rolled(QUADS / 2) {
            let (even, odd) = (2 * pair, 2 * pair + 1);
            dots = self.step(dots, &weights[even], &quads[even]);
            if Self::takes_turns(ROWS) {
                others = self.step(others, &weights[odd], &quads[odd]);
            } else {
                dots = self.step(dots, &weights[odd], &quads[odd]);
            }
        }
        self.of_both(dots, others)
    }

    /// The same for nibbles, of which the low ones are the first half of k. They are the steps, exactly. The sums begin at
    /// a number for each row.
    #[inline(always)]
    fn nibble_dots<const ROWS: usize>(
        self,
        weights: &[[u8; 4 * LANES]; QUADS / 2],
        quads: &[[Self::Quad; ROWS]; QUADS],
        starts: [i32; ROWS],
    ) -> [Self::I32; ROWS] {
        let mut dots = starts.map(|start| self.splat_i32(start));
        let mut others = [self.splat_i32(0); ROWS];
        for step in rolled(QUADS / 2) {
            let (low, high) = self.load_nibbles(&weights[step]);
            let (low_quads, high_quads) = (&quads[step], &quads[step + QUADS / 2]);
            dots = self.nibble_step(dots, low, low_quads);
            if Self::takes_turns(ROWS) {
                others = self.nibble_step(others, high, high_quads);
            } else {
                dots = self.nibble_step(dots, high, high_quads);
            }
        }
        self.of_both(dots, others)
    }

    /// Adds the dot products of four values of k.
    #[inline(always)]
    fn step<const ROWS: usize>(
        self,
        mut dots: [Self::I32; ROWS],
        weights: &[i8; 4 * LANES],
        quads: &[Self::Quad; ROWS],
    ) -> [Self::I32; ROWS] {
        let weights = self.load_bytes(weights);
        for (dot, quad) in dots.iter_mut().zip(quads) {
            *dot = self.dot_add(*dot, weights, self.splat_quad(quad));
        }
        dots
    }

    /// The same for nibbles, which are the steps.
    #[inline(always)]
    fn nibble_step<const ROWS: usize>(
        self,
        mut dots: [Self::I32; ROWS],
        nibbles: Self::Bytes,
        quads: &[Self::Quad; ROWS],
    ) -> [Self::I32; ROWS] {
        for (dot, quad) in dots.iter_mut().zip(quads) {
            *dot = self.dot_add(*dot, self.splat_quad(quad), nibbles);
        }
        dots
    }

    /// Whether a block is summed in two turns. A single row has so few sums that they would wait for one another where
    /// the addition is a part of the dot product.
    #[inline(always)]
    fn takes_turns(rows: usize) -> bool {
        rows == 1 && Self::ONE_DOT
    }

    /// The sums of both turns.
    #[inline(always)]
    fn of_both<const ROWS: usize>(
        self,
        mut dots: [Self::I32; ROWS],
        others: [Self::I32; ROWS],
    ) -> [Self::I32; ROWS] {
        if Self::takes_turns(ROWS) {
            dots[0] = self.add_i32(dots[0], others[0]);
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
