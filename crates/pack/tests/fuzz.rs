//! Every format that a checkpoint or a model file can bring, bent at random: nothing panics, and memory stays bounded.
//!
//! The inputs follow from the seed alone. `cargo test` runs a few thousand for each format; `cargo xtask fuzz` runs ten
//! million for each. `UNMASK_FUZZ_INPUTS` says how many for each format, `UNMASK_FUZZ_SEED` begins elsewhere, and
//! `UNMASK_FUZZ_FORMAT` takes one format alone. Each begins from the files of `corpus/FORMAT`, and goes on from inputs that
//! came to an end of their own: another sentence of refusal, or none.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is a finding")]

mod common;
#[path = "common/counting.rs"]
mod counting;

use std::convert::Infallible;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::mutate::{Corpus, LONGEST, committed};
use common::tiny::TinyModel;
use common::{Memory, options, raw_safetensors, safetensors, without_weights};
use counting::measure;
use unmask_gguf::{Decoder, Limits};
use unmask_pack::Plan;
use unmask_transformer::bart::{Bart, MaskPatterns};
use unmask_transformer::bert::Bert;
use unmask_transformer::generation::{GenerateOptions, GenerationConfig};
use unmask_transformer::tasks::fill_mask::fill_mask;
use unmask_transformer::tasks::generate::generate;
use unmask_transformer::{MaskPattern, ModelFile, Tokenizer};

/// What any input may take: its own readers' buffers, and so much for each of its bytes. The dearest byte is JSON's, where an
/// object of one short name becomes a node of a tree. Regular expressions have a bound of their own, ten megabytes each.
const BUFFERS: usize = 3 << 20;
const PATTERNS: usize = 200 << 20;
const FOR_A_BYTE: usize = 256;

/// One of the formats, and what reads it: gives the sentence of the refusal, or of what was read.
struct Target {
    name: &'static str,
    read: fn(&[u8]) -> String,
}

const TARGETS: [Target; 10] = [
    Target {
        name: "safetensors",
        read: |input| plan(&without_weights().with("model.safetensors", input)),
    },
    Target {
        name: "safetensors-header",
        read: |input| {
            let header = String::from_utf8_lossy(input);
            plan(&without_weights().with("model.safetensors", raw_safetensors(&header, &[0; 1024])))
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
            plan(&folder.with("one.safetensors", shard))
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
            })
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
            let decoded = pushed.map(|()| decoder.finish());
            match ModelFile::read(input) {
                Ok(_) => format!("{decoded:?}"),
                Err(error) => error.message,
            }
        },
    },
    Target {
        name: "engine-config",
        read: |input| run(&String::from_utf8_lossy(input)),
    },
    Target {
        name: "engine-tokenizer",
        read: |input| tokenize(&String::from_utf8_lossy(input)),
    },
];

/// Plans a checkpoint and, where it is sound, encodes it.
fn plan(folder: &Memory) -> String {
    let plan = match Plan::new(folder, &options("q8_0")) {
        Ok(plan) => plan,
        Err(error) => return error.to_string(),
    };
    for piece in plan.pieces() {
        if let Err(error) = plan.encode(&piece) {
            return error.to_string();
        }
    }
    format!("{:?}", plan.tasks())
}

/// Lets the engine compute with this configuration, BART's where it speaks of a `d_model`; or with a text that its first
/// line names.
fn run(input: &str) -> String {
    thread_local! {
        static BERT: TinyModel = TinyModel::bert();
        static BART: TinyModel = TinyModel::bart();
    }
    let (first, rest) = input.split_once('\n').unwrap_or_default();
    let (key, text, is_bart) = match first {
        "heads" => ("unmask.heads", rest, false),
        "tasks" => ("unmask.tasks", rest, true),
        "generation" => ("generation_config.huggingface.json", rest, true),
        _ => ("config.huggingface.json", input, input.contains("d_model")),
    };
    let computed = match is_bart {
        true => write(&BART.with(|bart| bart.with(key, text))),
        false => fill(&BERT.with(|bert| bert.with(key, text))),
    };
    computed.map_or_else(|error| error.message, |count| format!("computed {count}"))
}

fn fill(file: &[u8]) -> unmask_transformer::Result<usize> {
    let bert = Bert::new(ModelFile::read(file)?)?;
    let filled = fill_mask(&bert, "a [MASK]", Some(2), &MaskPattern::Bidirectional)?;
    Ok(filled.masks.len())
}

fn write(file: &[u8]) -> unmask_transformer::Result<usize> {
    let bart = Bart::new(ModelFile::read(file)?)?;
    let few = GenerateOptions {
        config: GenerationConfig {
            max_new_tokens: Some(3),
            ..GenerationConfig::default()
        },
        ..GenerateOptions::default()
    };
    let mut writing = generate(&bart, "a b", &few, &MaskPatterns::default())?;
    while writing.step()?.is_some() {}
    Ok(writing.finish()?.tokens.len())
}

/// Lets the engine split and join texts with this tokenizer.
fn tokenize(json: &str) -> String {
    let tokenizer = match Tokenizer::new(json) {
        Ok(tokenizer) => tokenizer,
        Err(error) => return error.message,
    };
    let encoded = tokenizer.encode("a b, c!\n [MASK] É", Some("ab 東"), 12);
    let windows = tokenizer.encode_windows("a", "b c a b c a b c a b c", 8, 2);
    match encoded.and_then(|encoding| tokenizer.decode(&encoding.ids, true)) {
        Ok(text) => format!("{} {} {}", text.len(), text, windows.is_ok()),
        Err(error) => error.message,
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

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn no_input_panics_or_takes_memory_without_bound() {
    let inputs = number("UNMASK_FUZZ_INPUTS", 2000);
    let seed = number("UNMASK_FUZZ_SEED", 1);
    let only = std::env::var("UNMASK_FUZZ_FORMAT").ok();
    let chosen = |name: &str| only.as_deref().is_none_or(|only| only == name);
    assert!(TARGETS.iter().any(|target| chosen(target.name)));
    for (format, Target { name, read }) in (1..).zip(&TARGETS) {
        if !chosen(name) {
            continue;
        }
        let mut corpus = Corpus::of(name, seed << 32 | format);
        let buffers = match *name {
            "engine-tokenizer" => PATTERNS,
            _ => BUFFERS,
        };
        let mut most = 0;
        for done in 1..=inputs {
            let input = corpus.next();
            let (outcome, taken) = measure(|| catch_unwind(AssertUnwindSafe(|| read(&input))));
            most = most.max(taken.peak);
            let end = match outcome {
                Ok(end) if taken.peak <= buffers + FOR_A_BYTE * input.len() => end,
                _ => {
                    let finding = std::env::temp_dir().join(format!("unmask-fuzz-{name}-{done}"));
                    std::fs::write(&finding, &input).unwrap();
                    let (bytes, file) = (taken.peak, finding.display());
                    panic!("{name} panicked or took {bytes} bytes: {file}");
                }
            };
            corpus.ended(input, &end);
            if done.is_multiple_of(1 << 20) {
                println!("{name}: {done} inputs, {} ends", corpus.ends());
            }
        }
        println!(
            "{name}: {inputs} inputs, {} ends, at most {most} bytes at once",
            corpus.ends()
        );
    }
}

#[test]
fn the_corpus_itself_is_read() {
    for Target { name, read } in &TARGETS {
        for input in committed(name) {
            assert!(input.len() <= LONGEST, "{name}: small");
            read(&input);
        }
    }
}
