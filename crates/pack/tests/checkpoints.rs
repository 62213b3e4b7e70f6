//! Real checkpoints (made by `make_fixtures.py`) in every weight format: what is packed is what PyTorch had.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is a finding")]

mod common;

use std::fs;
use std::path::Path;

use common::{fixture, options, pack, unpack};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;
use unmask_gguf::TensorType;
use unmask_pack::{Directory, Plan};

const FIXTURES: [&str; 9] = [
    "bert",
    "bert-sharded",
    "bert-bin",
    "bert-bin-sharded",
    "bert-old",
    "minilm",
    "distilbert",
    "bart",
    "bart-classifier",
];

fn golden(name: &str) -> Value {
    let text = fs::read_to_string(fixture(name).join("golden.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn directory(name: &str) -> Directory {
    Directory(fixture(name))
}

#[test]
fn every_tensor_is_bit_for_bit_what_pytorch_had() {
    for name in FIXTURES {
        let (_, tensors) = unpack(&pack(&directory(name), "f32").unwrap());
        let packed: Value = tensors
            .into_iter()
            .map(|(name, (info, bytes))| {
                assert_eq!(info.ty, TensorType::F32);
                let sha256: String = Sha256::digest(&bytes)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                (name, json!({ "shape": info.shape, "sha256": sha256 }))
            })
            .collect();
        assert_eq!(packed, golden(name)["tensors"], "{name}");
    }
}

#[test]
fn the_packed_file_does_not_depend_on_how_weights_were_saved() {
    for quantization in ["F16", "Q8_0", "Q4_0"] {
        let single = pack(&directory("bert"), quantization).unwrap();
        for other in ["bert-sharded", "bert-bin", "bert-bin-sharded"] {
            assert!(
                pack(&directory(other), quantization).unwrap() == single,
                "{other} at {quantization}"
            );
        }
    }
}

#[test]
fn tokenizers_built_from_vocabularies_agree_with_pytorchs() {
    for name in FIXTURES {
        let (header, _) = unpack(&pack(&directory(name), "f32").unwrap());
        let json = header.text("tokenizer.huggingface.json").unwrap();
        let tokenizer = Tokenizer::from_bytes(json.as_bytes()).unwrap();
        for expected in golden(name)["encodings"].as_array().unwrap() {
            let (text, pair) = (
                expected["text"].as_str().unwrap(),
                expected["pair"].as_str().unwrap(),
            );
            // Offsets in characters, as Python counts.
            let encoding = tokenizer.encode_char_offsets((text, pair), true).unwrap();
            assert_eq!(
                json!(encoding.get_ids()),
                expected["ids"],
                "{name}: {text:?}"
            );
            assert_eq!(
                json!(encoding.get_type_ids()),
                expected["type_ids"],
                "{name}: {text:?}"
            );
            assert_eq!(
                json!(encoding.get_offsets()),
                expected["offsets"],
                "{name}: {text:?}"
            );
            let decoded = tokenizer.decode(encoding.get_ids(), true).unwrap();
            assert_eq!(json!(decoded), expected["decoded"], "{name}: {text:?}");
        }
    }
}

#[test]
fn the_file_says_what_it_is_and_can_do() {
    let labels = ["contradiction", "neutral", "entailment"];
    let masked = json!({ "name": "masked-lm", "kind": "masked-lm", "labels": [], "prefix": "cls.predictions" });
    let next = json!({ "name": "next-sentence", "kind": "next-sentence", "labels": ["next", "not next"],
        "prefix": "cls.seq_relationship" });
    let distil = json!({ "name": "masked-lm", "kind": "masked-lm", "labels": [], "prefix": "" });
    let classifier = json!({ "name": "sequence-classification", "kind": "sequence-classification",
        "labels": labels, "prefix": "classification_head" });
    for (name, architecture, heads, tasks) in [
        ("bert", "bert", json!([masked, next]), json!([])),
        ("bert-old", "bert", json!([masked]), json!([])),
        ("minilm", "bert", json!([]), json!([])),
        ("distilbert", "bert", json!([distil]), json!([])),
        ("bart", "bart", json!([]), json!([{ "name": "summarize" }])),
        ("bart-classifier", "bart", json!([classifier]), json!([])),
    ] {
        let (header, _) = unpack(&pack(&directory(name), "q8_0").unwrap());
        let parsed = |key: &str| serde_json::from_str::<Value>(header.text(key).unwrap()).unwrap();
        assert_eq!(
            header.text("general.architecture"),
            Some(architecture),
            "{name}"
        );
        assert_eq!(header.text("unmask.quantization"), Some("Q8_0"), "{name}");
        assert_eq!(parsed("unmask.heads"), heads, "{name}");
        assert_eq!(parsed("unmask.tasks"), tasks, "{name}");
        let config = fs::read_to_string(fixture(name).join("config.json")).unwrap();
        assert_eq!(
            header.text("config.huggingface.json"),
            Some(config.as_str()),
            "{name}: verbatim"
        );
    }
}

#[test]
fn matrices_are_quantized_and_the_rest_stays_exact() {
    let (header, _) = unpack(&pack(&directory("bart"), "q4_0").unwrap());
    let ty = |name: &str| header.tensor(name).unwrap().ty;
    assert_eq!(ty("model.shared.weight"), TensorType::Q4_0);
    assert_eq!(
        ty("model.decoder.layers.0.encoder_attn.k_proj.weight"),
        TensorType::Q4_0
    );
    assert_eq!(ty("model.encoder.embed_positions.weight"), TensorType::F16);
    assert_eq!(
        ty("model.encoder.layernorm_embedding.weight"),
        TensorType::F32
    );
    assert_eq!(ty("model.decoder.layers.0.fc1.bias"), TensorType::F32);
    assert_eq!(ty("final_logits_bias"), TensorType::F32);
}

#[test]
fn a_format_whose_blocks_do_not_fit_falls_back_and_says_so() {
    for (chosen, instead) in [("q6_k", TensorType::Q8_0), ("q4_k", TensorType::Q4_0)] {
        let plan = Plan::new(&directory("minilm"), &options(chosen)).unwrap();
        let fallbacks: Vec<_> = plan
            .fallbacks()
            .iter()
            .map(|f| (f.columns, f.to, f.tensors))
            .collect();
        // 32 columns: word embeddings, four attention matrices, the intermediate one and the pooler; 64: the output.
        assert_eq!(fallbacks, [(32, instead, 7), (64, instead, 1)]);
        let file = plan.write(Vec::new(), &mut |_| {}).unwrap();
        assert_eq!(
            unpack(&file)
                .0
                .tensor("bert.pooler.dense.weight")
                .unwrap()
                .ty,
            instead
        );
    }
}

#[test]
fn the_tiny_bart_that_spells_out_sounds_converts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/bart-g2p-us");
    if !folder.exists() {
        println!("skipped: {} is not here", folder.display());
        return;
    }
    let (header, tensors) = unpack(&pack(&Directory(folder.clone()), "q8_0").unwrap());
    assert_eq!(tensors.len(), 50);
    assert_eq!(
        header.text("unmask.tasks"),
        Some(r#"[{"name":"pronounce"}]"#)
    );
    let tokenizer = |key| Tokenizer::from_bytes(header.text(key).unwrap()).unwrap();
    let (source, target) = (
        tokenizer("tokenizer.huggingface.json"),
        tokenizer("tokenizer.target.huggingface.json"),
    );
    let golden: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("golden.json")).unwrap()).unwrap();
    let words = golden
        .as_array()
        .or_else(|| golden["words"].as_array())
        .unwrap();
    assert_eq!(words.len(), 30);
    for word in words {
        let encoding = source.encode(word["word"].as_str().unwrap(), true).unwrap();
        assert_eq!(json!(encoding.get_ids()), word["input_ids"]);
        let ids: Vec<u32> = serde_json::from_value(word["output_ids"].clone()).unwrap();
        assert_eq!(json!(target.decode(&ids, true).unwrap()), word["phonemes"]);
    }
    let unknown = source.encode("a_\n日", true).unwrap();
    assert_eq!(
        unknown.get_ids()[2..],
        [3, 3, 3, 2],
        "an underscore is not a letter, nor is a line break"
    );
}

#[test]
fn pieces_in_the_checkpoints_order_put_together_are_the_file() {
    for (name, quantization) in [
        ("bert", "q8_0"),
        ("bert-bin", "q4_0"),
        ("bert-bin-sharded", "f16"),
        ("bert-sharded", "q8_0"),
        ("distilbert", "f32"),
        ("bart", "q4_0"),
        ("bart-classifier", "q8_0"),
    ] {
        let plan = Plan::new(&Directory(fixture(name)), &options(quantization)).unwrap();
        let whole = plan.write(Vec::new(), &mut |_| {}).unwrap();
        // What nothing is written to must not pass for zero.
        let mut pieces = vec![0xaa; whole.len()];
        let mut put = |offset: u64, bytes: &[u8]| {
            pieces[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        };
        put(0, plan.layout().header_bytes());
        for (offset, bytes) in plan.padding() {
            put(offset, &vec![0; bytes]);
        }
        for piece in plan.pieces() {
            let encoded = plan.encode(&piece).unwrap();
            put(encoded.offset, &encoded.bytes);
        }
        assert!(pieces == whole, "{name}");
    }
}
