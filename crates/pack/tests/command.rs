//! The command as a person runs it.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is a finding")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{fixture, unpack};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A folder of this test's own, gone when it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("unmask-pack-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run<const N: usize>(checkpoint: &Path, output: &Path, options: [&str; N]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unmask-pack"));
    command
        .arg(checkpoint)
        .arg("--output")
        .arg(output)
        .args(options)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn it_packs_reports_and_lists_the_model() {
    let scratch = Scratch::new("lists");
    let (model, catalogue) = (scratch.path("bert.gguf"), scratch.path("models.json"));
    fs::write(
        &catalogue,
        r#"{"models":[{"name":"other","quantization":"Q8_0","mine":1}]}"#,
    )
    .unwrap();
    let options = [
        "--name",
        "bert",
        "--license",
        "MIT",
        "--catalogue",
        catalogue.to_str().unwrap(),
        "--parts",
        "20000",
    ];
    for _twice_replaces_the_entry in 0..2 {
        let output = run(&fixture("bert"), &model, options);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("Q8_0  bert.embeddings.word_embeddings.weight"));
    }
    let file = fs::read(&model).unwrap();
    let digest = |bytes: &[u8]| -> String {
        Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    let parts: Vec<Vec<u8>> = (1..)
        .map_while(|n| fs::read(scratch.path(&format!("bert.gguf.{n}"))).ok())
        .collect();
    assert_eq!(parts.concat(), file);
    let parts: Value = (1..)
        .zip(&parts)
        .map(|(n, part)| json!({ "file": format!("bert.gguf.{n}"), "bytes": part.len(), "sha256": digest(part) }))
        .collect();
    let expected = json!({ "models": [
        { "name": "other", "quantization": "Q8_0", "mine": 1 },
        { "name": "bert", "file": "bert.gguf", "bytes": file.len(), "sha256": digest(&file), "architecture": "bert",
            "quantization": "Q8_0", "tasks": ["masked-lm", "next-sentence"], "license": "MIT", "description": null,
            "parts": parts },
    ] });
    assert_eq!(
        serde_json::from_slice::<Value>(&fs::read(&catalogue).unwrap()).unwrap(),
        expected
    );
    assert_eq!(unpack(&file).0.text("general.license"), Some("MIT"));
}

#[test]
fn it_compares_predictions_with_the_original() {
    let scratch = Scratch::new("compares");
    let sentences = scratch.path("sentences.txt");
    fs::write(
        &sentences,
        "The cat sat on the dog.\n\nUn-moved, the dog sat.\n",
    )
    .unwrap();
    let options = |quantization| {
        [
            "--quantization",
            quantization,
            "--evaluate",
            sentences.to_str().unwrap(),
        ]
    };
    for checkpoint in ["bert", "distilbert", "bart"] {
        let output = run(
            &fixture(checkpoint),
            &scratch.path("model.gguf"),
            options("F32"),
        );
        let said = text(&output.stdout).lines().last().unwrap();
        let same = "100.00% the same as the F32 model's, mean KL divergence 0.000000 nats";
        assert!(
            said.ends_with(same),
            "{checkpoint}: {said}{}",
            text(&output.stderr)
        );
        let output = run(
            &fixture(checkpoint),
            &scratch.path("model.gguf"),
            options("Q4_0"),
        );
        let said = text(&output.stdout).lines().last().unwrap();
        assert!(
            !said.ends_with(" 0.000000 nats"),
            "4 bits leave a trace: {said}"
        );
    }
    let output = run(
        &fixture("minilm"),
        &scratch.path("model.gguf"),
        options("Q8_0"),
    );
    assert!(!output.status.success(), "there is no head to compare");
}

#[test]
fn it_fails_with_a_sentence_and_leaves_no_file() {
    let scratch = Scratch::new("fails");
    let model = scratch.path("model.gguf");
    let nothing = run(&scratch.path("no-such-folder"), &model, []);
    assert!(!nothing.status.success());
    assert_eq!(
        text(&nothing.stderr),
        "There is no config.json: download the whole checkpoint.\n"
    );
    let unknown = run(&fixture("bert"), &model, ["-q", "Q3_K"]);
    assert!(!unknown.status.success());
    assert!(text(&unknown.stderr).contains("choose one of F32, F16, Q8_0, Q6_K, Q4_K, Q4_0"));
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
}
