//! Tiny random BARTs against PyTorch: activations, attentions, and every way to generate, token for token.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::path::PathBuf;

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device, Tensor};
use common::{Checkpoint, assert_close, goldens, max_difference, read_json, read_tensors};
use serde::Deserialize;
use serde_json::{Value, json};
use unmask_transformer::bart::{AllHeadsOff, Bart, MaskPatterns};
use unmask_transformer::generation::{Finish, GenerateOptions, GenerationConfig, Step};
use unmask_transformer::tasks::Steps;
use unmask_transformer::tasks::attention::{AttentionMaps, BartAttending, BartAttention};
use unmask_transformer::tasks::classify::{ZeroShot, classify};
use unmask_transformer::tasks::generate::generate;
use unmask_transformer::{
    AttentionKind, AttentionMask, Capture, ErrorKind, HeadsOff, MaskPattern, Result,
};

fn folder(name: &str) -> PathBuf {
    goldens().join("bart").join(name)
}

fn checkpoint(name: &str) -> Checkpoint {
    // `scaled` has the weights of `lm` under another configuration.
    let mut checkpoint = Checkpoint::read(&folder(if name == "scaled" { "lm" } else { name }));
    checkpoint.config = read_json(&folder(name).join("config.json"));
    checkpoint
}

fn load(name: &str) -> Bart {
    Bart::new(checkpoint(name).model(GgmlDType::F32)).unwrap()
}

fn golden(name: &str) -> Value {
    read_json(&folder(name).join("golden.json"))
}

fn parse<T: for<'de> Deserialize<'de>>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn options(config: Value) -> GenerateOptions {
    GenerateOptions {
        config: parse(&config),
        ..Default::default()
    }
}

fn attend(
    bart: &Bart,
    text: &str,
    target: Option<&str>,
    options: &GenerateOptions,
    masks: &MaskPatterns,
) -> Result<BartAttention> {
    BartAttending::new(bart, text, target, options, masks)?.finish()
}

/// Generated ids with the start token, as PyTorch writes them, and the score.
fn generated(bart: &Bart, text: &str, options: &GenerateOptions) -> (Vec<u32>, f32) {
    let generation = generate(bart, text, options, &MaskPatterns::default()).unwrap();
    let output = generation.finish().unwrap();
    (
        output.tokens.iter().map(|token| token.id).collect(),
        output.score,
    )
}

/// Runs a table of cases and compares tokens exactly, and beam scores closely.
fn generates_as_pytorch_does(bart: &Bart, texts: &Value, cases: &Value, task: Option<&str>) {
    for case in cases.as_array().unwrap() {
        let mut options = options(case["options"].clone());
        options.task = task.map(str::to_owned);
        if task.is_some() {
            // What PyTorch was told outright, the task says here.
            options.config.forced_bos_token_id = None;
            options.config.decoder_start_token_id = None;
        }
        for (text, expected) in texts
            .as_array()
            .unwrap()
            .iter()
            .zip(case["outputs"].as_array().unwrap())
        {
            let (ids, score) = generated(bart, text.as_str().unwrap(), &options);
            let expected_ids: Vec<u32> = parse(&expected["ids"]);
            assert_eq!(ids, expected_ids[1..], "{}: {text}", case["comment"]);
            if let Some(expected) = expected["score"].as_f64() {
                let difference = (f64::from(score) - expected).abs() / expected.abs().max(1.);
                assert!(
                    difference < 1e-4,
                    "{}: score {score}, not {expected}",
                    case["comment"]
                );
            }
        }
    }
}

#[test]
fn every_way_to_generate_gives_pytorchs_tokens() {
    let golden = golden("lm");
    generates_as_pytorch_does(&load("lm"), &golden["texts"], &golden["cases"], None);
}

#[test]
fn a_scaled_embedding_gives_pytorchs_tokens() {
    let golden = golden("scaled");
    generates_as_pytorch_does(&load("scaled"), &golden["texts"], &golden["cases"], None);
}

/// The tokenizer's template for one text: pieces are `A` or special tokens with their ids.
fn with_template(mut tokenizer: Value, single: &[&str]) -> Value {
    let mut specials = serde_json::Map::new();
    let vocabulary = tokenizer["model"]["vocab"].clone();
    let template: Vec<Value> = single
        .iter()
        .map(|&piece| match piece {
            "A" => json!({"Sequence": {"id": "A", "type_id": 0}}),
            special => {
                let entry =
                    json!({"id": special, "ids": [vocabulary[special]], "tokens": [special]});
                specials.insert(special.to_owned(), entry);
                json!({"SpecialToken": {"id": special, "type_id": 0}})
            }
        })
        .collect();
    let pair: Vec<Value> = template
        .iter()
        .cloned()
        .chain([json!({"Sequence": {"id": "B", "type_id": 0}})])
        .collect();
    tokenizer["post_processor"] = json!({"type": "TemplateProcessing", "single": template, "pair": pair, "special_tokens": specials});
    tokenizer
}

