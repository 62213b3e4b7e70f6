//! Every instruction set against the scalar reference, and the reference against arithmetic in double precision.
//!
//! A check is a function of a seed and a shape. Natively proptest draws those; in WebAssembly, where it doesn't build
//! without a source of entropy, the same checks run over a table of shapes.

use crate::activations::{Bits, Scratch, Words};
#[cfg(not(target_arch = "wasm32"))]
use crate::packed::{quantize_q4_0, quantize_q8_0};
use crate::simd::{LANES, Quad, ROUND, Simd, Steps, WIDENED, WORDS_SUMMED};
use crate::widened::WIDENED_ABOVE;
use crate::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A sequence of numbers fixed by its seed (an xorshift).
struct Samples(u64);

impl Samples {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Roughly normal, with variance 1.
    fn normal(&mut self) -> f32 {
        let sum: f32 = (0..12)
            .map(|_| (self.next() % 65536) as f32 / 65536.0)
            .sum();
        sum - 6.0
    }

    fn floats(&mut self, count: usize, values: Values) -> Vec<f32> {
        (0..count).map(|i| values.draw(self, i)).collect()
    }
}

/// What activations can look like.
#[derive(Clone, Copy, Debug)]
enum Values {
    Normal,
    Zero,
    Constant,
    /// Mostly small, a few a hundred times larger: what transformers have.
    Outliers,
    Denormal,
    Huge,
    /// Far from zero, close together.
    Shifted,
}

impl Values {
    const ALL: [Self; 7] = [
        Self::Normal,
        Self::Zero,
        Self::Constant,
        Self::Outliers,
        Self::Denormal,
        Self::Huge,
        Self::Shifted,
    ];

    fn draw(self, samples: &mut Samples, i: usize) -> f32 {
        let x = samples.normal();
        match self {
            Self::Normal => x,
            Self::Zero => 0.0,
            Self::Constant => -3.75,
            Self::Outliers => x * if i.is_multiple_of(37) { 100.0 } else { 1.0 },
            Self::Denormal => x * 1e-40,
            Self::Huge => x.clamp(-3.0, 3.0) * 1e33,
            Self::Shifted => 1000.0 + x * 1e-3,
        }
    }
}

/// A matrix of a format, and the same values in f32.
fn matrix(samples: &mut Samples, format: Format, n: usize, k: usize) -> (PackedMatrix, Vec<f32>) {
    let mut builder = PackedMatrixBuilder::new(format, n, k).unwrap();
    builder
        .push_f32(&samples.floats(n * k, Values::Normal))
        .unwrap();
    let packed = builder.finish().unwrap();
    let mut dense = vec![0.0; n * k];
    for (row, out) in dense.chunks_exact_mut(k).enumerate() {
        packed.dequantize_row(row, out).unwrap();
    }
    (packed, dense)
}

fn gemm(kernels: Kernels, x: &[f32], w: &PackedMatrix, epilogue: Epilogue<'_>) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len() / w.k() * w.n()];
    kernels
        .gemm(x, w, &mut out, epilogue, &mut Scratch::default())
        .unwrap();
    out
}

/// Fails unless `actual` is within `bound(i)` of `expected`.
fn assert_close(what: &str, actual: &[f32], expected: &[f64], bound: impl Fn(usize) -> f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(a) - e).abs();
        assert!(
            error <= bound(i),
            "{what}: {i}: {a} for {e}, off by {error:e}, bound {:e}",
            bound(i)
        );
    }
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// A product, on every instruction set, is as close to the exact one as the rounding of its activations allows.
fn check_gemm(seed: u64, format: Format, values: Values, m: usize, n: usize, k: usize) {
    let samples = &mut Samples::new(seed);
    let (packed, dense) = matrix(samples, format, n, k);
    let x = samples.floats(m * k, values);
    let bias = samples.floats(n, Values::Normal);
    let residual = samples.floats(m * n, Values::Normal);

    let (mut exact, mut byte_bounds, mut word_bounds) = (Vec::new(), Vec::new(), Vec::new());
    let largest = |values: &[f32]| f64::from(values.iter().fold(0.0_f32, |a, x| a.max(x.abs())));
    for i in 0..m {
        // Words have one scale for a row, and widened weights one for a column.
        let word_step = largest(&x[i * k..][..k]) / 8191.0;
        for j in 0..n {
            let widened_step = match m > WIDENED_ABOVE {
                true => largest(&dense[j * k..][..k]) * (1.0 / 4064.0 + 1.0 / 32767.0),
                false => 0.0,
            };
            let mut sum = f64::from(bias[j]) + f64::from(residual[i * n + j]);
            let (mut byte_bound, mut word_bound) = (1e-5, 1e-5);
            for (x, w) in x[i * k..][..k]
                .chunks(BLOCK)
                .zip(dense[j * k..][..k].chunks(BLOCK))
            {
                let (x, w) = (widened(x), widened(w));
                let (least, most) = x
                    .iter()
                    .fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)));
                let step = match format {
                    Format::Q8_0 => (most - least) / 255.0,
                    Format::Q4_0 => most.max(-least) / 127.0,
                };
                let size = most.abs().max(least.abs());
                for (x, w) in x.into_iter().zip(w) {
                    sum += x * w;
                    let rounding = (size * 2e-5 + 1e-27) * w.abs();
                    byte_bound += step * 0.501 * w.abs() + rounding;
                    word_bound += word_step * 0.501 * (w.abs() + widened_step);
                    word_bound += widened_step * 0.501 * x.abs() + rounding;
                }
            }
            exact.push(sum);
            byte_bounds.push(byte_bound);
            word_bounds.push(word_bound);
        }
    }
    let epilogue = Epilogue {
        bias: Some(&bias),
        activation: Activation::None,
        residual: Some(&residual),
    };
    for kernels in Kernels::available() {
        let what = format!("{kernels:?} {format:?} {values:?} {m}x{n}x{k}");
        let out = gemm(kernels, &x, &packed, epilogue);
        let bounds = match kernels.run(Words) {
            true => &word_bounds,
            false => &byte_bounds,
        };
        assert_close(&what, &out, &exact, |i| bounds[i]);
    }
}

