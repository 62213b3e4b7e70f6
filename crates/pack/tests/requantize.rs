//! The engine's own quantizing, held to what this crate writes.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is a finding")]

mod common;

use common::{fixture, pack};
use unmask_pack::Directory;
use unmask_transformer::bart::Bart;
use unmask_transformer::bert::Bert;
use unmask_transformer::generation::GenerateOptions;
use unmask_transformer::tasks::logits::{bart_logits, bert_logits};
use unmask_transformer::{MatMul, ModelFile, ModelReader, Requantization};

/// The checkpoint packed in single precision, and encoded anew by the engine; and packed in `quantization` at once.
fn both(checkpoint: &str, quantization: &str) -> [ModelFile; 2] {
    let folder = Directory(fixture(checkpoint));
    let exact = pack(&folder, "f32").unwrap();
    let requantization = Requantization::named(quantization).unwrap();
    let mut reader = ModelReader::new(MatMul::Kernels, Some(requantization));
    reader.push(&exact).unwrap();
    let packed = pack(&folder, quantization).unwrap();
    [
        reader.finish().unwrap(),
        ModelFile::read(&packed[..]).unwrap(),
    ]
}

#[test]
fn a_file_encoded_anew_computes_what_one_packed_so_computes() {
    for quantization in ["F32", "F16", "Q8_0", "Q4_0"] {
        let files = both("bert", quantization);
        let [anew, packed] = [&files[0], &files[1]].map(|file| file.bytes);
        assert!(
            anew.abs_diff(packed) <= 32,
            "{anew} and {packed} bytes: the header names a format"
        );
        let [anew, packed] = files.map(|file| {
            assert_eq!(file.quantization, quantization);
            let bert = Bert::new(file).unwrap();
            let mask = bert.tokenizer.mask_token().unwrap();
            bert_logits(&bert, &format!("a {mask} b")).unwrap()
        });
        assert!(anew.values.iter().any(|&logit| logit != 0.));
        assert_eq!(anew, packed, "{quantization}");

        let [anew, packed] = both("bart", quantization).map(|file| {
            let bart = Bart::new(file).unwrap();
            bart_logits(&bart, "a b", Some("b a"), &GenerateOptions::default()).unwrap()
        });
        assert_eq!(anew, packed, "{quantization}");
    }
}