fn translate() -> Value {
    json!([{"name": "translate", "source_token": "de_DE", "target_token": "ro_RO"}])
}

#[test]
fn mbart_50_reads_behind_a_language_code_and_is_made_to_say_one() {
    let golden = golden("mbart");
    let mut checkpoint = checkpoint("mbart");
    checkpoint.tasks = translate();
    let bart = Bart::new(checkpoint.model(GgmlDType::F32)).unwrap();
    generates_as_pytorch_does(&bart, &golden["texts"], &golden["cases"], Some("translate"));
}

#[test]
fn mbart_25_reads_before_a_language_code_and_starts_from_one() {
    let golden = golden("mbart");
    let mut checkpoint = checkpoint("mbart");
    checkpoint.tasks = translate();
    checkpoint.tokenizer = with_template(checkpoint.tokenizer, &["A", "</s>", "en_XX"]);
    // mBART-25 has a language there; without a task it is this one.
    checkpoint.generation_config["decoder_start_token_id"] =
        checkpoint.tokenizer["model"]["vocab"]["en_XX"].clone();
    let bart = Bart::new(checkpoint.model(GgmlDType::F32)).unwrap();
    generates_as_pytorch_does(
        &bart,
        &golden["texts"],
        &golden["cases_25"],
        Some("translate"),
    );
}