/// Quantized activations are the same integers on every instruction set, as far as they are of the same width.
fn check_quantize(seed: u64, format: Format, values: Values, m: usize, k: usize) {
    let samples = &mut Samples::new(seed);
    let (packed, _) = matrix(samples, format, 1, k);
    let x = samples.floats(m * k, values);
    for words in [false, true] {
        let quantized = Kernels::available()
            .filter(|kernels| kernels.run(Words) == words)
            .map(|kernels| {
                let mut scratch = Scratch::default();
                kernels
                    .quantize(&x, &packed, Rows::Independent, &mut scratch)
                    .unwrap();
                (kernels, kernels.run(Bits(&scratch)))
            });
        let quantized: Vec<_> = quantized.collect();
        for (kernels, bits) in &quantized {
            assert!(
                *bits == quantized[0].1,
                "{kernels:?} {format:?} {values:?} {m}x{k}"
            );
        }
    }
}

/// One instruction set's exact operations.
struct Exact<'a> {
    signed: &'a [i8; 4 * LANES],
    unsigned: &'a [i8; 4 * LANES],
    nibbles: &'a [u8; 4 * LANES],
    halves: &'a [u16; LANES],
    floats: &'a [f32; 4 * LANES],
}

impl dispatch::Job for Exact<'_> {
    const MULTIPLIES_BYTES: bool = true;
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<u32> {
        let mut bits = Vec::new();
        let mut keep = |v: S::F32| {
            let mut lanes = [0.0; LANES];
            simd.store(v, &mut lanes);
            bits.extend(lanes.map(f32::to_bits));
        };
        let (signed, unsigned) = (simd.load_bytes(self.signed), simd.load_bytes(self.unsigned));
        let first = simd.dot_add(simd.splat_i32(0), signed, unsigned);
        keep(simd.to_f32(first));
        keep(simd.to_f32(simd.dot_add(first, signed, unsigned)));
        let (low, high) = simd.load_nibbles(self.nibbles);
        keep(simd.to_f32(simd.dot_add(simd.splat_i32(0), signed, low)));
        keep(simd.to_f32(simd.dot_add(simd.splat_i32(0), signed, high)));
        let quad = simd.splat_quad(&S::Quad::new([-128, 127, -1, 3]));
        keep(simd.to_f32(simd.dot_add(simd.splat_i32(0), quad, unsigned)));
        let ratios = self.halves.map(|half| half as i16);
        let mut words = [[0; 2 * LANES]; 2];
        simd.widen(self.signed, &ratios, &mut words);
        let pairs = [-8191 << 16 | 8191, i32::from(ratios[0] >> 2)];
        for words in &words {
            let sums = [simd.splat_i32(7), simd.splat_i32(-7)];
            let dots = simd.pair_dots_add(sums, words, &pairs);
            dots.into_iter().for_each(|dots| keep(simd.to_f32(dots)));
        }
        keep(simd.load_f16(self.halves));
        let floats = self.floats.as_chunks::<LANES>().0;
        let v = simd.load(&floats[0]);
        let w = simd.load(&floats[1]);
        keep(simd.add(v, w));
        keep(simd.sub(v, w));
        keep(simd.mul(v, w));
        keep(simd.div(v, w));
        keep(simd.min(v, w));
        keep(simd.max(v, w));
        keep(simd.select(simd.less(v, w), v, w));
        let rounded = std::array::from_fn(|i| simd.add(simd.load(&floats[i]), simd.splat(ROUND)));
        let whole = simd.sub(rounded[0], simd.splat(ROUND));
        keep(simd.pow2(simd.max(simd.min(whole, simd.splat(127.0)), simd.splat(-126.0))));
        let sixteen: [i16; LANES] = self.halves.map(|h| h as i16);
        keep(simd.load_i16(&sixteen));
        let nonzero = self.nibbles.first_chunk().map(|bytes| simd.nonzero(bytes));
        keep(nonzero.map_or(v, |mask| simd.select(mask, v, w)));
        bits.extend(simd.low_bytes(rounded).map(|byte| byte as u32));
        bits.extend([simd.largest(v), simd.smallest(v)].map(f32::to_bits));
        bits.push(simd.any(simd.less(v, w)).into());
        bits
    }
}

/// All bytes that an instruction set says it takes are multiplied exactly: the extremes of both operands.
#[test]
fn the_eighth_bit_counts_as_the_machine_says() {
    struct Dot(i8, i8);
    impl dispatch::Job for Dot {
        const MULTIPLIES_BYTES: bool = true;
        type Output = (Steps, [f32; LANES]);

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let (signed, steps) = (
                simd.load_bytes(&[self.0; 4 * LANES]),
                simd.splat_quad(&S::Quad::new([self.1.into(); 4])),
            );
            let mut sums = [0.0; LANES];
            let dot = simd.dot_add(simd.splat_i32(0), signed, steps);
            simd.store(simd.to_f32(dot), &mut sums);
            (simd.steps(), sums)
        }
    }
    for kernels in Kernels::available() {
        for (signed, byte) in [
            (-128, -1),
            (127, -1),
            (-128, -128),
            (127, -128),
            (-128, 127),
        ] {
            let (steps, sums) = kernels.run(Dot(signed, byte));
            let value = match steps == Steps::UNSIGNED {
                true => f32::from(byte as u8),
                false => f32::from(byte),
            };
            assert_eq!(
                sums,
                [4.0 * f32::from(signed) * value; LANES],
                "{kernels:?}"
            );
        }
    }
}

/// Sums of the largest words and weights are exact, for all that they are 30 bits long.
#[test]
fn the_largest_words_do_not_overflow() {
    struct Sum(i8, i16);
    impl dispatch::Job for Sum {
        const MULTIPLIES_BYTES: bool = true;
        type Output = Option<[f32; LANES]>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let quads = [[S::Quad::new([self.1; 4])]; 8];
            let [dots] = simd.dots(&[[self.0; 4 * LANES]; 8], &quads);
            let mut sums = [0.0; LANES];
            simd.store(simd.to_f32(dots), &mut sums);
            S::WORDS.then_some(sums)
        }
    }
    for kernels in Kernels::available() {
        for (weight, word) in [(-128, -8191), (-128, 8191), (127, 8191), (127, -8191)] {
            if let Some(sums) = kernels.run(Sum(weight, word)) {
                let exact = 32 * i32::from(weight) * i32::from(word);
                assert_eq!(sums, [exact as f32; LANES], "{kernels:?}");
            }
        }
    }
}

