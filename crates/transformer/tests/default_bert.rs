//! The default BERT as it is shipped, quantized, against PyTorch at full precision (`goldens/make_default_bert.py`).
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::path::Path;

use common::{goldens, read_json};
use unmask_transformer::bert::Bert;
use unmask_transformer::tasks::fill_mask::fill_mask;
use unmask_transformer::{MaskPattern, ModelFile};

#[test]
fn quantization_leaves_98_of_100_first_choices_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../public/models/bert.gguf");
    let file = ModelFile::read(std::fs::File::open(path).unwrap()).unwrap();
    let bert = Bert::new(file).unwrap();
    let golden = read_json(&goldens().join("default_bert.json"));
    let rows = golden.as_array().unwrap();
    assert_eq!(rows.len(), 200);
    let mut others = Vec::new();
    for row in rows {
        let text = row["text"].as_str().unwrap();
        let filled = fill_mask(&bert, text, Some(1), &MaskPattern::Bidirectional).unwrap();
        let [mask] = filled.masks.as_slice() else {
            panic!("{text} has one mask");
        };
        let best = &mask.candidates[0];
        if u64::from(best.id) != row["id"].as_u64().unwrap() {
            others.push(format!("{text}: {} instead of {}", best.text, row["token"]));
        }
    }
    println!(
        "{} of {} first choices agree",
        rows.len() - others.len(),
        rows.len()
    );
    assert!(others.len() * 100 <= rows.len() * 2, "{others:#?}");
}