fn tensor(maps: &AttentionMaps, values: &[f32]) -> Tensor {
    let shape = (
        maps.layers,
        maps.heads,
        maps.query_tokens.len(),
        maps.key_tokens.len(),
    );
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

#[test]
fn states_logits_scores_and_weights_equal_pytorchs() {
    for name in ["lm", "scaled", "mbart"] {
        let (bart, golden) = (load(name), golden(name));
        let expected = read_tensors(&folder(name).join("golden.safetensors"));
        let input: Vec<u32> = parse(&golden["inputs"][0]);
        let target: Vec<u32> = parse(&golden["target"]);
        let masks = MaskPatterns::default();
        let mut capture = Capture::default();
        let encoded = bart
            .encode(&input, &masks.encoder, Some(&mut capture))
            .unwrap();
        assert_close(
            name,
            &encoded.squeeze(0).unwrap(),
            &expected["encoder_last_hidden_state"],
            1e-4,
        );
        let mut cache = bart.cache(&encoded).unwrap();
        let states = bart
            .decode(&target, 1, &mut cache, &masks, Some(&mut capture))
            .unwrap();
        let logits = bart.logits(&states).unwrap();
        assert_close(name, &logits.squeeze(0).unwrap(), &expected["logits"], 1e-4);

        for (kind, part) in [
            (AttentionKind::Encoder, "encoder"),
            (AttentionKind::Decoder, "decoder"),
            (AttentionKind::Cross, "cross"),
        ] {
            let layers = |of: fn(&unmask_transformer::AttentionRecord) -> &Tensor| {
                Tensor::cat(&capture.of(kind).map(of).collect::<Vec<_>>(), 0).unwrap()
            };
            let (scores, weights) = (
                layers(|record| &record.scores),
                layers(|record| &record.weights),
            );
            assert_close(name, &weights, &expected[&format!("{part}_weights")], 1e-4);
            assert_close(name, &scores, &expected[&format!("{part}_scores")], 1e-4);
        }
    }
}

#[test]
fn attention_of_a_given_target_equals_pytorchs() {
    let (bart, golden) = (load("lm"), golden("lm"));
    let expected = read_tensors(&folder("lm").join("golden.safetensors"));
    let text = golden["texts"][0].as_str().unwrap();
    let maps = attend(
        &bart,
        text,
        Some("the sea reads on"),
        &options(json!({})),
        &MaskPatterns::default(),
    )
    .unwrap();
    let read: Vec<u32> = maps
        .decoder
        .query_tokens
        .iter()
        .map(|token| token.id)
        .collect();
    assert_eq!(read, parse::<Vec<u32>>(&golden["target"]));
    for (maps, part) in [
        (&maps.encoder, "encoder"),
        (&maps.decoder, "decoder"),
        (&maps.cross, "cross"),
    ] {
        assert_close(
            part,
            &tensor(maps, &maps.weights),
            &expected[&format!("{part}_weights")],
            1e-4,
        );
        assert_close(
            part,
            &tensor(maps, &maps.scores),
            &expected[&format!("{part}_scores")],
            1e-4,
        );
    }
    let causal: Vec<u8> = (0..read.len())
        .flat_map(|q| (0..read.len()).map(move |k| u8::from(k <= q)))
        .collect();
    assert_eq!(maps.decoder.mask, causal);
    let places: Vec<_> = maps
        .decoder
        .query_tokens
        .iter()
        .map(|t| (t.start, t.end, t.special))
        .collect();
    assert_eq!(&places[..2], [(0, 0, true), (0, 0, true)]);
    assert_eq!(places.last().unwrap().1, "the sea reads on".len());
}

/// What the decoder says when it is recorded token by token is what it says when it reads the outcome at once.
#[test]
fn rows_recorded_while_generating_make_the_matrices_of_one_pass() {
    let (bart, golden) = (load("lm"), golden("lm"));
    for text in golden["texts"].as_array().unwrap() {
        let text = text.as_str().unwrap();
        for config in [
            json!({"max_new_tokens": 14}),
            json!({"max_new_tokens": 14, "num_beams": 4, "min_new_tokens": 9}),
        ] {
            let options = options(config);
            let masks = MaskPatterns::default();
            let maps = attend(&bart, text, None, &options, &masks).unwrap();
            let (ids, _) = generated(&bart, text, &options);
            let read: Vec<u32> = maps
                .decoder
                .query_tokens
                .iter()
                .map(|token| token.id)
                .collect();
            assert_eq!(read, [&[2], &ids[..ids.len() - 1]].concat());

            let encoding = bart.tokenizer.encode(text, None, 40).unwrap();
            let encoded = bart.encode(&encoding.ids, &masks.encoder, None).unwrap();
            let mut cache = bart.cache(&encoded).unwrap();
            let mut capture = Capture::default();
            bart.decode(&read, 1, &mut cache, &masks, Some(&mut capture))
                .unwrap();
            for (kind, maps) in [
                (AttentionKind::Decoder, &maps.decoder),
                (AttentionKind::Cross, &maps.cross),
            ] {
                let weights: Vec<_> = capture.of(kind).map(|record| &record.weights).collect();
                let weights = Tensor::cat(&weights, 0).unwrap();
                assert_close(text, &tensor(maps, &maps.weights), &weights, 1e-5);
            }
        }
    }
}

#[test]
fn the_cache_gives_what_reading_everything_again_gives() {
    let (bart, golden) = (load("lm"), golden("lm"));
    let input: Vec<u32> = parse(&golden["inputs"][0]);
    let target: Vec<u32> = parse(&golden["target"]);
    let masks = MaskPatterns::default();
    let encoded = bart.encode(&input, &masks.encoder, None).unwrap();
    let whole = bart
        .decode(&target, 1, &mut bart.cache(&encoded).unwrap(), &masks, None)
        .unwrap();
    let mut cache = bart.cache(&encoded).unwrap();
    for (position, &id) in target.iter().enumerate() {
        let state = bart.decode(&[id], 1, &mut cache, &masks, None).unwrap();
        assert_close(
            "state",
            &state,
            &whole.narrow(1, position, 1).unwrap(),
            1e-5,
        );
    }
}

#[test]
fn beams_in_one_batch_give_what_each_gives_alone() {
    let (bart, golden) = (load("lm"), golden("lm"));
    let input: Vec<u32> = parse(&golden["inputs"][0]);
    let masks = MaskPatterns::default();
    let encoded = bart.encode(&input, &masks.encoder, None).unwrap();
    let beams = [[2, 81, 14], [2, 103, 15], [2, 7, 151]];
    let mut cache = bart.cache(&encoded).unwrap();
    let together = bart
        .decode(&beams.concat(), 3, &mut cache, &masks, None)
        .unwrap();
    for (row, beam) in beams.iter().enumerate() {
        let alone = bart
            .decode(beam, 1, &mut bart.cache(&encoded).unwrap(), &masks, None)
            .unwrap();
        assert_close("beam", &together.narrow(0, row, 1).unwrap(), &alone, 1e-5);
    }
}

#[test]
fn a_later_token_changes_no_earlier_row_of_a_decoder_but_every_row_of_an_encoder() {
    let (bart, golden) = (load("lm"), golden("lm"));
    let input: Vec<u32> = parse(&golden["inputs"][0]);
    let masks = MaskPatterns::default();
    let encoded = bart.encode(&input, &masks.encoder, None).unwrap();
    let mut target: Vec<u32> = parse(&golden["target"]);
    let read = |ids: &[u32], masks: &MaskPatterns| {
        let states = bart
            .decode(ids, 1, &mut bart.cache(&encoded).unwrap(), masks, None)
            .unwrap();
        states.squeeze(0).unwrap().to_vec2::<f32>().unwrap()
    };
    let bidirectional = MaskPatterns {
        decoder: MaskPattern::Bidirectional,
        ..masks.clone()
    };
    let (causal_before, bidirectional_before) =
        (read(&target, &masks), read(&target, &bidirectional));
    *target.last_mut().unwrap() = 99;
    let (causal_after, bidirectional_after) =
        (read(&target, &masks), read(&target, &bidirectional));
    let last = target.len() - 1;
    assert_eq!(causal_before[..last], causal_after[..last], "bit for bit");
    assert_ne!(causal_before[last], causal_after[last]);
    for row in 0..=last {
        assert_ne!(bidirectional_before[row], bidirectional_after[row]);
    }

    let mut changed = input.clone();
    *changed.last_mut().unwrap() = 99;
    let other = bart.encode(&changed, &masks.encoder, None).unwrap();
    for row in 0..input.len() {
        assert!(
            max_difference(
                &encoded.narrow(1, row, 1).unwrap(),
                &other.narrow(1, row, 1).unwrap()
            ) > 0.
        );
    }
}

#[test]
fn each_of_the_three_masks_can_be_replaced() {
    let (bart, golden) = (load("lm"), golden("lm"));
    let text = golden["texts"][1].as_str().unwrap();
    let source = bart.tokenizer.encode(text, None, 40).unwrap().ids.len();
    let options = options(json!({"max_new_tokens": 6, "min_new_tokens": 6}));
    let only_first = |queries, keys| {
        let allowed = (0..queries * keys)
            .map(|cell| u8::from(cell % keys == 0))
            .collect();
        MaskPattern::Custom(AttentionMask::custom(queries, keys, allowed).unwrap())
    };
    let masks = MaskPatterns {
        encoder: only_first(source, source),
        decoder: MaskPattern::Window { radius: 0 },
        cross: only_first(6, source),
        ..MaskPatterns::default()
    };
    let maps = attend(&bart, text, None, &options, &masks).unwrap();
    for (maps, seen) in [
        (
            &maps.encoder,
            (|_, key| key == 0) as fn(usize, usize) -> bool,
        ),
        (&maps.decoder, |query, key| key == query),
        (&maps.cross, |_, key| key == 0),
    ] {
        let (queries, keys) = (maps.query_tokens.len(), maps.key_tokens.len());
        for (cell, &weight) in maps.weights.iter().enumerate() {
            let seen = seen(cell / keys % queries, cell % keys);
            assert_eq!(weight, if seen { 1. } else { 0. });
            assert_eq!(maps.mask[cell % (queries * keys)], u8::from(seen));
        }
    }

    let small = MaskPatterns {
        cross: only_first(3, source),
        ..MaskPatterns::default()
    };
    let error = attend(&bart, text, None, &options, &small).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Input);
}