/// So are sums of the largest words and widened weights.
#[test]
fn the_largest_widened_weights_do_not_overflow() {
    struct Sum(i8, i16);
    impl dispatch::Job for Sum {
        const MULTIPLIES_BYTES: bool = true;
        type Output = [f32; LANES];

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let mut words = [[0; 2 * LANES]; 2];
            simd.widen(&[self.0; 4 * LANES], &[i16::MAX; LANES], &mut words);
            let pair = i32::from(self.1 as u16) | i32::from(self.1) << 16;
            let mut dots = [simd.splat_i32(0)];
            for step in 0..WORDS_SUMMED / 2 {
                dots = simd.pair_dots_add(dots, &words[step % 2], &[pair]);
            }
            let mut sums = [0.0; LANES];
            simd.store(simd.to_f32(dots[0]), &mut sums);
            sums
        }
    }
    for kernels in Kernels::available() {
        for (weight, word) in [(-128, -8191), (-128, 8191), (127, 8191), (127, -8191)] {
            let sums = kernels.run(Sum(weight, word));
            let exact =
                WORDS_SUMMED as i32 * i32::from(weight) * i32::from(WIDENED) * i32::from(word);
            assert_eq!(sums, [exact as f32; LANES], "{kernels:?}");
        }
    }
}

/// The operations that are documented as exact give the same bits on every instruction set.
fn check_exact(seed: u64) {
    let samples = &mut Samples::new(seed);
    let signed = std::array::from_fn(|_| samples.next() as i8);
    let unsigned = std::array::from_fn(|_| samples.next() as i8 & 127);
    let extremes = [[-128; 4 * LANES], [127; 4 * LANES]];
    let nibbles = std::array::from_fn(|_| samples.next() as u8);
    // A half float with all exponent bits set isn't finite.
    let halves = std::array::from_fn(|_| samples.next() as u16 & !0x0400);
    let floats = std::array::from_fn(|_| samples.normal() * 60.0);
    for (signed, unsigned) in [
        (signed, unsigned),
        (extremes[0], extremes[1]),
        (extremes[1], extremes[1]),
    ] {
        let results = Kernels::available().map(|kernels| {
            let job = Exact {
                signed: &signed,
                unsigned: &unsigned,
                nibbles: &nibbles,
                halves: &halves,
                floats: &floats,
            };
            (kernels, kernels.run(job))
        });
        let results: Vec<_> = results.collect();
        for (kernels, result) in &results {
            assert_eq!(*result, results[0].1, "{kernels:?}");
        }
    }
}

/// Softmax agrees with double precision, rows sum to 1, and what is forbidden is exactly zero.
fn check_softmax(seed: u64, rows: usize, columns: usize, scale: f32) {
    let samples = &mut Samples::new(seed);
    let scores: Vec<_> = (0..rows * columns)
        .map(|_| samples.normal() * scale)
        .collect();
    let mask: Vec<_> = (0..rows * columns)
        .map(|_| u8::from(samples.below(3) > 0))
        .collect();
    for mask in [None, Some(mask.as_slice())] {
        let mut expected = Vec::new();
        for row in 0..rows {
            let at = row * columns..(row + 1) * columns;
            let allowed = |i: usize| mask.is_none_or(|mask| mask[i] != 0);
            let largest = at
                .clone()
                .filter(|&i| allowed(i))
                .map(|i| scores[i])
                .fold(f32::MIN, f32::max);
            let exp = |i| {
                if allowed(i) {
                    f64::from(scores[i] - largest).exp()
                } else {
                    0.0
                }
            };
            let sum: f64 = at.clone().map(exp).sum();
            expected.extend(at.map(|i| if sum > 0.0 { exp(i) / sum } else { 0.0 }));
        }
        for kernels in Kernels::available() {
            let mut weights = scores.clone();
            kernels.softmax_rows(&mut weights, columns, mask).unwrap();
            let what = format!("{kernels:?} {rows}x{columns} x{scale}");
            assert_close(&what, &weights, &expected, |_| 2e-6);
            let forbidden = |i: usize| mask.is_some_and(|mask| mask[i] == 0);
            assert!(
                (0..weights.len()).all(|i| !forbidden(i) || weights[i].to_bits() == 0),
                "{what}"
            );
        }
    }
}

/// Log-softmax agrees with double precision; all lie below zero, and their exponentials sum to 1.
fn check_log_softmax(seed: u64, columns: usize, offset: f32) {
    let samples = &mut Samples::new(seed);
    let logits: Vec<_> = (0..columns).map(|_| samples.normal() + offset).collect();
    let exact: Vec<_> = logits.iter().map(|&logit| f64::from(logit)).collect();
    let largest = exact.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = exact.iter().map(|logit| (logit - largest).exp()).sum();
    let expected: Vec<_> = exact.iter().map(|l| l - largest - sum.ln()).collect();
    for kernels in Kernels::available() {
        let mut out = logits.clone();
        kernels.log_softmax(&mut out);
        let what = format!("{kernels:?} {columns} +{offset}");
        assert_close(&what, &out, &expected, |_| 5e-6);
    }
}

