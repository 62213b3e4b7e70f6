//! Heads and tied tensors, as names and configurations show them.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is a finding")]

mod common;

use common::{Memory, pack, safetensors, unpack};
use serde_json::{Value, json};

fn folder(config: &Value, tensors: &[(&str, &[usize])]) -> Memory {
    let weights = safetensors(tensors);
    let files = Memory::default()
        .with("config.json", config.to_string())
        .with("tokenizer.json", "{}");
    files.with("model.safetensors", weights)
}

/// The packed file's heads, its tasks and its tensors' names.
fn packed(config: Value, tensors: &[(&str, &[usize])]) -> (Value, Value, Vec<String>) {
    let (header, tensors) = unpack(&pack(&folder(&config, tensors), "q8_0").unwrap());
    let parsed = |key: &str| serde_json::from_str(header.text(key).unwrap()).unwrap();
    (
        parsed("unmask.heads"),
        parsed("unmask.tasks"),
        tensors.into_keys().collect(),
    )
}

const CLASSIFIER: &[(&str, &[usize])] =
    &[("classifier.weight", &[12, 32]), ("classifier.bias", &[12])];

#[test]
fn labels_are_in_the_order_of_their_numbers() {
    let id2label: Value = (0..12)
        .map(|n| (n.to_string(), json!(format!("L{n}"))))
        .collect();
    let config = json!({ "model_type": "bert", "architectures": ["BertForTokenClassification"], "id2label": id2label });
    let (heads, ..) = packed(config, CLASSIFIER);
    let labels: Vec<_> = (0..12).map(|n| format!("L{n}")).collect();
    let kind = "token-classification";
    assert_eq!(
        heads,
        json!([{ "name": kind, "kind": kind, "labels": labels, "prefix": "classifier" }])
    );
}

#[test]
fn a_classifier_may_give_several_labels() {
    let config = json!({ "model_type": "distilbert", "architectures": ["DistilBertForSequenceClassification"],
        "problem_type": "multi_label_classification" });
    let (heads, ..) = packed(config, CLASSIFIER);
    let kind = "sequence-classification";
    let expected = json!([{ "name": kind, "kind": kind, "labels": [], "prefix": "classifier", "multi_label": true }]);
    assert_eq!(heads, expected);
}

#[test]
fn a_span_head_answers_questions() {
    let (heads, ..) = packed(
        json!({ "model_type": "bert" }),
        &[("qa_outputs.weight", &[2, 32])],
    );
    let kind = "question-answering";
    assert_eq!(
        heads,
        json!([{ "name": kind, "kind": kind, "labels": [], "prefix": "qa_outputs" }])
    );
}

#[test]
fn what_the_configuration_says_of_heads_and_tasks_counts() {
    let head = json!({ "name": "mood", "kind": "sequence-classification", "labels": ["good", "bad"],
        "prefix": "heads.mood", "null_threshold": 0.5 });
    let task = json!({ "name": "denoise", "source_token": "<denoise>" });
    let config = json!({ "model_type": "bart", "unmask_heads": [head], "unmask_tasks": [task] });
    let (heads, tasks, _) = packed(config, &[("model.shared.weight", &[8, 32])]);
    assert_eq!((heads, tasks), (json!([head]), json!([task])));
}

#[test]
fn a_bart_without_a_head_generates() {
    for (model_type, task) in [("bart", "generate"), ("mbart", "translate")] {
        let (heads, tasks, _) = packed(
            json!({ "model_type": model_type }),
            &[("model.shared.weight", &[8, 32])],
        );
        assert_eq!((heads, tasks), (json!([]), json!([{ "name": task }])));
    }
}

#[test]
fn tied_copies_are_left_out_and_stand_in_for_a_missing_original() {
    let table: &[usize] = &[8, 32];
    let bart = json!({ "model_type": "bart" });
    let all = [
        ("lm_head.weight", table),
        ("model.encoder.embed_tokens.weight", table),
        ("model.shared.weight", table),
    ];
    assert_eq!(packed(bart.clone(), &all).2, ["model.shared.weight"]);
    assert_eq!(packed(bart, &all[..1]).2, ["model.shared.weight"]);
    let bert = json!({ "model_type": "bert" });
    let bias = [
        ("cls.predictions.decoder.bias", &[8][..]),
        ("cls.predictions.decoder.weight", table),
    ];
    assert_eq!(
        packed(bert, &bias).2,
        [
            "bert.embeddings.word_embeddings.weight",
            "cls.predictions.bias"
        ]
    );
}

#[test]
fn untied_tensors_stay_apart() {
    let table: &[usize] = &[8, 32];
    let config = json!({ "model_type": "bart", "tie_word_embeddings": false });
    let names = ["lm_head.weight", "model.shared.weight"];
    assert_eq!(packed(config, &names.map(|name| (name, table))).2, names);
}

#[test]
fn a_row_that_no_block_fits_becomes_half_precision() {
    let tensors: &[(&str, &[usize])] = &[("classifier.weight", &[2, 33])];
    for quantization in ["q8_0", "q4_0", "q6_k", "q4_k"] {
        let file = pack(
            &folder(&json!({ "model_type": "bert" }), tensors),
            quantization,
        )
        .unwrap();
        assert_eq!(
            unpack(&file)
                .0
                .tensor("classifier.weight")
                .unwrap()
                .ty
                .name(),
            "F16"
        );
    }
}