#[test]
fn a_head_that_is_off_is_a_zero_slice_of_its_output_projection_in_each_of_the_three() {
    let whole = checkpoint("lm");
    let bart = Bart::new(whole.model(GgmlDType::F32)).unwrap();
    let golden = golden("lm");
    let (input, target): (Vec<u32>, Vec<u32>) =
        (parse(&golden["inputs"][0]), parse(&golden["target"]));
    let states = |bart: &Bart, masks: &MaskPatterns, capture: bool| {
        let mut captures = [Capture::default(), Capture::default()];
        let [first, second] = &mut captures;
        let encoded = bart
            .encode(&input, masks.of_encoder(), capture.then_some(first))
            .unwrap();
        let mut cache = bart.cache(&encoded).unwrap();
        bart.decode(&target, 1, &mut cache, masks, capture.then_some(second))
            .unwrap()
    };
    let none = states(&bart, &MaskPatterns::default(), false);
    let only = |layer, head| HeadsOff::new(vec![(layer, head)]);
    for (output, heads_off) in [
        (
            "encoder.layers.0.self_attn",
            AllHeadsOff {
                encoder: only(0, 1),
                ..AllHeadsOff::default()
            },
        ),
        (
            "decoder.layers.1.self_attn",
            AllHeadsOff {
                decoder: only(1, 1),
                ..AllHeadsOff::default()
            },
        ),
        (
            "decoder.layers.0.encoder_attn",
            AllHeadsOff {
                cross: only(0, 1),
                ..AllHeadsOff::default()
            },
        ),
    ] {
        let mut without = whole.clone();
        let name = format!("model.{output}.out_proj.weight");
        let width = bart.config.d_model / bart.config.encoder_attention_heads;
        let keep = (0..bart.config.d_model).map(|at| f32::from(u8::from(at / width != 1)));
        let keep = Tensor::from_vec(keep.collect(), (1, bart.config.d_model), &Device::Cpu);
        let weight = without.tensors[&name].to_dtype(DType::F32).unwrap();
        let zeroed = weight.broadcast_mul(&keep.unwrap()).unwrap();
        without.tensors.insert(name, zeroed);
        let without = Bart::new(without.model(GgmlDType::F32)).unwrap();
        let expected = states(&without, &MaskPatterns::default(), false);
        let masks = MaskPatterns {
            heads_off,
            ..MaskPatterns::default()
        };
        for capture in [false, true] {
            let found = states(&bart, &masks, capture);
            assert_close(output, &found, &expected, 1e-6);
            assert!(
                max_difference(&found, &none) > 1e-3,
                "{output} did something"
            );
        }
        // Written token by token it is the same, and beyond the last head there is none.
        let text = golden["texts"][1].as_str().unwrap();
        let options = options(json!({"max_new_tokens": 5, "min_new_tokens": 5}));
        let write = |bart: &Bart, masks: &MaskPatterns| {
            let written = generate(bart, text, &options, masks).unwrap();
            let written = written.finish().unwrap();
            (written.text, written.score)
        };
        let (found, expected) = (
            write(&bart, &masks),
            write(&without, &MaskPatterns::default()),
        );
        assert_eq!(found.0, expected.0);
        assert!((found.1 - expected.1).abs() < 1e-4);
    }
    for heads_off in [
        AllHeadsOff {
            encoder: only(99, 0),
            ..AllHeadsOff::default()
        },
        AllHeadsOff {
            cross: only(0, 99),
            ..AllHeadsOff::default()
        },
    ] {
        let masks = MaskPatterns {
            heads_off,
            ..MaskPatterns::default()
        };
        let error = attend(&bart, "The cat", None, &options(json!({})), &masks).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Input);
    }
}