/// Layer norm agrees with double precision, with and without a residual.
fn check_layer_norm(seed: u64, rows: usize, width: usize) {
    let samples = &mut Samples::new(seed);
    let x: Vec<_> = (0..rows * width)
        .map(|_| samples.normal() * 3.0 + 0.5)
        .collect();
    let added = samples.floats(rows * width, Values::Normal);
    let gamma = samples.floats(width, Values::Normal);
    let beta = samples.floats(width, Values::Normal);
    for residual in [None, Some(added.as_slice())] {
        let mut expected = Vec::new();
        for row in 0..rows {
            let at = row * width..(row + 1) * width;
            let sums: Vec<_> = at
                .map(|i| f64::from(x[i]) + residual.map_or(0.0, |r| f64::from(r[i])))
                .collect();
            let mean = sums.iter().sum::<f64>() / width as f64;
            let variance = sums.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / width as f64;
            let normal = sums.iter().map(|s| (s - mean) / (variance + 1e-12).sqrt());
            expected.extend(
                normal
                    .zip(&gamma)
                    .zip(&beta)
                    .map(|((n, &g), &b)| n * f64::from(g) + f64::from(b)),
            );
        }
        for kernels in Kernels::available() {
            let mut out = x.clone();
            kernels
                .layer_norm(&mut out, residual, &gamma, &beta, 1e-12)
                .unwrap();
            // A row of few values can have next to no variance, which magnifies the rounding of the sums.
            let bound = if width < 4 { 1e-2 } else { 1e-4 };
            assert_close(
                &format!("{kernels:?} {rows}x{width}"),
                &out,
                &expected,
                |_| bound,
            );
        }
    }
}

/// Scores, context and the fused attention agree with double precision, for a head inside wider rows.
fn check_attention(seed: u64, queries: usize, keys: usize, width: usize) {
    let samples = &mut Samples::new(seed);
    let (stride, offset) = (width * 2 + 3, width / 2);
    let columns = offset..offset + width;
    let q = samples.floats(queries * stride, Values::Normal);
    let k = samples.floats(keys * stride, Values::Normal);
    let v = samples.floats(keys * stride, Values::Normal);
    let mask: Vec<_> = (0..queries * keys)
        .map(|_| u8::from(samples.below(3) > 0))
        .collect();
    let scale = 1.0 / (width as f32).sqrt();
    let dot = |i: usize, j: usize| -> f64 {
        let (q, k) = (
            &q[i * stride..][columns.clone()],
            &k[j * stride..][columns.clone()],
        );
        q.iter()
            .zip(k)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum()
    };
    let mut expected_scores = Vec::new();
    for i in 0..queries {
        expected_scores.extend((0..keys).map(|j| dot(i, j) * f64::from(scale)));
    }
    for kernels in Kernels::available() {
        let what = format!("{kernels:?} {queries}x{keys}x{width}");
        let scratch = &mut AttentionScratch::default();
        let head = |matrix, rows| Head::new(matrix, rows, stride, columns.clone()).unwrap();
        let (q, k, v) = (head(&q, queries), head(&k, keys), head(&v, keys));
        let mut weights = vec![f32::NAN; queries * keys];
        kernels
            .attention_scores(q, k, scale, &mut weights, scratch)
            .unwrap();
        assert_close(&what, &weights, &expected_scores, |_| 1e-4);
        kernels
            .softmax_rows(&mut weights, keys, Some(&mask))
            .unwrap();

        let mut expected = vec![f64::from(f32::MAX); queries * stride];
        for i in 0..queries {
            for d in columns.clone() {
                expected[i * stride + d] = (0..keys)
                    .map(|j| f64::from(weights[i * keys + j]) * f64::from(v.at(j, d - offset)))
                    .sum();
            }
        }
        let mut context = vec![f32::MAX; queries * stride];
        let out = HeadMut::new(&mut context, queries, stride, columns.clone()).unwrap();
        kernels
            .attention_context(&weights, v, out, scratch)
            .unwrap();
        assert_close(&what, &context, &expected, |_| 1e-5);

        let mut fused = vec![f32::MAX; queries * stride];
        let out = HeadMut::new(&mut fused, queries, stride, columns.clone()).unwrap();
        kernels
            .attention(q, k, v, Some(&mask), scale, out, scratch)
            .unwrap();
        assert_close(&what, &fused, &expected, |_| 1e-5);
    }
}

/// The top k of a projection are those of a full sort, and the denominator is right.
fn check_top_k(seed: u64, rows: usize, n: usize, count: usize) {
    let samples = &mut Samples::new(seed);
    let (packed, _) = matrix(samples, Format::Q8_0, n, 64);
    let x = samples.floats(rows * 64, Values::Normal);
    let bias = samples.floats(n, Values::Normal);
    for kernels in Kernels::available() {
        let epilogue = Epilogue {
            bias: Some(&bias),
            ..Epilogue::default()
        };
        let logits = gemm(kernels, &x, &packed, epilogue);
        let found = kernels
            .project_top_k(&x, &packed, Some(&bias), count, &mut Scratch::default())
            .unwrap();
        assert_eq!(found.len(), rows);
        for (top, logits) in found.iter().zip(logits.chunks(n)) {
            let mut order: Vec<_> = (0..n).collect();
            order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
            let expected: Vec<_> = order.into_iter().take(count).collect();
            let indices: Vec<_> = top.candidates.iter().map(|c| c.index).collect();
            assert_eq!(indices, expected, "{kernels:?} {rows}x{n} {count}");
            assert!(top.candidates.iter().all(|c| c.logit == logits[c.index]));
            let sum: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
            assert!((f64::from(top.log_sum_exp) - sum.ln()).abs() < 1e-5);
            assert_eq!(kernels.top_k(logits, count).candidates, top.candidates);
        }
    }
}

/// Shapes around every edge: one row, each height of a tile, one panel, a part of one, several.
const SHAPES: [(usize, usize, usize); 12] = [
    (1, 1, 32),
    (1, 8, 64),
    (1, 13, 96),
    (1, 40, 384),
    (2, 9, 32),
    (3, 16, 64),
    (4, 24, 32),
    (5, 7, 128),
    (6, 31, 64),
    (7, 17, 32),
    (9, 65, 96),
    (33, 20, 64),
];

#[test]
fn gemm_holds_on_a_table_of_shapes() {
    for (seed, &(m, n, k)) in SHAPES.iter().enumerate() {
        for values in Values::ALL {
            check_gemm(seed as u64, Format::Q8_0, values, m, n, k);
            check_gemm(seed as u64, Format::Q4_0, values, m, n, k);
        }
    }
}

