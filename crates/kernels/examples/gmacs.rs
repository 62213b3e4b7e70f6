//! How fast the multiplications are, in billions of multiply-accumulates a second, beside the most that their
//! instruction could do in the same run. Natively it is a program, in WebAssembly a test that prints.

use std::hint::black_box;
use unmask_kernels::{
    Activation, AttentionScratch, Epilogue, Format, Head, HeadMut, Kernels, PackedMatrix,
    PackedMatrixBuilder, Rows, Scratch,
};

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    measure(|line| println!("{line}"));
}

#[cfg(target_arch = "wasm32")]
fn main() {}

#[cfg(target_arch = "wasm32")]
mod browser {
    use wasm_bindgen::prelude::wasm_bindgen;

    #[wasm_bindgen]
    extern "C" {
        /// Milliseconds since the page was opened.
        #[wasm_bindgen(js_namespace = performance)]
        pub fn now() -> f64;
    }

    #[wasm_bindgen_test::wasm_bindgen_test]
    fn gmacs() {
        super::measure(|line| wasm_bindgen_test::console_log!("{line}"));
    }
}

/// Seconds from some moment on.
fn now() -> f64 {
    #[cfg(target_arch = "wasm32")]
    return browser::now() / 1e3;
    #[cfg(not(target_arch = "wasm32"))]
    {
        use std::sync::LazyLock;
        use std::time::Instant;
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed().as_secs_f64()
    }
}

/// The least of many times that `work` takes, in seconds. Each is short, so that on a shared machine some of them pass
/// without an interruption.
fn seconds(mut work: impl FnMut()) -> f64 {
    work();
    let mut rounds = 1;
    let mut least = f64::INFINITY;
    for _ in 0..80 {
        // Long enough for a browser's coarse clock.
        let spent = loop {
            let start = now();
            (0..rounds).for_each(|_| work());
            let spent = now() - start;
            if spent > 0.001 {
                break spent;
            }
            rounds *= 2;
        };
        least = least.min(spent / f64::from(rounds));
    }
    least
}

fn values(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn packed(format: Format, n: usize, k: usize) -> PackedMatrix {
    let builder = PackedMatrixBuilder::new(format, n, k);
    let packed = builder.and_then(|mut builder| {
        builder.push_f32(&values(n * k))?;
        builder.finish()
    });
    packed.expect("k is a multiple of 32 and the values are small")
}

fn measure(print: impl Fn(String)) {
    for kernels in Kernels::available() {
        let name = format!("{:?}", kernels.instruction_set());
        let peak = || {
            let count = kernels.multiply_in_registers(5_000)?;
            Some(
                count as f64
                    / seconds(|| _ = black_box(kernels.multiply_in_registers(5_000)))
                    / 1e9,
            )
        };
        let of_peak = |gmacs: f64, peak: Option<f64>| {
            peak.map_or(String::new(), |peak| {
                format!(" ({:.0}% of {peak:.1})", 100.0 * gmacs / peak)
            })
        };
        for format in [Format::Q8_0, Format::Q4_0] {
            for (m, k, n) in [
                (128, 384, 384),
                (128, 384, 1536),
                (128, 768, 768),
                (128, 768, 3072),
                (128, 3072, 768),
                (512, 768, 768),
                (16, 768, 768),
                (1, 384, 384),
                (1, 768, 3072),
                // More than the last cache holds: what decoding does with a vocabulary.
                (1, 768, 50_264),
                (4, 768, 768),
                (5, 768, 768),
            ] {
                let (weights, x) = (packed(format, n, k), values(m * k));
                let (mut out, mut scratch) = (vec![0.0; m * n], Scratch::default());
                let time = seconds(|| {
                    let done =
                        kernels.gemm(&x, &weights, &mut out, Epilogue::default(), &mut scratch);
                    done.expect("the shapes fit");
                });
                let gmacs = (m * k * n) as f64 / time / 1e9;
                let peak = of_peak(gmacs, peak());
                print(format!(
                    "{name:12} {format:?} m={m:3} k={k:4} n={n:4} {gmacs:7.1} GMAC/s{peak}"
                ));
            }
        }
        let (m, k, n) = (128, 768, 3072);
        let (weights, x) = (packed(Format::Q8_0, n, k), values(m * k));
        let (bias, mut out, mut scratch) = (values(n), vec![0.0; m * n], Scratch::default());
        let epilogue = Epilogue {
            bias: Some(&bias),
            activation: Activation::Gelu,
            residual: None,
        };
        let time = seconds(|| {
            let done = kernels.gemm(&x, &weights, &mut out, epilogue, &mut scratch);
            done.expect("the shapes fit");
        });
        let gmacs = (m * k * n) as f64 / time / 1e9;
        print(format!(
            "{name:12} Q8_0 {m}x{k}x{n} with bias and GELU {gmacs:7.1} GMAC/s"
        ));
        let time = seconds(|| {
            kernels
                .quantize(&x, &weights, Rows::Independent, &mut scratch)
                .expect("whole rows")
        });
        print(format!("{name:12} quantize {m}x{k}: {:.1} us", time * 1e6));
        let mut h = values(m * n);
        let time = seconds(|| kernels.gelu(&mut h));
        print(format!("{name:12} GELU {m}x{n}: {:.1} us", time * 1e6));
        for (queries, keys, width) in [(128, 128, 32), (128, 128, 64), (512, 512, 64), (1, 128, 64)]
        {
            let (q, kv) = (values(queries * 768), values(keys * 768));
            let mut context = vec![0.0; queries * 768];
            let mut scratch = AttentionScratch::default();
            let mut weights = vec![0.0; queries * keys];
            let head =
                |matrix, rows| Head::new(matrix, rows, 768, 0..width).expect("the head fits");
            let time = seconds(|| {
                let out =
                    HeadMut::new(&mut context, queries, 768, 0..width).expect("the head fits");
                let (q, kv) = (head(&q, queries), head(&kv, keys));
                let done = kernels.attention(q, kv, kv, None, 0.125, out, &mut scratch);
                done.expect("the shapes fit");
            });
            let softmax = seconds(|| {
                kernels
                    .softmax_rows(&mut weights, keys, None)
                    .expect("whole rows");
            });
            let gmacs = (2 * queries * keys * width) as f64 / time / 1e9;
            print(format!(
                "{name:12} attention {queries}x{keys}x{width}: {:.1} us ({gmacs:.1} GMAC/s), softmax of it {:.1} us",
                time * 1e6,
                softmax * 1e6
            ));
        }
        let (x, gamma) = (values(128 * 768), values(768));
        let mut y = x.clone();
        let time = seconds(|| {
            let done = kernels.layer_norm(&mut y, Some(&x), &gamma, &gamma, 1e-12);
            done.expect("the shapes fit");
        });
        print(format!(
            "{name:12} layer norm 128x768 with residual: {:.1} us",
            time * 1e6
        ));
        let (vocabulary, x) = (packed(Format::Q8_0, 30522, 384), values(384));
        let time = seconds(|| {
            let top = kernels.project_top_k(&x, &vocabulary, None, 10, &mut scratch);
            black_box(top.expect("the shapes fit"));
        });
        let gmacs = (30522 * 384) as f64 / time / 1e9;
        print(format!(
            "{name:12} top 10 of 30522x384: {:.1} us ({gmacs:.1} GMAC/s)",
            time * 1e6
        ));
    }
}