fn steps(bart: &Bart, text: &str, options: &GenerateOptions) -> Vec<Step> {
    let mut generation = generate(bart, text, options, &MaskPatterns::default()).unwrap();
    let mut steps = Vec::new();
    while let Some(step) = generation.step().unwrap() {
        steps.push(step);
    }
    steps
}

#[test]
fn steps_tell_token_probability_alternatives_and_a_text_of_whole_characters() {
    let (bart, golden) = (load("lm"), golden("lm"));
    let text = golden["texts"][0].as_str().unwrap();
    let mut options = options(json!({"max_new_tokens": 14}));
    options.alternatives = 3;
    let output = generate(&bart, text, &options, &MaskPatterns::default())
        .unwrap()
        .finish()
        .unwrap();
    let steps = steps(&bart, text, &options);
    assert_eq!(steps.len(), output.tokens.len());
    for (step, token) in steps.iter().zip(&output.tokens) {
        assert_eq!(
            (step.id, &step.token, step.probability),
            (token.id, &token.text, token.probability)
        );
        assert_eq!(step.alternatives.len(), 3);
        assert_eq!(
            step.alternatives[0].id, step.id,
            "greedy takes the most probable"
        );
        assert!((step.alternatives[0].probability - step.probability).abs() < 1e-6);
        assert!(step.alternatives[1].probability <= step.alternatives[0].probability);
        assert!(!step.text.ends_with(char::REPLACEMENT_CHARACTER));
        assert!(output.text.starts_with(&step.text));
        assert!(step.beams.is_none());
    }
    let sum: f32 = output
        .tokens
        .iter()
        .map(|token| token.probability.ln())
        .sum();
    assert!((sum - output.score).abs() < 1e-3);
    assert_eq!(output.finish, Finish::Length);
    let ended = generate(
        &bart,
        golden["texts"][1].as_str().unwrap(),
        &options,
        &MaskPatterns::default(),
    )
    .unwrap();
    assert_eq!(ended.finish().unwrap().finish, Finish::Stop);
}