#[test]
fn quantized_activations_are_the_same_everywhere() {
    for (seed, &(m, _, k)) in SHAPES.iter().enumerate() {
        for values in Values::ALL {
            check_quantize(seed as u64, Format::Q8_0, values, m, k);
            check_quantize(seed as u64, Format::Q4_0, values, m, k);
        }
    }
}

#[test]
fn rows_are_quantized_in_parts_as_together() {
    for format in [Format::Q8_0, Format::Q4_0] {
        let samples = &mut Samples::new(23);
        let (packed, _) = matrix(samples, format, 8, 96);
        for rows in [1, 4, 5, 11, 33] {
            let x = samples.floats(rows * 96, Values::Outliers);
            for kernels in Kernels::available() {
                let (mut whole, mut parts) = (Scratch::default(), Scratch::default());
                kernels
                    .quantize(&x, &packed, Rows::Sequence, &mut whole)
                    .unwrap();
                let rest = kernels
                    .prepare(&x, &packed, Rows::Sequence, &mut parts)
                    .unwrap();
                let pieces = rest.pieces();
                let (first, rest) = rest.split_at(pieces / 3);
                let (second, third) = rest.split_at(1);
                assert_eq!(first.pieces() + second.pieces() + third.pieces(), pieces);
                for part in [third, first, second] {
                    kernels.quantize_rows(part);
                }
                let [whole, parts] = [&whole, &parts].map(|scratch| kernels.run(Bits(scratch)));
                assert!(whole == parts, "{kernels:?} {format:?} {rows}");
            }
        }
    }
}

#[test]
fn exact_operations_are_the_same_everywhere() {
    (0..50).for_each(check_exact);
}

#[test]
fn softmax_holds_on_a_table_of_shapes() {
    for (seed, columns) in [1, 2, 7, 8, 9, 16, 33, 128].into_iter().enumerate() {
        check_softmax(seed as u64, 5, columns, 1.0);
        check_softmax(seed as u64, 2, columns, 300.0);
    }
}

#[test]
fn log_softmax_holds_on_a_table_of_shapes() {
    for (seed, columns) in [1, 2, 7, 8, 9, 16, 31, 1000].into_iter().enumerate() {
        check_log_softmax(seed as u64, columns, 0.0);
        check_log_softmax(seed as u64, columns, 1000.0);
    }
}

#[test]
fn layer_norm_holds_on_a_table_of_shapes() {
    for (seed, width) in [1, 5, 8, 15, 64, 100, 384, 768].into_iter().enumerate() {
        check_layer_norm(seed as u64, 3, width);
    }
}

#[test]
fn attention_holds_on_a_table_of_shapes() {
    for (seed, (queries, keys)) in [(1, 1), (1, 9), (3, 5), (4, 8), (5, 17), (20, 33), (37, 40)]
        .into_iter()
        .enumerate()
    {
        for width in [8, 12, 32, 64] {
            check_attention(seed as u64, queries, keys, width);
        }
    }
}

