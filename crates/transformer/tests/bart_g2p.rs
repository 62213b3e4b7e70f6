//! The real, tiny BART that pronounces words: what PyTorch made of it, to the last phoneme.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::path::PathBuf;

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use common::{Checkpoint, assert_close, read_json, read_tensors};
use serde_json::{Map, Value, json};
use unmask_transformer::bart::{Bart, MaskPatterns};
use unmask_transformer::generation::{Finish, GenerateOptions, GenerationConfig};
use unmask_transformer::tasks::Steps;
use unmask_transformer::tasks::attention::{AttentionMaps, BartAttending};
use unmask_transformer::tasks::generate::generate;

/// Where the fixture lies beside a checkout; tests pass with a note where it doesn't.
fn fixture() -> Option<PathBuf> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/bart-g2p-us");
    if !folder.exists() {
        eprintln!("skipped: there is no {}", folder.display());
        return None;
    }
    Some(folder)
}

/// A tokenizer for which each character of `characters` from the fourth on is a token, its place the id.
fn character_tokenizer(characters: &str) -> Value {
    let specials = ["<pad>", "<s>", "</s>", "<unk>"];
    let mut vocab: Map<String, Value> = Map::new();
    for (id, special) in specials.iter().enumerate() {
        vocab.insert((*special).to_owned(), id.into());
    }
    for (id, character) in characters.chars().enumerate().skip(specials.len()) {
        vocab.insert(character.to_string(), id.into());
    }
    let added = specials.iter().enumerate().map(|(id, content)| {
        json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false})
    });
    let special = |id: usize| json!({"SpecialToken": {"id": specials[id], "type_id": 0}});
    let template = |id: usize| json!({"id": specials[id], "ids": [id], "tokens": [specials[id]]});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": added.collect::<Vec<_>>(),
        "pre_tokenizer": {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated", "invert": false},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special(1), {"Sequence": {"id": "A", "type_id": 0}}, special(2)],
            "pair": [special(1), {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}, special(2)],
            "special_tokens": {"<s>": template(1), "</s>": template(2)},
        },
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
    })
}

fn load(ty: GgmlDType) -> Option<(PathBuf, Bart)> {
    let folder = fixture()?;
    let mut checkpoint = Checkpoint::read(&folder);
    let characters = |key: &str| checkpoint.config[key].as_str().unwrap().to_owned();
    checkpoint.tokenizer = character_tokenizer(&characters("grapheme_chars"));
    checkpoint.target_tokenizer = Some(character_tokenizer(&characters("phoneme_chars")));
    let bart = Bart::new(checkpoint.model(ty)).unwrap();
    Some((folder, bart))
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn pronounces_every_word(ty: GgmlDType) {
    let Some((folder, bart)) = load(ty) else {
        return;
    };
    let words = read_json(&folder.join("golden.json"));
    let options = GenerateOptions::default();
    for golden in words.as_array().unwrap() {
        let word = golden["word"].as_str().unwrap();
        let encoding = bart.tokenizer.encode(word, None, 64).unwrap();
        assert_eq!(encoding.ids, ids(&golden["input_ids"]), "{word}");

        let generation = generate(&bart, word, &options, &MaskPatterns::default()).unwrap();
        let output = generation.finish().unwrap();
        let generated: Vec<u32> = output.tokens.iter().map(|token| token.id).collect();
        assert_eq!(generated, ids(&golden["output_ids"])[1..], "{word}");
        assert_eq!(output.text, golden["phonemes"].as_str().unwrap(), "{word}");
        assert_eq!(output.finish, Finish::Stop, "{word}");
    }
}

#[test]
fn every_word_sounds_as_in_pytorch_at_f32() {
    pronounces_every_word(GgmlDType::F32);
}

#[test]
fn every_word_sounds_as_in_pytorch_at_q8_0() {
    pronounces_every_word(GgmlDType::Q8_0);
}

fn weights(maps: &AttentionMaps) -> Tensor {
    let shape = (
        maps.layers * maps.heads,
        maps.query_tokens.len(),
        maps.key_tokens.len(),
    );
    Tensor::from_slice(&maps.weights, shape, &Device::Cpu).unwrap()
}

#[test]
fn activations_and_all_three_attentions_equal_pytorchs() {
    let Some((folder, bart)) = load(GgmlDType::F32) else {
        return;
    };
    let golden = read_tensors(&folder.join("golden.safetensors"));
    let masks = MaskPatterns::default();
    for word in ["hello", "world", "kitten", "transformer", "attention"] {
        let expected = |name: &str| &golden[&format!("{word}.{name}")];
        let input = bart.tokenizer.encode(word, None, 64).unwrap();
        let states = bart.encode(&input.ids, &masks.encoder, None).unwrap();
        assert_close(
            word,
            &states.squeeze(0).unwrap(),
            expected("encoder_last_hidden_state"),
            1e-4,
        );

        let options = GenerateOptions::default();
        let generated = generate(&bart, word, &options, &masks)
            .unwrap()
            .finish()
            .unwrap();
        let attend = |target: Option<&str>| {
            let attending = BartAttending::new(&bart, word, target, &options, &masks).unwrap();
            attending.finish().unwrap()
        };
        let spoken = attend(Some(&generated.text));
        let written = attend(None);
        for maps in [spoken, written] {
            assert_close(
                word,
                &weights(&maps.encoder),
                expected("encoder_self_attention"),
                1e-4,
            );
            assert_close(
                word,
                &weights(&maps.decoder),
                expected("decoder_self_attention"),
                1e-4,
            );
            assert_close(
                word,
                &weights(&maps.cross),
                expected("cross_attention"),
                1e-4,
            );
        }

        let read: Vec<u32> = [1]
            .into_iter()
            .chain(generated.tokens.iter().map(|token| token.id))
            .collect();
        let read = &read[..read.len() - 1];
        let mut cache = bart.cache(&states).unwrap();
        let states = bart.decode(read, 1, &mut cache, &masks, None).unwrap();
        assert_close(
            word,
            &states.squeeze(0).unwrap(),
            expected("decoder_last_hidden_state"),
            1e-4,
        );
        let logits = bart.logits(&states).unwrap().squeeze(0).unwrap();
        assert_close(word, &logits, expected("logits"), 1e-4);
        let first = logits.get(0).unwrap();
        assert_close(word, &first, expected("first_step_logits"), 1e-4);
    }
}

#[test]
fn a_long_word_is_cut_visibly() {
    let Some((_, bart)) = load(GgmlDType::F32) else {
        return;
    };
    let options = GenerateOptions {
        config: GenerationConfig {
            max_new_tokens: Some(5),
            ..Default::default()
        },
        ..Default::default()
    };
    let word = "antidisestablishmentarianism".repeat(4);
    let output = generate(&bart, &word, &options, &MaskPatterns::default())
        .unwrap()
        .finish()
        .unwrap();
    let truncation = output.truncation.unwrap();
    assert_eq!(
        (truncation.kept, truncation.dropped, truncation.from),
        (62, 50, 62)
    );
    assert_eq!(output.finish, Finish::Length);
    assert_eq!(output.tokens.len(), 5);
}