#[test]
fn half_a_character_is_not_shown() {
    let bart = load("lm");
    // The bytes of a character that is no token of its own: each is a token, forced one after the other.
    let spelled: Vec<u32> = bart.tokenizer.encode("本", None, 40).unwrap().ids;
    let pieces = &spelled[1..spelled.len() - 1];
    assert!(
        pieces.len() > 1,
        "the tokenizer must split the character for this test"
    );
    let options = options(json!({"max_new_tokens": 1, "forced_bos_token_id": pieces[0]}));
    let step = &steps(&bart, "a", &options)[0];
    assert_eq!((step.id, step.text.as_str()), (pieces[0], ""));
    let whole = bart.tokenizer.decode(pieces, true).unwrap();
    assert_eq!(whole, "本");
}

#[test]
fn beams_form_a_tree_that_leads_to_the_output() {
    let (bart, golden) = (load("lm"), golden("lm"));
    let text = golden["texts"][0].as_str().unwrap();
    let options = options(json!({"max_new_tokens": 8, "num_beams": 4}));
    let steps = steps(&bart, text, &options);
    let mut before: Vec<Vec<u32>> = vec![Vec::new()];
    for (index, step) in steps.iter().enumerate() {
        let beams = step.beams.as_ref().unwrap();
        if index + 1 < steps.len() {
            assert_eq!(beams.len(), 4);
            assert_eq!((beams[0].id, &beams[0].text), (step.id, &step.text));
        }
        assert!(beams.is_sorted_by(|a, b| a.score >= b.score));
        before = beams
            .iter()
            .map(|beam| [before[beam.parent].as_slice(), &[beam.id]].concat())
            .collect();
        let decoded = before
            .iter()
            .map(|ids| bart.tokenizer.decode(ids, true).unwrap());
        for (beam, text) in beams.iter().zip(decoded) {
            assert_eq!(
                beam.text,
                text.trim_end_matches(char::REPLACEMENT_CHARACTER)
            );
        }
    }
    assert!(before.is_empty(), "at the limit no beam lives on");
}

#[test]
fn a_generation_dropped_midway_leaves_the_model_as_it_was() {
    let (bart, golden) = (load("lm"), golden("lm"));
    let text = golden["texts"][0].as_str().unwrap();
    let options = options(json!({"max_new_tokens": 10, "num_beams": 3}));
    let before = generated(&bart, text, &options);
    let mut cancelled = generate(&bart, text, &options, &MaskPatterns::default()).unwrap();
    cancelled.step().unwrap();
    cancelled.step().unwrap();
    drop(cancelled);
    assert_eq!(generated(&bart, text, &options), before);
}

#[test]
fn the_same_seed_draws_the_same_text_and_bounds_hold() {
    let (bart, golden) = (load("lm"), golden("lm"));
    let text = golden["texts"][0].as_str().unwrap();
    let draw = |seed, config: Value| {
        let options = GenerateOptions {
            seed,
            ..options(config)
        };
        generated(&bart, text, &options).0
    };
    let warm = json!({"max_new_tokens": 12, "temperature": 1.5, "top_k": 0});
    assert_eq!(draw(1, warm.clone()), draw(1, warm.clone()));
    let drawn: std::collections::HashSet<_> = (0..8).map(|seed| draw(seed, warm.clone())).collect();
    assert!(drawn.len() > 4, "eight seeds drew {} texts", drawn.len());

    let greedy = generated(&bart, text, &options(json!({"max_new_tokens": 12}))).0;
    for bound in [
        json!({"top_k": 1}),
        json!({"top_p": 1e-6}),
        json!({"temperature": 1e-4}),
    ] {
        let mut config = json!({"max_new_tokens": 12, "temperature": 1.5});
        config
            .as_object_mut()
            .unwrap()
            .extend(bound.as_object().unwrap().clone());
        assert_eq!(draw(7, config), greedy, "{bound}");
    }
    assert_eq!(
        draw(7, json!({"max_new_tokens": 12, "temperature": 0})),
        greedy
    );

    // Within the three most probable at every step.
    let mut options = options(json!({"max_new_tokens": 12, "temperature": 2.0, "top_k": 3}));
    options.alternatives = 3;
    for step in steps(&bart, text, &options) {
        assert!(
            step.alternatives
                .iter()
                .any(|candidate| candidate.id == step.id)
        );
    }
}

#[test]
fn a_checkpoint_without_generation_config_keeps_its_defaults_in_config_json() {
    let golden = golden("mbart");
    let mut checkpoint = checkpoint("mbart");
    let defaults = checkpoint.generation_config.as_object().unwrap().clone();
    checkpoint.config.as_object_mut().unwrap().extend(defaults);
    checkpoint.generation_config = Value::Null;
    checkpoint.tasks = translate();
    let bart = Bart::new(checkpoint.model(GgmlDType::F32)).unwrap();
    generates_as_pytorch_does(&bart, &golden["texts"], &golden["cases"], Some("translate"));
}