#[test]
fn top_k_holds_on_a_table_of_shapes() {
    for (seed, n) in [1, 5, 8, 63, 512, 513, 1500].into_iter().enumerate() {
        check_top_k(seed as u64, 3, n, 5);
        check_top_k(seed as u64, 1, n, 1);
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod drawn {
    use super::*;
    use proptest::prelude::*;

    fn format() -> impl Strategy<Value = Format> {
        prop_oneof![Just(Format::Q8_0), Just(Format::Q4_0)]
    }

    fn values() -> impl Strategy<Value = Values> {
        (0..Values::ALL.len()).prop_map(|i| Values::ALL[i])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn gemm(seed: u64, format in format(), values in values(), m in 1..20usize, n in 1..70usize, blocks in 1..6usize) {
            check_gemm(seed, format, values, m, n, blocks * BLOCK);
        }

        #[test]
        fn quantize(seed: u64, format in format(), values in values(), m in 1..20usize, blocks in 1..6usize) {
            check_quantize(seed, format, values, m, blocks * BLOCK);
        }

        #[test]
        fn exact(seed: u64) {
            check_exact(seed);
        }

        #[test]
        fn softmax(seed: u64, rows in 1..6usize, columns in 1..70usize, scale in 0.01..500.0f32) {
            check_softmax(seed, rows, columns, scale);
        }

        #[test]
        fn layer_norm(seed: u64, rows in 1..5usize, width in 1..200usize) {
            check_layer_norm(seed, rows, width);
        }

        #[test]
        fn attention(seed: u64, queries in 1..40usize, keys in 1..40usize, width in 1..70usize) {
            check_attention(seed, queries, keys, width);
        }

        #[test]
        fn top_k(seed: u64, rows in 1..4usize, n in 1..1200usize, count in 1..20usize) {
            check_top_k(seed, rows, n, count);
        }

        #[test]
        fn a_packed_matrix_gives_back_what_was_pushed_in_any_pieces(
            seed: u64, format in format(), n in 1..20usize, blocks in 1..4usize, piece in 1..200usize,
        ) {
            let samples = &mut Samples::new(seed);
            let values = samples.floats(n * blocks * BLOCK, Values::Outliers);
            let mut bytes = Vec::new();
            for block in values.as_chunks::<BLOCK>().0 {
                match format {
                    Format::Q8_0 => bytes.extend(quantize_q8_0(block).unwrap()),
                    Format::Q4_0 => bytes.extend(quantize_q4_0(block).unwrap()),
                }
            }
            let mut builder = PackedMatrixBuilder::new(format, n, blocks * BLOCK).unwrap();
            bytes.chunks(piece).try_for_each(|piece| builder.push(piece)).unwrap();
            let packed = builder.finish().unwrap();
            for (row, values) in values.chunks_exact(blocks * BLOCK).enumerate() {
                let mut out = vec![0.0; blocks * BLOCK];
                packed.dequantize_row(row, &mut out).unwrap();
                for (out, values) in out.chunks(BLOCK).zip(values.chunks(BLOCK)) {
                    let largest = values.iter().fold(0.0f32, |a, v| a.max(v.abs()));
                    let step = match format { Format::Q8_0 => largest / 127.0, Format::Q4_0 => largest / 8.0 };
                    // The positive end of Q4_0 reaches 7 steps where the largest value may need 8.
                    let bound = match format { Format::Q8_0 => 0.51, Format::Q4_0 => 1.01 } * step;
                    prop_assert!(out.iter().zip(values).all(|(o, v)| (o - v).abs() <= bound));
                }
            }
        }
    }
}

/// The libm of the platform in double precision stands for the truth.
#[test]
fn functions_are_within_their_documented_errors() {
    let xs: Vec<f32> = (-120_000..=120_000).map(|i| i as f32 * 1e-4).collect();
    for kernels in Kernels::available() {
        let check = |what: &str, f: fn(Kernels, &mut [f32]), exact: fn(f64) -> f64, bound: f64| {
            let mut ys = xs.clone();
            f(kernels, &mut ys);
            let exact: Vec<_> = xs.iter().map(|&x| exact(f64::from(x))).collect();
            assert_close(&format!("{what} {kernels:?}"), &ys, &exact, |i| {
                bound * exact[i].abs().max(1.0)
            });
        };
        check("erf", Kernels::erf, erf, 5e-7);
        check(
            "gelu",
            Kernels::gelu,
            |x| x * 0.5 * (1.0 + erf(x / 2f64.sqrt())),
            1e-6,
        );
        check("tanh", Kernels::tanh, f64::tanh, 5e-7);
        check("exp", Kernels::exp, f64::exp, 3e-7);
    }
}

/// erf by its Maclaurin series, or the continued fraction of erfc where the series cancels.
fn erf(x: f64) -> f64 {
    let size = x.abs();
    let value = if size < 3.0 {
        let mut term = size;
        let mut sum = size;
        for n in 1..100 {
            term *= -size * size / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let fraction = (1..60)
            .rev()
            .fold(size, |tail, n| size + f64::from(n) / 2.0 / tail);
        1.0 - (-size * size).exp() / (fraction * std::f64::consts::PI.sqrt())
    };
    value.copysign(x)
}

#[test]
fn functions_keep_their_ends_and_nan() {
    for kernels in Kernels::available() {
        let of = |f: fn(Kernels, &mut [f32]), x: f32| {
            let mut y = [x];
            f(kernels, &mut y);
            y[0]
        };
        assert!(of(Kernels::gelu, f32::NAN).is_nan(), "{kernels:?}");
        for f in [Kernels::erf, Kernels::tanh] {
            assert_eq!(of(f, f32::INFINITY), 1.0, "{kernels:?}");
            assert_eq!(of(f, f32::NEG_INFINITY), -1.0, "{kernels:?}");
            assert_eq!(of(f, 0.0), 0.0, "{kernels:?}");
        }
        assert_eq!(of(Kernels::gelu, -1e30), 0.0, "{kernels:?}");
        assert_eq!(of(Kernels::gelu, 1e30), 1e30, "{kernels:?}");
        assert_eq!(of(Kernels::exp, f32::NEG_INFINITY), 0.0, "{kernels:?}");
        assert_eq!(of(Kernels::exp, 0.0), 1.0, "{kernels:?}");
    }
}

#[test]
fn a_row_with_nothing_allowed_is_zero() {
    for kernels in Kernels::available() {
        let mut scores = [f32::MAX, 1.0, f32::NAN, 2.0, 3.0, f32::NEG_INFINITY];
        kernels
            .softmax_rows(&mut scores, 3, Some(&[0, 0, 0, 1, 0, 1]))
            .unwrap();
        assert_eq!(scores, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0], "{kernels:?}");
        let mut scores = [f32::NEG_INFINITY; 9];
        kernels.softmax_rows(&mut scores, 9, None).unwrap();
        assert_eq!(scores, [0.0; 9], "{kernels:?}");
    }
}

#[test]
fn a_value_that_is_not_finite_taints_its_row_and_no_other() {
    for format in [Format::Q8_0, Format::Q4_0] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let samples = &mut Samples::new(7);
            let (packed, _) = matrix(samples, format, 11, 64);
            let mut x = samples.floats(6 * 64, Values::Normal);
            x[2 * 64 + 40] = bad;
            for kernels in Kernels::available() {
                let out = gemm(kernels, &x, &packed, Epilogue::default());
                for (row, out) in out.chunks(11).enumerate() {
                    assert!(
                        out.iter().all(|y| y.is_nan() == (row == 2)),
                        "{kernels:?} {format:?} {bad}"
                    );
                }
            }
        }
    }
}

/// Sums of the largest floats overflow, but whatever can be represented is, and nothing panics.
#[test]
fn the_largest_floats_quantize() {
    let samples = &mut Samples::new(9);
    for format in [Format::Q8_0, Format::Q4_0] {
        let (packed, _) = matrix(samples, format, 8, 32);
        let x: [f32; 32] = std::array::from_fn(|i| if i % 2 == 0 { f32::MAX } else { f32::MIN });
        let mut scratch = Scratch::default();
        for kernels in Kernels::available() {
            kernels
                .quantize(&x, &packed, Rows::Independent, &mut scratch)
                .unwrap();
            let (quads, scale) = kernels.run(Bits(&scratch));
            let (least, most) = match format {
                _ if kernels.run(Words) => (-8191, 8191),
                Format::Q8_0 => (0, 255),
                Format::Q4_0 => (-127, 127),
            };
            assert!(
                quads.iter().all(|quad| *quad == [most, least, most, least]),
                "{kernels:?}"
            );
            assert!(f32::from_bits(scale[0]).is_finite());
        }
    }
}

