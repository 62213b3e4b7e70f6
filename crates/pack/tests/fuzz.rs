//! Every format that a checkpoint can bring, bent at random: nothing panics, and memory stays bounded.
//!
//! The inputs follow from the seed alone. `cargo test` runs a few thousand for each format;
//! `UNMASK_FUZZ_INPUTS=10000000 cargo test -p unmask-pack --test fuzz -- --nocapture` runs as many as it says, and
//! `UNMASK_FUZZ_SEED` begins elsewhere. Each starts from a file of `corpus/FORMAT`.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is a finding")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use common::{Memory, options, raw_safetensors, safetensors, without_weights};
use unmask_gguf::{Decoder, Limits};
use unmask_pack::Plan;

/// No input here is longer, and whatever is made of one must not be much larger than a header may be.
const LONGEST: usize = 8 << 10;
const MOST_MEMORY: usize = 24 << 20;

/// Counts what a thread has allocated, and the most that it had at once.
struct Counting;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let now = NOW.get() + bytes;
    NOW.set(now);
    PEAK.set(PEAK.get().max(now));
}

// SAFETY: every method hands its arguments to `System`, under the same contract, and returns what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, new_size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// xorshift64*: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }
}

/// Numbers at which arithmetic goes wrong, as bytes of binary formats and as text of JSON.
const EDGES: [u64; 10] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    u64::MAX,
];
const TOKENS: [&str; 18] = [
    "{", "}", "[", "]", "\"", ":", ",", "null", "true", "-1", "1e999", "0.5", "\\ud800", "\"a\":",
    "[[[[", "{\"a\":{", "\u{feff}", "\0",
];

/// Bends `input` in one to six ways.
fn mutate(random: &mut Random, mut input: Vec<u8>, corpus: &[Vec<u8>]) -> Vec<u8> {
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        let end = at + random.below((input.len() - at).min(64) + 1);
        match random.below(9) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.next() as u8,
            2 => drop(input.drain(at..end)),
            3 => drop(input.splice(at..at, input[at..end].to_vec())),
            4 => {
                let width = *random.pick(&[1, 2, 4, 8]);
                let edge = random.pick(&EDGES).to_le_bytes();
                let end = (at + width).min(input.len());
                input[at..end].copy_from_slice(&edge[..end - at]);
            }
            5 => {
                let edge = random.pick(&EDGES).to_string();
                let digits = |byte: &u8| byte.is_ascii_digit();
                let begin = input[at..].iter().position(digits).map_or(at, |d| at + d);
                let length = input[begin..].iter().take_while(|b| digits(b)).count();
                input.splice(begin..begin + length, edge.into_bytes());
            }
            6 => {
                let token = random.pick(&TOKENS).as_bytes().to_vec();
                input.splice(at..at, token);
            }
            7 => input.truncate(at),
            _ => {
                let other = random.pick(corpus);
                let from = random.below(other.len() + 1);
                input.truncate(at);
                input.extend(&other[from..]);
            }
        }
        input.truncate(LONGEST);
    }
    input
}

/// One of the formats, and what reads it.
struct Target {
    name: &'static str,
    read: fn(&[u8]),
}

const TARGETS: [Target; 8] = [
    Target {
        name: "safetensors",
        read: |input| plan(&without_weights().with("model.safetensors", input)),
    },
    Target {
        name: "safetensors-header",
        read: |input| {
            let header = String::from_utf8_lossy(input);
            plan(
                &without_weights().with("model.safetensors", raw_safetensors(&header, &[0; 1024])),
            );
        },
    },
    Target {
        name: "zip",
        read: |input| plan(&without_weights().with("pytorch_model.bin", input)),
    },
    Target {
        name: "pickle",
        read: |input| plan(&without_weights().with("pytorch_model.bin", zipped(input))),
    },
    Target {
        name: "index",
        read: |input| {
            let shard = safetensors(&[("a", &[2, 2])]);
            let folder = without_weights().with("model.safetensors.index.json", input);
            plan(&folder.with("one.safetensors", shard));
        },
    },
    Target {
        name: "config",
        read: |input| plan(&with_weights("config.json", input)),
    },
    Target {
        name: "tokenizer",
        read: |input| {
            // The first line says which file it is.
            let end = input.iter().position(|&byte| byte == b'\n');
            let (name, text) = input.split_at(end.unwrap_or(0));
            let folder = Memory::default()
                .with("config.json", r#"{"model_type":"bert"}"#)
                .with("model.safetensors", safetensors(&[("a", &[2])]));
            let vocabulary = r#"{"<s>":0,"</s>":1,"a":2,"b":3,"ab":4}"#;
            plan(&match name {
                b"vocab.txt" => folder.with("vocab.txt", text),
                b"merges.txt" => folder
                    .with("vocab.json", vocabulary)
                    .with("merges.txt", text),
                b"vocab.json" => folder.with("vocab.json", text).with("merges.txt", "a b\n"),
                _ => folder.with("tokenizer.json", text),
            });
        },
    },
    Target {
        name: "gguf",
        read: |input| {
            let mut decoder = Decoder::new(Limits::default());
            let mut take = |_: &_, _| Ok::<_, Infallible>(());
            let pushed = input
                .chunks(97)
                .try_for_each(|chunk| decoder.push(chunk, &mut take));
            let _ = pushed.map(|()| decoder.finish());
        },
    },
];

/// Plans a checkpoint and, where it is sound, encodes it: only a panic would fail.
fn plan(folder: &Memory) {
    if let Ok(plan) = Plan::new(folder, &options("q8_0")) {
        for piece in plan.pieces() {
            let _ = plan.encode(&piece);
        }
    }
}

fn with_weights(name: &str, contents: &[u8]) -> Memory {
    without_weights()
        .with("model.safetensors", safetensors(&[("a", &[2, 32])]))
        .with(name, contents)
}

fn zipped(pickle: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("m/data.pkl", pickle), ("m/data/0", &[0; 64])] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn corpus(format: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<_> = std::fs::read_dir(folder.join(format))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn no_input_panics_or_takes_memory_without_bound() {
    let inputs = number("UNMASK_FUZZ_INPUTS", 16_000) / TARGETS.len() as u64;
    let seed = number("UNMASK_FUZZ_SEED", 1);
    for (format, Target { name, read }) in (1..).zip(&TARGETS) {
        let corpus = corpus(name);
        let mut random = Random(seed << 32 | format);
        for done in 0..inputs {
            let begin = random.pick(&corpus).clone();
            let input = mutate(&mut random, begin, &corpus);
            PEAK.set(NOW.get());
            let before = NOW.get();
            let outcome = catch_unwind(AssertUnwindSafe(|| read(&input)));
            let memory = (PEAK.get() - before) as usize;
            if outcome.is_err() || memory > MOST_MEMORY {
                let finding = std::env::temp_dir().join(format!("unmask-fuzz-{name}-{done}"));
                std::fs::write(&finding, &input).unwrap();
                panic!(
                    "{name} took {memory} bytes or panicked: {}",
                    finding.display()
                );
            }
            if (done + 1).is_multiple_of(1 << 20) {
                println!("{name}: {} inputs", done + 1);
            }
        }
        println!("{name}: {inputs} inputs");
    }
}

#[test]
fn the_corpus_itself_is_read() {
    for Target { name, read } in &TARGETS {
        for input in corpus(name) {
            assert!(input.len() <= LONGEST, "{name}: small");
            read(&input);
        }
    }
}