#[test]
fn classification_equals_pytorchs_and_gives_zero_shot_labels() {
    let (bart, golden) = (load("mnli"), golden("mnli"));
    let expected = read_tensors(&folder("mnli").join("golden.safetensors"));
    let inputs: Vec<Vec<u32>> = parse(&golden["inputs"]);
    for (index, ids) in inputs.iter().enumerate() {
        let logits = bart.classify(ids).unwrap();
        assert_close(
            "logits",
            &logits,
            &expected["logits"].get(index).unwrap(),
            1e-4,
        );
        let [text, hypothesis]: [String; 2] = parse(&golden["pairs"][index]);
        let encoding = bart.tokenizer.encode(&text, Some(&hypothesis), 40).unwrap();
        assert_eq!(&encoding.ids, ids);
        let labels = classify(&bart, &text, Some(&hypothesis), None)
            .unwrap()
            .labels;
        let best = logits.argmax(0).unwrap().to_scalar::<u32>().unwrap() as usize;
        assert_eq!(
            labels[0].label,
            ["contradiction", "neutral", "entailment"][best]
        );
    }
    let labels = ["sea".to_owned(), "dog".to_owned()];
    let judged = ZeroShot::new(&bart, "The lazy fox", &labels, None, None)
        .unwrap()
        .finish()
        .unwrap();
    let sum: f32 = judged.labels.iter().map(|label| label.probability).sum();
    assert_eq!(judged.labels.len(), 2);
    assert!((sum - 1.).abs() < 1e-6);

    let error = generate(&bart, "a", &options(json!({})), &MaskPatterns::default())
        .err()
        .unwrap();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert_eq!(
        load("lm").classify(&[0, 2]).unwrap_err().kind,
        ErrorKind::Unsupported
    );
}

#[test]
fn requests_that_make_no_sense_are_input_errors_with_a_next_step() {
    let mut checkpoint = checkpoint("mbart");
    checkpoint.tasks = translate();
    let bart = Bart::new(checkpoint.model(GgmlDType::F32)).unwrap();
    let error = |text: &str, options: &GenerateOptions| {
        let error = generate(&bart, text, options, &MaskPatterns::default()).err();
        error.unwrap_or_else(|| panic!("{options:?} was accepted"))
    };
    assert_eq!(error(" \n", &options(json!({}))).kind, ErrorKind::Input);
    let unknown = GenerateOptions {
        task: Some("summarize".to_owned()),
        ..Default::default()
    };
    let unknown = error("a", &unknown);
    assert_eq!(unknown.kind, ErrorKind::Input);
    assert!(unknown.next_step.contains("translate"), "{unknown}");
    for config in [
        json!({"num_beams": 0}),
        json!({"num_beams": 65}),
        json!({"max_new_tokens": 0}),
        json!({"temperature": -1.0}),
        json!({"temperature": 1.0, "top_p": 0.0}),
        json!({"temperature": 1.0, "top_p": 1.5}),
        json!({"temperature": 1.0, "num_beams": 2}),
        json!({"repetition_penalty": 0.0}),
    ] {
        let error = error("a", &options(config.clone()));
        assert_eq!(error.kind, ErrorKind::Input, "{config}");
        assert!(!error.next_step.is_empty());
    }
    // The next request works.
    generated(&bart, "a", &options(json!({"max_new_tokens": 2})));
}

#[test]
fn a_text_that_is_too_long_is_cut_and_says_so() {
    let bart = load("lm");
    let text = "the sea ".repeat(12_500);
    let generation = generate(
        &bart,
        &text,
        &options(json!({"max_new_tokens": 2})),
        &MaskPatterns::default(),
    )
    .unwrap();
    let truncation = generation.finish().unwrap().truncation.unwrap();
    assert_eq!(truncation.kept, 38);
    assert!(truncation.dropped > 10_000);
    let end = bart
        .tokenizer
        .encode(&text[..truncation.from], None, 40)
        .unwrap();
    assert_eq!(end.tokens.len(), 40, "it read up to there");

    let masks = MaskPatterns::default();
    let maps = attend(&bart, "a", Some(&text), &options(json!({})), &masks).unwrap();
    assert_eq!(
        maps.truncation.unwrap().kept,
        37,
        "the start token takes a place"
    );
    assert_eq!(
        maps.decoder.query_tokens.len(),
        39,
        "start, <s> and the text"
    );
}