#[test]
fn columns_in_parts_are_the_whole_bit_for_bit() {
    let samples = &mut Samples::new(3);
    let (packed, _) = matrix(samples, Format::Q8_0, 43, 96);
    let x = samples.floats(9 * 96, Values::Outliers);
    let (bias, residual) = (
        samples.floats(43, Values::Normal),
        samples.floats(9 * 43, Values::Normal),
    );
    let epilogue = Epilogue {
        bias: Some(&bias),
        activation: Activation::Gelu,
        residual: Some(&residual),
    };
    for kernels in Kernels::available() {
        let whole = gemm(kernels, &x, &packed, epilogue);
        let mut scratch = Scratch::default();
        kernels
            .quantize(&x, &packed, Rows::Independent, &mut scratch)
            .unwrap();
        let mut out = vec![f32::NAN; whole.len()];
        let (first, rest) = OutColumns::new(&mut out, 9, 43).unwrap().split_at(16);
        let (second, third) = rest.split_at(40);
        assert_eq!(
            [first.range(), second.range(), third.range()],
            [0..16, 16..40, 40..43]
        );
        for mut part in [third, first, second] {
            kernels
                .gemm_columns(&scratch, &packed, &mut part, epilogue)
                .unwrap();
        }
        assert_eq!(out, whole, "{kernels:?}");
    }
}

/// As [`gemm`], for rows that are something to each other.
fn gemm_of(together: Rows, kernels: Kernels, x: &[f32], w: &PackedMatrix) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len() / w.k() * w.n()];
    let mut scratch = Scratch::default();
    kernels.quantize(x, w, together, &mut scratch).unwrap();
    let mut columns = OutColumns::new(&mut out, scratch.rows(), w.n()).unwrap();
    kernels
        .gemm_columns(&scratch, w, &mut columns, Epilogue::default())
        .unwrap();
    out
}

#[test]
fn rows_do_not_depend_on_their_neighbours() {
    for format in [Format::Q8_0, Format::Q4_0] {
        let samples = &mut Samples::new(11);
        let (packed, _) = matrix(samples, format, 37, 128);
        let x = samples.floats(17 * 128, Values::Outliers);
        for (together, most) in [
            (Rows::Sequence, 17),
            (Rows::Independent, WIDENED_ABOVE),
            (Rows::Independent, 1),
        ] {
            for kernels in Kernels::available() {
                let x = &x[..most * 128];
                let whole = gemm_of(together, kernels, x, &packed);
                for (x, out) in x.chunks(128).zip(whole.chunks(37)) {
                    let alone = gemm_of(together, kernels, x, &packed);
                    assert_eq!(alone, out, "{kernels:?} {format:?} {together:?}");
                }
            }
        }
    }
}

#[test]
fn the_epilogue_is_activation_then_residual() {
    let samples = &mut Samples::new(5);
    let (packed, _) = matrix(samples, Format::Q4_0, 21, 32);
    let x = samples.floats(3 * 32, Values::Normal);
    let (bias, residual) = (
        samples.floats(21, Values::Normal),
        samples.floats(3 * 21, Values::Normal),
    );
    for kernels in Kernels::available() {
        let mut expected = gemm(kernels, &x, &packed, Epilogue::default());
        for row in expected.chunks_mut(21) {
            row.iter_mut().zip(&bias).for_each(|(y, b)| *y += b);
        }
        kernels.gelu(&mut expected);
        expected
            .iter_mut()
            .zip(&residual)
            .for_each(|(y, r)| *y += r);
        let epilogue = Epilogue {
            bias: Some(&bias),
            activation: Activation::Gelu,
            residual: Some(&residual),
        };
        let actual = gemm(kernels, &x, &packed, epilogue);
        assert_close(
            &format!("{kernels:?}"),
            &actual,
            &widened(&expected),
            |_| 1e-5,
        );
    }
}

#[test]
fn blocks_of_a_file_are_read_as_it_defines_them() {
    // Q8_0: a scale of 0.5 and the values -16 to 15.
    let mut bytes = vec![0x00, 0x38];
    bytes.extend((-16..16i8).map(|v| v as u8));
    let packed = PackedMatrix::from_q8_0(&bytes, 1, 32).unwrap();
    let mut row = [0.0; 32];
    packed.dequantize_row(0, &mut row).unwrap();
    assert_eq!(row, std::array::from_fn(|i| (i as f32 - 16.0) * 0.5));
    // Q4_0: a scale of -2; byte i holds value i in its low and value i + 16 in its high nibble.
    let mut bytes = vec![0x00, 0xc0];
    bytes.extend((0..16u8).map(|v| v | (15 - v) << 4));
    let packed = PackedMatrix::from_q4_0(&bytes, 1, 32).unwrap();
    packed.dequantize_row(0, &mut row).unwrap();
    let nibble = |i: usize| if i < 16 { i as f32 } else { 31.0 - i as f32 };
    assert_eq!(row, std::array::from_fn(|i| (nibble(i) - 8.0) * -2.0));
}

#[test]
fn a_stack_multiplies_as_its_parts_do() {
    let samples = &mut Samples::new(1);
    let (k, x) = (64, samples.floats(3 * 64, Values::Normal));
    for format in [Format::Q8_0, Format::Q4_0] {
        let mut part = |n: usize| {
            let mut builder = PackedMatrixBuilder::new(format, n, k).unwrap();
            builder
                .push_f32(&samples.floats(n * k, Values::Normal))
                .unwrap();
            builder.finish().unwrap()
        };
        let (a, b) = (part(16), part(11));
        let product = |weights: &PackedMatrix| {
            let mut out = vec![0.0; 3 * weights.n()];
            let scratch = &mut Scratch::default();
            let none = Epilogue::default();
            Kernels::detect()
                .gemm(&x, weights, &mut out, none, scratch)
                .unwrap();
            out
        };
        let (of_a, of_b) = (product(&a), product(&b));
        let rows = of_a.chunks(16).zip(of_b.chunks(11));
        let expected: Vec<f32> = rows.flat_map(|(a, b)| [a, b].concat()).collect();
        assert_eq!(
            product(&PackedMatrix::stack(vec![a.clone(), b.clone()]).unwrap()),
            expected
        );
        let back = PackedMatrix::stack(vec![b, a]).unwrap_err();
        assert_eq!(back.len(), 2, "eleven columns end within a panel");
    }
    let other = PackedMatrix::from_f32(&[0.0; 32], 1, 32).unwrap();
    let wider = PackedMatrix::from_f32(&[0.0; 8 * 64], 8, 64).unwrap();
    assert!(PackedMatrix::stack(vec![wider, other]).is_err());
    assert!(PackedMatrix::stack(Vec::new()).is_err());
}

