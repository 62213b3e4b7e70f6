//! The recorded runs in `public/traces`: true to the engine, within their budget, and what the page shows.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use unmask_evaluate::models::Catalogue;
use unmask_evaluate::traces::{Cells, EXAMPLES, FORBIDDEN, FORMAT, Index, Trace, WHOLE, record};

/// Most bytes of a trace as it travels. An embed shows it in place of megabytes of weights.
const BUDGET: usize = 40_000;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn traces() -> Vec<(String, Trace)> {
    let folder = repository().join("public/traces");
    let index: Index =
        serde_json::from_str(&fs::read_to_string(folder.join("index.json")).unwrap()).unwrap();
    assert_eq!(index.format, FORMAT);
    let read = |entry: unmask_evaluate::traces::IndexEntry| {
        let text = fs::read_to_string(folder.join(&entry.file)).unwrap();
        let trace: Trace = serde_json::from_str(&text).unwrap();
        assert_eq!(unmask_evaluate::traces::IndexEntry::from(&trace), entry);
        (text, trace)
    };
    index.traces.into_iter().map(read).collect()
}

/// Equal, but for numbers that another processor may round the other way.
fn assert_alike(what: &str, a: &Value, b: &Value) {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() < 2e-3, "{what}: {a} is not {b}");
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| assert_alike(what, a, b));
        }
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().for_each(|(key, a)| assert_alike(key, a, &b[key]));
        }
        _ => assert_eq!(a, b, "{what}"),
    }
}

fn assert_alike_cells(what: &str, a: &Cells, b: &Cells) {
    assert_eq!(a.header, b.header, "{what}");
    assert_eq!(a.cells.len(), b.cells.len(), "{what}");
    for (&a, &b) in a.cells.iter().zip(&b.cells) {
        assert_eq!(a == FORBIDDEN, b == FORBIDDEN, "{what}");
        assert!(a.abs_diff(b) <= 2, "{what}: {a} is not {b}");
    }
}

#[test]
fn traces_are_what_the_shipped_models_say() {
    let catalogue = Catalogue::read(&repository().join("public/models")).unwrap();
    let traces = traces();
    assert_eq!(traces.len(), EXAMPLES.len());
    for entry in &catalogue.models {
        let model = catalogue.load(&entry.name).unwrap();
        for example in EXAMPLES
            .iter()
            .filter(|example| example.model == entry.name)
        {
            let (_, kept) = traces
                .iter()
                .find(|(_, trace)| trace.name == example.name)
                .unwrap();
            let again = record(example, &model, entry).unwrap();
            assert_eq!(
                kept.model, again.model,
                "{} was recorded from another file: run cargo xtask traces",
                kept.name
            );
            assert_eq!((&kept.method, &kept.input), (&again.method, &again.input));
            assert_alike(&kept.name, &kept.output, &again.output);
            assert_alike_cells(
                &kept.name,
                &kept.attention.encoder,
                &again.attention.encoder,
            );
            for (kept_part, part) in [
                (&kept.attention.decoder, &again.attention.decoder),
                (&kept.attention.cross, &again.attention.cross),
            ] {
                assert_eq!(kept_part.is_some(), part.is_some());
                if let Some((kept_part, part)) = kept_part.as_ref().zip(part.as_ref()) {
                    assert_alike_cells(&kept.name, kept_part, part);
                }
            }
        }
    }
}

#[test]
fn a_trace_travels_in_a_few_tens_of_kilobytes() {
    for (text, trace) in traces() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        let bytes = gzip.finish().unwrap().len();
        assert!(bytes <= BUDGET, "{} takes {bytes} bytes", trace.name);
    }
}

#[test]
fn cells_are_whole_rows_in_which_the_future_is_forbidden_to_decoders_alone() {
    for (_, trace) in traces() {
        let parts = [
            Some((&trace.attention.encoder, false)),
            trace.attention.decoder.as_ref().map(|cells| (cells, true)),
            trace.attention.cross.as_ref().map(|cells| (cells, false)),
        ];
        for (cells, is_causal) in parts.into_iter().flatten() {
            let (queries, keys) = (
                cells.header.query_tokens.len(),
                cells.header.key_tokens.len(),
            );
            assert_eq!(
                cells.cells.len(),
                cells.header.layers * cells.header.heads * queries * keys
            );
            for (row, weights) in cells.cells.chunks(keys).enumerate() {
                let query = row % queries;
                let forbidden = |&key: &usize| weights[key] == FORBIDDEN;
                let expected = if is_causal {
                    query + 1..keys
                } else {
                    keys..keys
                };
                assert!((0..keys).filter(forbidden).eq(expected), "{}", trace.name);
                let sum: f32 = weights
                    .iter()
                    .filter(|&&cell| cell != FORBIDDEN)
                    .map(|&cell| f32::from(cell))
                    .sum();
                // Each cell is off by half a step at most.
                assert!(
                    (sum - WHOLE).abs() <= keys as f32 / 2. + 0.5,
                    "{}: {sum}",
                    trace.name
                );
            }
        }
    }
}

/// All of the page's source, its strings on one line each.
fn page_source(folder: &Path) -> String {
    let mut source = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source += &page_source(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).unwrap();
            let mut lines = text.split("\\\n");
            source += lines.next().unwrap();
            lines.for_each(|line| source += line.trim_start());
        }
    }
    source
}

#[test]
fn texts_are_those_that_the_page_opens_with() {
    let source = page_source(&repository().join("src"));
    for (_, trace) in traces() {
        for (name, text) in trace.input.as_object().unwrap() {
            let text = text.as_str().unwrap();
            let is_shown = match (name.as_str(), text.split_once("[MASK]")) {
                ("head" | "task", _) => true,
                // The page hides a word of the whole sentence, and pronounces another.
                (_, Some((before, after))) => source.contains(before) && source.contains(after),
                // A question and its passage have a field each.
                _ => text.split("<sep>").all(|part| source.contains(part)),
            };
            assert!(is_shown, "{}: the page doesn't show {text:?}", trace.name);
        }
    }
}