#[test]
fn a_length_beyond_the_positions_stops_at_them() {
    let bart = load("lm");
    let config = GenerationConfig {
        max_new_tokens: Some(usize::MAX),
        min_new_tokens: Some(1000),
        ..Default::default()
    };
    let options = GenerateOptions {
        config,
        ..Default::default()
    };
    let (ids, _) = generated(&bart, "a", &options);
    assert_eq!(ids.len(), 40, "one new token for each position");
}

#[test]
fn a_config_that_contradicts_the_tensors_is_an_integrity_error() {
    type Damage = fn(&mut Checkpoint);
    let damage: [(&str, Damage); 9] = [
        ("a wider model", |c| c.config["d_model"] = json!(64)),
        ("more layers", |c| c.config["decoder_layers"] = json!(3)),
        ("fewer layers", |c| c.config["encoder_layers"] = json!(1)),
        ("fewer tokens", |c| c.config["vocab_size"] = json!(100)),
        ("heads that don't divide the width", |c| {
            c.config["encoder_attention_heads"] = json!(5)
        }),
        ("no positions", |c| {
            c.config["max_position_embeddings"] = json!(0)
        }),
        ("positions beyond measure", |c| {
            c.config["max_position_embeddings"] = json!(u64::MAX)
        }),
        ("a field of the wrong type", |c| {
            c.config["d_model"] = json!("wide")
        }),
        ("a tensor missing", |c| {
            drop(c.tensors.remove("model.decoder.layers.1.fc2.bias"))
        }),
    ];
    for (what, damage) in damage {
        let mut checkpoint = checkpoint("lm");
        damage(&mut checkpoint);
        let error = Bart::new(checkpoint.model(GgmlDType::F32))
            .err()
            .unwrap_or_else(|| panic!("{what} was accepted"));
        assert_eq!(error.kind, ErrorKind::Integrity, "{what}: {error}");
    }
    let mut checkpoint = checkpoint("lm");
    checkpoint.generation_config["forced_bos_token_id"] = json!(1_000_000);
    let bart = Bart::new(checkpoint.model(GgmlDType::F32)).unwrap();
    let error = generate(&bart, "a", &options(json!({})), &MaskPatterns::default())
        .err()
        .unwrap();
    assert_eq!(error.kind, ErrorKind::Integrity);
}

#[test]
fn a_checkpoint_saved_without_its_head_or_under_another_tied_name_is_the_same_model() {
    let text = "The lazy fox";
    let config = json!({"max_new_tokens": 10});
    let expected = generated(&load("lm"), text, &options(config.clone()));
    let mut renamed = checkpoint("lm");
    let shared = renamed.tensors.remove("model.shared.weight").unwrap();
    renamed.tensors.insert("lm_head.weight".to_owned(), shared);
    let bart = Bart::new(renamed.model(GgmlDType::F32)).unwrap();
    assert_eq!(generated(&bart, text, &options(config.clone())), expected);

    let mut bare = checkpoint("lm");
    let zero = bare
        .tensors
        .remove("final_logits_bias")
        .unwrap()
        .zeros_like()
        .unwrap();
    let mut with_zero = checkpoint("lm");
    with_zero
        .tensors
        .insert("final_logits_bias".to_owned(), zero);
    bare.tensors = bare
        .tensors
        .into_iter()
        .map(|(name, tensor)| (name.replacen("model.", "", 1), tensor))
        .collect();
    let [bare, with_zero] =
        [bare, with_zero].map(|checkpoint| Bart::new(checkpoint.model(GgmlDType::F32)).unwrap());
    let expected = generated(&with_zero, text, &options(config.clone()));
    assert_eq!(generated(&bare, text, &options(config)), expected);
}

#[test]
fn quantized_weights_give_nearly_the_same_logits() {
    let golden = golden("lm");
    let expected = read_tensors(&folder("lm").join("golden.safetensors"));
    let bart = Bart::new(checkpoint("lm").model(GgmlDType::Q8_0)).unwrap();
    let masks = MaskPatterns::default();
    let encoded = bart
        .encode(
            &parse::<Vec<u32>>(&golden["inputs"][0]),
            &masks.encoder,
            None,
        )
        .unwrap();
    let target: Vec<u32> = parse(&golden["target"]);
    let states = bart
        .decode(&target, 1, &mut bart.cache(&encoded).unwrap(), &masks, None)
        .unwrap();
    let logits = bart.logits(&states).unwrap().squeeze(0).unwrap();
    let spread = expected["logits"]
        .abs()
        .unwrap()
        .max_all()
        .unwrap()
        .to_scalar::<f32>()
        .unwrap();
    let difference = max_difference(&logits, &expected["logits"]);
    assert!(
        difference > 0. && difference < 0.1 * spread,
        "{difference} of {spread}"
    );
}