#[test]
fn wrong_arguments_are_errors() {
    let kernels = Kernels::detect();
    let scratch = &mut Scratch::default();
    let packed = PackedMatrix::from_f32(&[1.0; 2 * 32], 2, 32).unwrap();
    let none = Epilogue::default();
    assert_eq!(
        PackedMatrix::from_q8_0(&[0; 34], 1, 33).unwrap_err(),
        KernelError::Block { k: 33 }
    );
    assert!(matches!(
        PackedMatrix::from_q8_0(&[0; 33], 1, 32),
        Err(KernelError::Blocks { .. })
    ));
    assert!(matches!(
        PackedMatrix::from_q8_0(&[0; 68], 1, 32),
        Err(KernelError::Blocks { .. })
    ));
    assert!(matches!(
        PackedMatrix::from_q4_0(&[], 0, 32),
        Err(KernelError::Size { .. })
    ));
    assert!(matches!(
        PackedMatrix::from_q4_0(&[], usize::MAX, 64),
        Err(KernelError::Size { .. })
    ));
    assert_eq!(
        PackedMatrix::from_q4_0(&[0xff; 36], 2, 32).unwrap_err(),
        KernelError::Scale { row: 0 }
    );
    assert_eq!(
        PackedMatrix::from_f32(&[f32::NAN; 32], 1, 32).unwrap_err(),
        KernelError::Range { row: 0 }
    );
    assert_eq!(
        PackedMatrix::from_f32(&[1e30; 32], 1, 32).unwrap_err(),
        KernelError::Range { row: 0 }
    );
    assert!(packed.dequantize_row(2, &mut [0.0; 32]).is_err());
    assert!(
        kernels
            .gemm(&[0.0; 33], &packed, &mut [0.0; 2], none, scratch)
            .is_err()
    );
    assert!(
        kernels
            .gemm(&[0.0; 32], &packed, &mut [0.0; 3], none, scratch)
            .is_err()
    );
    let bias = Epilogue {
        bias: Some(&[0.0; 3]),
        ..none
    };
    assert!(
        kernels
            .gemm(&[0.0; 32], &packed, &mut [0.0; 2], bias, scratch)
            .is_err()
    );
    let residual = Epilogue {
        residual: Some(&[0.0; 1]),
        ..none
    };
    assert!(
        kernels
            .gemm(&[0.0; 32], &packed, &mut [0.0; 2], residual, scratch)
            .is_err()
    );
    let other = PackedMatrix::from_q4_0(&[0; 18], 1, 32).unwrap();
    kernels
        .quantize(&[0.0; 32], &packed, Rows::Independent, scratch)
        .unwrap();
    let mut out = [0.0; 1];
    let mut columns = OutColumns::new(&mut out, 1, 1).unwrap();
    assert_eq!(
        kernels.gemm_columns(scratch, &other, &mut columns, none),
        Err(KernelError::Activations)
    );
    let wide = PackedMatrix::from_f32(&[1.0; 9 * 32], 9, 32).unwrap();
    let mut out = [0.0; 9];
    let (_, mut columns) = OutColumns::new(&mut out, 1, 9).unwrap().split_at(3);
    let refused = kernels.gemm_columns(scratch, &wide, &mut columns, none);
    assert!(matches!(refused, Err(KernelError::Columns { .. })));
    assert!(kernels.softmax_rows(&mut [0.0; 5], 2, None).is_err());
    assert!(kernels.softmax_rows(&mut [0.0; 1], 0, None).is_err());
    assert!(
        kernels
            .layer_norm(&mut [0.0; 5], None, &[0.0; 2], &[0.0; 2], 1e-5)
            .is_err()
    );
    assert!(Head::new(&[0.0; 7], 2, 4, 0..4).is_err());
    assert!(Head::new(&[0.0; 8], 2, 4, 2..5).is_err());
    assert!(Head::new(&[0.0; 8], usize::MAX, 4, 0..4).is_err());
}

#[test]
fn empty_arguments_are_no_work() {
    let scratch = &mut Scratch::default();
    let packed = PackedMatrix::from_f32(&[1.0; 32], 1, 32).unwrap();
    for kernels in Kernels::available() {
        kernels
            .gemm(&[], &packed, &mut [], Epilogue::default(), scratch)
            .unwrap();
        kernels.softmax_rows(&mut [], 4, None).unwrap();
        kernels.softmax_rows(&mut [], 0, None).unwrap();
        kernels
            .layer_norm(&mut [], None, &[1.0], &[0.0], 1e-5)
            .unwrap();
        kernels.gelu(&mut []);
        assert!(
            kernels
                .project_top_k(&[], &packed, None, 3, scratch)
                .unwrap()
                .is_empty()
        );
        let none = kernels.top_k(&[], 3);
        assert!(none.candidates.is_empty() && none.log_sum_exp == f32::NEG_INFINITY);
        assert!(kernels.top_k(&[1.0], 0).candidates.is_empty());
        let head = Head::new(&[], 0, 4, 0..4).unwrap();
        let mut out = [1.0; 4];
        let context = HeadMut::new(&mut out, 1, 4, 0..4).unwrap();
        kernels
            .attention(
                Head::new(&[1.0; 4], 1, 4, 0..4).unwrap(),
                head,
                head,
                None,
                1.0,
                context,
                &mut AttentionScratch::default(),
            )
            .unwrap();
        assert_eq!(out, [0.0; 4], "nothing to attend to, {kernels:?}");
    }
}

#[test]
fn equal_logits_rank_by_index_and_the_forbidden_do_not_appear() {
    for kernels in Kernels::available() {
        let mut logits = [1.0; 20];
        logits[3] = f32::NEG_INFINITY;
        logits[4] = f32::NAN;
        logits[17] = 2.0;
        let top = kernels.top_k(&logits, 4);
        let indices: Vec<_> = top.candidates.iter().map(|c| c.index).collect();
        assert_eq!(indices, [17, 0, 1, 2], "{kernels:?}");
    }
}
