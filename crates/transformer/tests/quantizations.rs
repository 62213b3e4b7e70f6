//! Whole distributions, and what they become when one file is computed with at several quantizations.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::path::Path;

use unmask_transformer::bart::{Bart, MaskPatterns};
use unmask_transformer::bert::Bert;
use unmask_transformer::generation::GenerateOptions;
use unmask_transformer::tasks::fill_mask::fill_mask;
use unmask_transformer::tasks::generate::generate;
use unmask_transformer::tasks::logits::{Logits, bart_logits, bert_logits};
use unmask_transformer::{ErrorKind, MaskPattern, MatMul, ModelFile, ModelReader, Requantization};

const TEXT: &str = "The cat sat on the [MASK] and looked at the [MASK].";

fn file(model: &str, quantization: Option<&str>) -> ModelFile {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../public/models");
    let bytes = std::fs::read(models.join(format!("{model}.gguf"))).unwrap();
    let quantization = quantization.map(|name| Requantization::named(name).unwrap());
    let mut reader = ModelReader::new(MatMul::Kernels, quantization);
    for chunk in bytes.chunks(1 << 16) {
        reader.push(chunk).unwrap();
    }
    reader.finish().unwrap()
}

fn log_softmax(logits: &Logits) -> Vec<Vec<f64>> {
    let row = |row: &[f32]| {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|x| f64::from(x - most).exp()).sum();
        let all = f64::from(most) + sum.ln();
        row.iter().map(|&x| f64::from(x) - all).collect()
    };
    logits
        .values
        .chunks_exact(logits.vocabulary)
        .map(row)
        .collect()
}

fn divergence(reference: &Logits, other: &Logits) -> f64 {
    let rows = log_softmax(reference).into_iter().zip(log_softmax(other));
    let one = |(p, q): (Vec<f64>, Vec<f64>)| -> f64 {
        p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
    };
    rows.map(one).sum()
}

#[test]
fn a_masks_logits_are_those_that_fill_it() {
    let bert = Bert::new(file("bert", None)).unwrap();
    let logits = bert_logits(&bert, TEXT).unwrap();
    let filled = fill_mask(&bert, TEXT, Some(3), &MaskPattern::Bidirectional).unwrap();
    assert_eq!(logits.vocabulary, bert.config.vocab_size);
    assert_eq!(logits.values.len(), 2 * logits.vocabulary);
    for ((row, mask), position) in log_softmax(&logits)
        .iter()
        .zip(&filled.masks)
        .zip(&logits.positions)
    {
        assert_eq!(mask.position, *position);
        for candidate in &mask.candidates {
            let probability = row[candidate.id as usize].exp();
            assert!((probability - f64::from(candidate.probability)).abs() < 1e-5);
        }
        let best = mask.candidates[0].id as usize;
        assert!(row.iter().all(|&logit| logit <= row[best]));
    }
    let none = bert_logits(&bert, "No mask at all.").unwrap_err();
    assert_eq!(none.kind, ErrorKind::Input);
}

#[test]
fn the_logits_behind_each_token_of_a_target_choose_the_next() {
    let bart = Bart::new(file("bart-g2p", None)).unwrap();
    let options = GenerateOptions::default();
    let mut generation = generate(&bart, "attention", &options, &MaskPatterns::default()).unwrap();
    while generation.step().unwrap().is_some() {}
    let said = generation.finish().unwrap();

    let logits = bart_logits(&bart, "attention", Some(&said.text), &options).unwrap();
    let rows = log_softmax(&logits);
    assert_eq!(
        (logits.read.len(), rows.len()),
        (logits.positions.len(), rows.len())
    );
    // The last row is that of the end; rows before it choose what stands next in the target.
    let spoken: Vec<&str> = logits.read.iter().map(String::as_str).collect();
    for (row, next) in rows
        .iter()
        .zip(&spoken[1..])
        .skip(spoken.len() - said.tokens.len())
    {
        let best = (0..row.len())
            .max_by(|&a, &b| row[a].total_cmp(&row[b]))
            .unwrap();
        let best = bart.target_tokenizer().id_to_token(best as u32);
        assert_eq!(best.as_deref(), Some(*next));
    }
    let first = bart_logits(&bart, "attention", None, &options).unwrap();
    assert_eq!(
        (first.positions.as_slice(), first.read.len()),
        (&[0][..], 1)
    );
    for (alone, among) in first.values.iter().zip(&logits.values) {
        assert!(
            (alone - among).abs() < 1e-3,
            "causal: what comes later changes nothing"
        );
    }
}

#[test]
fn the_files_own_quantization_changes_nothing() {
    let [as_it_is, again] = [None, Some("Q8_0")].map(|quantization| file("bert", quantization));
    assert_eq!(as_it_is.quantization, again.quantization);
    assert_eq!(as_it_is.bytes, again.bytes);
    let [as_it_is, again] =
        [as_it_is, again].map(|file| bert_logits(&Bert::new(file).unwrap(), TEXT).unwrap());
    assert!(as_it_is.values == again.values, "to the last bit");
}

#[test]
fn fewer_bits_are_further_from_the_reference() {
    let mut bytes = Vec::new();
    let [reference, half, byte, nibble] = ["F32", "F16", "Q8_0", "Q4_0"].map(|quantization| {
        let file = file("bert", Some(quantization));
        assert_eq!(file.quantization, quantization);
        bytes.push(file.bytes);
        bert_logits(&Bert::new(file).unwrap(), TEXT).unwrap()
    });
    assert!(bytes.is_sorted_by(|more, less| more > less), "{bytes:?}");
    let [half, byte, nibble] = [half, byte, nibble].map(|other| divergence(&reference, &other));
    // The file is Q8_0, so that halves and bytes both lose next to nothing, and nibbles a second time.
    assert!(
        half > -1e-6 && byte > -1e-6 && nibble > half.max(byte),
        "{half} {byte} {nibble}"
    );
    assert!(half < 1e-4, "halves hold what bytes held: {half}");
    assert!(byte < 0.05, "activations alone are rounded: {byte}");
}

#[test]
fn there_is_no_other_quantization() {
    for name in ["q8_0", "Q6_K", "", "F64"] {
        assert_eq!(
            Requantization::named(name).unwrap_err().kind,
            ErrorKind::Input
        );
    }
}
