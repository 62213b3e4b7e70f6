//! BERT and DistilBERT against PyTorch (`goldens/make_bert.py`) and candle's own BERT, and what masks, tasks and bad
//! files do.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use common::{Checkpoint, assert_close, goldens, max_difference, read_json, read_tensors};
use serde_json::{Value, json};
use unmask_transformer::bert::Bert;
use unmask_transformer::tasks::Steps;
use unmask_transformer::tasks::answer::AnswerQuestion;
use unmask_transformer::tasks::attention::bert_attention;
use unmask_transformer::tasks::classify::{ZeroShot, classify};
use unmask_transformer::tasks::embed::Embed;
use unmask_transformer::tasks::fill_mask::{fill_mask, fill_positions};
use unmask_transformer::tasks::hidden_states::hidden_states;
use unmask_transformer::tasks::label::label;
use unmask_transformer::tasks::next_sentence::next_sentence;
use unmask_transformer::{
    Attending, AttentionKind, AttentionMask, Capture, Encoding, Error, ErrorKind, HeadKind,
    HeadsOff, MaskPattern, ModelFile,
};

const TOLERANCE: f32 = 1e-4;
const SINGLE: &str = "The [MASK] sat on the mat, unhappy.";
const PAIR: (&str, &str) = ("Who lives in Paris?", "Anna Berg lives in Paris, Texas.");

/// An encoder with the tensors of some of its variants; what PyTorch made of them begins with `golden.`.
fn checkpoint(family: &str, variants: &[&str], heads: Value) -> Checkpoint {
    let folder = goldens().join("bert");
    let mut tensors = read_tensors(&folder.join(format!("{family}.safetensors")));
    for variant in variants {
        tensors.extend(read_tensors(
            &folder.join(format!("{family}-{variant}.safetensors")),
        ));
    }
    Checkpoint {
        config: read_json(&folder.join(format!("{family}.json"))),
        generation_config: Value::Null,
        tokenizer: read_json(&goldens().join("tokens/wordpiece.tokenizer.json")),
        target_tokenizer: None,
        heads,
        tasks: json!([]),
        tensors,
    }
}

/// The model, and apart from it the results.
fn model(checkpoint: &Checkpoint, ty: GgmlDType) -> Bert {
    let mut checkpoint = checkpoint.clone();
    checkpoint
        .tensors
        .retain(|name, _| !name.starts_with("golden."));
    Bert::new(checkpoint.model(ty)).unwrap()
}

fn head(kind: &str, name: &str, labels: &[&str]) -> Value {
    json!({ "name": name, "kind": kind, "labels": labels })
}

/// The six heads of our own, on one encoder.
fn every_head() -> Checkpoint {
    let all = json!([
        { "name": "words", "kind": "masked-lm", "prefix": "cls.predictions" },
        { "name": "next", "kind": "next-sentence", "prefix": "cls.seq_relationship" },
        { "name": "nli", "kind": "sequence-classification", "prefix": "heads.nli",
          "labels": ["entailment", "neutral", "contradiction"] },
        { "name": "topics", "kind": "sequence-classification", "prefix": "heads.topics",
          "labels": ["cats", "dogs", "rivers", "towns"], "multi_label": true },
        { "name": "names", "kind": "token-classification", "prefix": "heads.names",
          "labels": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"] },
        { "name": "answers", "kind": "question-answering", "prefix": "heads.answers" },
    ]);
    let mut merged = checkpoint("bert", &["masked-lm", "next-sentence"], all);
    for (variant, old, new) in [
        ("single-label", "classifier", "heads.nli"),
        ("multi-label", "classifier", "heads.topics"),
        ("tokens", "classifier", "heads.names"),
        ("answers", "qa_outputs", "heads.answers"),
    ] {
        let tensors = read_tensors(&goldens().join(format!("bert/bert-{variant}.safetensors")));
        for part in ["weight", "bias"] {
            let tensor = tensors[&format!("{old}.{part}")].clone();
            merged.tensors.insert(format!("{new}.{part}"), tensor);
        }
    }
    merged
}

fn pair(bert: &Bert) -> Encoding {
    bert.encode(PAIR.0, Some(PAIR.1)).unwrap()
}

fn stacked(
    capture: &Capture,
    part: impl Fn(&unmask_transformer::AttentionRecord) -> &Tensor,
) -> Tensor {
    let layers: Vec<&Tensor> = capture.of(AttentionKind::Encoder).map(part).collect();
    Tensor::cat(&layers, 0).unwrap()
}

/// Hidden states, scores and weights.
fn recorded(bert: &Bert, encoding: &Encoding, mask: &MaskPattern) -> [Tensor; 3] {
    let mut capture = Capture::default();
    let hidden_states = bert.forward(encoding, mask, Some(&mut capture)).unwrap();
    let scores = stacked(&capture, |record| &record.scores);
    let weights = stacked(&capture, |record| &record.weights);
    [hidden_states.squeeze(0).unwrap(), scores, weights]
}

#[test]
fn hidden_states_scores_and_weights_are_pytorchs_under_every_mask() {
    for family in ["bert", "distilbert"] {
        let checkpoint = checkpoint(family, &[], json!([]));
        let bert = model(&checkpoint, GgmlDType::F32);
        let (single, pair) = (bert.encode(SINGLE, None).unwrap(), pair(&bert));
        let padding = MaskPattern::Padding {
            real: pair.ids.len() - 3,
        };
        for (name, encoding, mask) in [
            ("single", &single, MaskPattern::Bidirectional),
            ("pair", &pair, MaskPattern::Bidirectional),
            ("padding", &pair, padding),
            ("causal", &pair, MaskPattern::Causal),
        ] {
            let parts = ["hidden_states", "attention_scores", "attention_weights"];
            for (part, found) in parts.into_iter().zip(recorded(&bert, encoding, &mask)) {
                let golden = &checkpoint.tensors[&format!("golden.{name}.{part}")];
                assert_close(
                    &format!("{family} {name} {part}"),
                    &found,
                    golden,
                    TOLERANCE,
                );
            }
        }
    }
}

#[test]
fn hidden_states_are_those_of_candles_own_bert() {
    use candle_transformers::models::bert::{BertModel, Config};
    let mut checkpoint = checkpoint("bert", &[], json!([]));
    checkpoint
        .tensors
        .retain(|name, _| !name.starts_with("golden."));
    let bert = model(&checkpoint, GgmlDType::F32);
    let weights = checkpoint.tensors.clone();
    let weights =
        candle_nn::VarBuilder::from_tensors(weights, candle_core::DType::F32, &Device::Cpu);
    let mut config = checkpoint.config.clone();
    let unused = [
        ("hidden_dropout_prob", json!(0.)),
        ("initializer_range", json!(0.02)),
        ("pad_token_id", json!(0)),
    ];
    for (field, value) in unused {
        config[field] = value;
    }
    let config: Config = serde_json::from_value(config).unwrap();
    let reference = BertModel::load(weights, &config).unwrap();
    for text in [SINGLE, "a", &"the river was frozen, ".repeat(20)] {
        let encoding = bert.encode(text, Some("the dog")).unwrap();
        let ids = Tensor::new(encoding.ids.as_slice(), &Device::Cpu)
            .unwrap()
            .unsqueeze(0)
            .unwrap();
        let types = Tensor::new(encoding.type_ids.as_slice(), &Device::Cpu)
            .unwrap()
            .unsqueeze(0)
            .unwrap();
        let expected = reference.forward(&ids, &types, None).unwrap();
        let found = bert
            .forward(&encoding, &MaskPattern::Bidirectional, None)
            .unwrap();
        assert_close(text, &found, &expected, TOLERANCE);
    }
}

#[test]
fn masked_lm_logits_are_pytorchs() {
    for family in ["bert", "distilbert"] {
        let heads = json!([head("masked-lm", "masked-lm", &[])]);
        let checkpoint = checkpoint(family, &["masked-lm"], heads);
        let bert = model(&checkpoint, GgmlDType::F32);
        let encoding = bert.encode(SINGLE, None).unwrap();
        let hidden_states = bert
            .forward(&encoding, &MaskPattern::Bidirectional, None)
            .unwrap();
        let golden = &checkpoint.tensors["golden.logits"];
        let every: Vec<u32> = (0..encoding.ids.len() as u32).collect();
        let logits = bert.masked_lm_logits(&hidden_states, &every).unwrap();
        assert_close(family, &logits, golden, TOLERANCE);

        let filled = fill_mask(&bert, SINGLE, Some(3), &MaskPattern::Bidirectional).unwrap();
        assert_eq!(filled.masks.len(), 1);
        assert_eq!(filled.masks[0].position, 2);
        let probabilities = candle_nn::ops::softmax_last_dim(&golden.get(2).unwrap()).unwrap();
        let probabilities = probabilities.to_vec1::<f32>().unwrap();
        let mut best: Vec<usize> = (0..probabilities.len()).collect();
        best.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        for (candidate, &id) in filled.masks[0].candidates.iter().zip(&best) {
            assert_eq!(candidate.id as usize, id);
            assert!((candidate.probability - probabilities[id]).abs() < TOLERANCE);
            assert_eq!(
                bert.tokenizer.token_to_id(&candidate.token),
                Some(candidate.id)
            );
        }
        assert_eq!(filled.masks[0].candidates.len(), 3);

        // Any position can be asked about; at the mask it is the very same answer.
        let all = MaskPattern::Bidirectional;
        let at = fill_positions(&bert, SINGLE, &[2], Some(3), &all).unwrap();
        assert_eq!(at, filled);
        let words = fill_positions(&bert, SINGLE, &[3, 1], Some(1), &all).unwrap();
        for (word, position) in words.masks.iter().zip([3, 1]) {
            let probabilities =
                candle_nn::ops::softmax_last_dim(&golden.get(position).unwrap()).unwrap();
            let probabilities = probabilities.to_vec1::<f32>().unwrap();
            let first = &word.candidates[0];
            let most = probabilities.iter().copied().fold(0., f32::max);
            assert_eq!(word.position, position);
            assert!((first.probability - most).abs() < TOLERANCE);
            assert!((probabilities[first.id as usize] - most).abs() < TOLERANCE);
        }
        let none = fill_positions(&bert, SINGLE, &[], None, &all).unwrap();
        assert!(none.masks.is_empty());
    }
}

#[test]
fn sequence_heads_are_pytorchs() {
    let three = ["a", "b", "c"];
    for (family, variant, kind, labels) in [
        (
            "bert",
            "next-sentence",
            "next-sentence",
            &["next", "not next"][..],
        ),
        (
            "bert",
            "single-label",
            "sequence-classification",
            &three[..],
        ),
        ("bert", "multi-label", "sequence-classification", &[]),
        (
            "distilbert",
            "single-label",
            "sequence-classification",
            &three[..],
        ),
    ] {
        let checkpoint = checkpoint(family, &[variant], json!([head(kind, variant, labels)]));
        let bert = model(&checkpoint, GgmlDType::F32);
        let encoding = match variant {
            "multi-label" => bert.encode(SINGLE, None).unwrap(),
            _ => pair(&bert),
        };
        let spec = bert.heads().next().unwrap().clone();
        let logits = bert.sequence_logits(&encoding, &spec).unwrap();
        let logits = Tensor::new(logits, &Device::Cpu).unwrap();
        let golden = &checkpoint.tensors["golden.logits"];
        assert_close(&format!("{family} {variant}"), &logits, golden, TOLERANCE);
    }
}

#[test]
fn token_heads_are_pytorchs() {
    for family in ["bert", "distilbert"] {
        let heads = json!([head(
            "token-classification",
            "tokens",
            &["O", "B-X", "I-X", "B-Y", "I-Y"]
        )]);
        let with_labels = checkpoint(family, &["tokens"], heads);
        let bert = model(&with_labels, GgmlDType::F32);
        let spec = bert.head(HeadKind::TokenClassification, None).unwrap();
        let logits = bert.token_logits(&pair(&bert), spec).unwrap();
        let logits = Tensor::new(logits, &Device::Cpu).unwrap();
        assert_close(
            family,
            &logits,
            &with_labels.tensors["golden.logits"],
            TOLERANCE,
        );

        let heads = json!([head("question-answering", "answers", &[])]);
        let with_answers = checkpoint(family, &["answers"], heads);
        let bert = model(&with_answers, GgmlDType::F32);
        let spec = bert.head(HeadKind::QuestionAnswering, None).unwrap();
        let logits = bert.token_logits(&pair(&bert), spec).unwrap();
        for (i, name) in ["golden.start_logits", "golden.end_logits"]
            .into_iter()
            .enumerate()
        {
            let column: Vec<f32> = logits.iter().map(|row| row[i]).collect();
            let column = Tensor::new(column, &Device::Cpu).unwrap();
            assert_close(
                &format!("{family} {name}"),
                &column,
                &with_answers.tensors[name],
                TOLERANCE,
            );
        }
    }
}

#[test]
fn embeddings_are_mean_pooled_and_of_length_one() {
    for family in ["bert", "distilbert"] {
        let checkpoint = checkpoint(family, &[], json!([]));
        let bert = model(&checkpoint, GgmlDType::F32);
        let texts = vec![SINGLE.to_owned(), "The dog ran.".to_owned()];
        let found = Embed::new(&bert, texts).unwrap().finish().unwrap();
        assert_eq!((found.dimensions, found.values.len()), (32, 64));
        let first = Tensor::new(&found.values[..32], &Device::Cpu).unwrap();
        assert_close(
            family,
            &first,
            &checkpoint.tensors["golden.embedding"],
            TOLERANCE,
        );
        let length: f32 = found.values[32..].iter().map(|x| x * x).sum();
        assert!((length - 1.).abs() < 1e-5);
    }
}

#[test]
fn checkpoints_without_a_prefix_and_with_the_first_names_load_the_same() {
    let checkpoint = checkpoint(
        "bert",
        &["masked-lm"],
        json!([head("masked-lm", "masked-lm", &[])]),
    );
    let mut renamed = checkpoint.clone();
    let rename = |(name, tensor): (String, Tensor)| {
        let name = name
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta");
        (
            name.strip_prefix("bert.").unwrap_or(&name).to_owned(),
            tensor,
        )
    };
    renamed.tensors = renamed.tensors.into_iter().map(rename).collect();
    let expected = fill_mask(
        &model(&checkpoint, GgmlDType::F32),
        SINGLE,
        None,
        &MaskPattern::Bidirectional,
    );
    let found = fill_mask(
        &model(&renamed, GgmlDType::F32),
        SINGLE,
        None,
        &MaskPattern::Bidirectional,
    );
    assert_eq!(found.unwrap(), expected.unwrap());
}

#[test]
fn quantized_weights_stay_close() {
    let checkpoint = every_head();
    let [exact, quantized] = [GgmlDType::F32, GgmlDType::Q8_0].map(|ty| model(&checkpoint, ty));
    let encoding = pair(&exact);
    let run = |bert: &Bert| recorded(bert, &encoding, &MaskPattern::Bidirectional);
    let [(hidden, _), _, (weights, _)] = [0, 1, 2].map(|i| {
        let (a, b) = (run(&exact), run(&quantized));
        (max_difference(&a[i], &b[i]), a[i].clone())
    });
    assert!(hidden < 0.1, "hidden states move by {hidden}");
    assert!(weights < 0.05, "attention weights move by {weights}");
    assert!(hidden > 0., "or nothing was quantized");
}

#[test]
fn a_later_token_changes_earlier_rows_only_where_they_may_look() {
    for ty in [GgmlDType::F32, GgmlDType::Q8_0] {
        let bert = model(&checkpoint("bert", &[], json!([])), ty);
        let mut encoding = pair(&bert);
        let changed = encoding.ids.len() - 3;
        for (mask, alike) in [
            (MaskPattern::Causal, true),
            (MaskPattern::Bidirectional, false),
        ] {
            let before = recorded(&bert, &encoding, &mask);
            encoding.ids[changed] += 1;
            let after = recorded(&bert, &encoding, &mask);
            encoding.ids[changed] -= 1;
            for (a, b, dim) in
                [(0, 0, 0), (2, 2, 2)].map(|(i, j, dim)| (&before[i], &after[j], dim))
            {
                let earlier = |t: &Tensor| {
                    let rows = t.narrow(dim, 0, changed).unwrap();
                    let rows = rows.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    rows.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                assert_eq!(earlier(a) == earlier(b), alike, "{ty:?} {mask:?}");
                assert!(max_difference(a, b) > 0., "the token itself has changed");
            }
        }
    }
}

#[test]
fn a_head_that_is_off_is_a_head_whose_slice_of_the_output_projection_is_zero() {
    for (family, output) in [
        ("bert", "bert.encoder.layer.1.attention.output.dense.weight"),
        (
            "distilbert",
            "distilbert.transformer.layer.1.attention.out_lin.weight",
        ),
    ] {
        let whole = checkpoint(family, &[], json!([]));
        let bert = model(&whole, GgmlDType::F32);
        let encoding = pair(&bert);
        let (hidden, heads) = (bert.config.hidden_size, bert.config.num_attention_heads);
        let mask = MaskPattern::Causal;
        let run = |bert: &Bert, off: &HeadsOff, capture: Option<&mut Capture>| {
            let attending = Attending {
                mask: &mask,
                heads_off: off,
            };
            bert.forward(&encoding, attending, capture).unwrap()
        };
        let none = run(&bert, &HeadsOff::default(), None);
        assert_eq!(
            max_difference(&none, &bert.forward(&encoding, &mask, None).unwrap()),
            0.
        );
        for head in 0..heads {
            let mut without = whole.clone();
            let weight = &whole.tensors[output];
            let width = hidden / heads;
            let column = |at: usize| f32::from(u8::from(at / width != head));
            let keep: Vec<f32> = (0..hidden).map(column).collect();
            let keep = Tensor::from_vec(keep, (1, hidden), &Device::Cpu).unwrap();
            let zeroed = weight.broadcast_mul(&keep).unwrap();
            without.tensors.insert(output.to_owned(), zeroed);
            let expected = run(&model(&without, GgmlDType::F32), &HeadsOff::default(), None);

            let off = HeadsOff::new(vec![(1, head), (1, head)]);
            let mut capture = Capture::default();
            for found in [run(&bert, &off, None), run(&bert, &off, Some(&mut capture))] {
                assert_close(&format!("{family} head {head}"), &found, &expected, 1e-6);
                assert!(max_difference(&found, &none) > 1e-3, "it did something");
            }
            // What the head would have looked at is still told.
            let [_, _, weights] = recorded(&bert, &encoding, &mask);
            assert_eq!(
                max_difference(&stacked(&capture, |record| &record.weights), &weights),
                0.
            );
        }
        // Without every head, a layer's attention adds nothing but its bias.
        let all = HeadsOff::new((0..heads).map(|head| (0, head)).collect());
        assert!(max_difference(&run(&bert, &all, None), &none) > 1e-3);
    }
}

#[test]
fn every_layers_states_are_told_and_the_last_are_the_encoders_output() {
    let bert = model(&every_head(), GgmlDType::F32);
    let told = hidden_states(&bert, PAIR.0, Some(PAIR.1)).unwrap();
    let encoding = pair(&bert);
    let tokens = encoding.tokens.len();
    assert_eq!(told.tokens, encoding.tokens);
    assert_eq!(told.states, bert.config.num_hidden_layers + 1);
    let size = tokens * told.dimensions;
    assert_eq!(told.values.len(), told.states * size);
    let last = bert
        .forward(&encoding, &MaskPattern::Bidirectional, None)
        .unwrap();
    let last = last.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(told.values[told.values.len() - size..], last);
    assert_ne!(told.values[..size], last);
    assert_eq!(
        hidden_states(&bert, " ", None).unwrap_err().kind,
        ErrorKind::Input
    );
}

#[test]
fn a_row_that_may_look_nowhere_has_zero_weights() {
    let bert = model(&checkpoint("bert", &[], json!([])), GgmlDType::F32);
    let encoding = pair(&bert);
    let n = encoding.ids.len();
    let mut allowed = vec![1; n * n];
    allowed[n..2 * n].fill(0);
    let mask = MaskPattern::Custom(AttentionMask::custom(n, n, allowed).unwrap());
    let [hidden_states, _, weights] = recorded(&bert, &encoding, &mask);
    let blind = weights
        .narrow(2, 1, 1)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1::<f32>()
        .unwrap();
    assert!(blind.iter().all(|&weight| weight == 0.));
    let sums = weights.sum(3).unwrap().narrow(2, 2, n - 2).unwrap();
    assert!(max_difference(&sums, &sums.ones_like().unwrap()) < 1e-5);
    let values = hidden_states
        .flatten_all()
        .unwrap()
        .to_vec1::<f32>()
        .unwrap();
    assert!(values.iter().all(|value| value.is_finite()));

    let maps = bert_attention(&bert, PAIR.0, Some(PAIR.1), &mask)
        .unwrap()
        .encoder;
    assert_eq!((maps.layers, maps.heads), (2, 4));
    assert_eq!(maps.mask[n..2 * n], vec![0; n]);
    assert_eq!(
        maps.weights,
        weights.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    );
    assert_eq!(maps.key_tokens, encoding.tokens);
}

#[test]
fn every_head_answers_on_one_encoder() {
    let checkpoint = every_head();
    let bert = model(&checkpoint, GgmlDType::F32);
    let filled = fill_mask(&bert, "[MASK] cat [MASK].", Some(2), &MaskPattern::Causal).unwrap();
    assert_eq!(
        filled
            .masks
            .iter()
            .map(|mask| mask.position)
            .collect::<Vec<_>>(),
        [1, 3]
    );

    let next = next_sentence(&bert, PAIR.0, PAIR.1).unwrap();
    assert!(next.is_next > 0. && next.is_next < 1.);

    let nli = classify(&bert, PAIR.0, Some(PAIR.1), Some("nli")).unwrap();
    let sum: f32 = nli.labels.iter().map(|score| score.probability).sum();
    assert!((sum - 1.).abs() < 1e-5);
    assert!(
        nli.labels
            .is_sorted_by(|a, b| a.probability >= b.probability)
    );

    let topics = classify(&bert, SINGLE, None, Some("topics")).unwrap();
    assert_eq!(topics.labels.len(), 4);
    let golden =
        &read_tensors(&goldens().join("bert/bert-multi-label.safetensors"))["golden.logits"];
    let golden = golden.to_vec1::<f32>().unwrap();
    let cats = topics
        .labels
        .iter()
        .find(|score| score.label == "cats")
        .unwrap();
    assert!((cats.probability - 1. / (1. + (-golden[0]).exp())).abs() < TOLERANCE);

    let mine = ["about cats", "about rivers"].map(str::to_owned);
    let mut zero_shot = ZeroShot::new(&bert, SINGLE, &mine, None, None).unwrap();
    assert_eq!(zero_shot.step().unwrap(), None, "one label a step");
    let judged = zero_shot.finish().unwrap().labels;
    let entailed = |label: &String| {
        let hypothesis = format!("This example is {label}.");
        let encoding = bert.encode(SINGLE, Some(&hypothesis)).unwrap();
        let spec = bert
            .head(HeadKind::SequenceClassification, Some("nli"))
            .unwrap();
        bert.sequence_logits(&encoding, spec).unwrap()[0].exp()
    };
    let share = entailed(&mine[0]) / (entailed(&mine[0]) + entailed(&mine[1]));
    let found = judged.iter().find(|score| score.label == mine[0]).unwrap();
    assert!((found.probability - share).abs() < 1e-5);
    let asked = ZeroShot::new(&bert, SINGLE, &mine, None, Some("This example is {}."));
    assert_eq!(asked.unwrap().finish().unwrap().labels, judged);
    let asked = ZeroShot::new(&bert, SINGLE, &mine, None, Some("Is it {}?"));
    assert_ne!(asked.unwrap().finish().unwrap().labels, judged);
}

#[test]
fn labels_stand_on_whole_words_of_the_readers_text() {
    let bert = model(&every_head(), GgmlDType::F32);
    let text = "😀 Unbelievable singing in PARIS, Texas!";
    let units: Vec<u16> = text.encode_utf16().collect();
    let labelled = label(&bert, text, None).unwrap();
    assert!(!labelled.spans.is_empty(), "random weights label something");
    for span in &labelled.spans {
        assert_eq!(
            span.text,
            String::from_utf16(&units[span.start..span.end]).unwrap()
        );
        assert!(["PER", "LOC"].contains(&span.label.as_str()));
        let letter = |unit: Option<&u16>| {
            unit.and_then(|&unit| char::from_u32(unit.into()))
                .is_some_and(char::is_alphabetic)
        };
        let inside = |at: usize| at > 0 && letter(units.get(at - 1)) && letter(units.get(at));
        assert!(
            !inside(span.start) && !inside(span.end),
            "{span:?} cuts a word"
        );
    }
}

#[test]
fn answers_are_the_best_spans_of_the_passage() {
    let bert = model(&every_head(), GgmlDType::F32);
    let answers = AnswerQuestion::new(&bert, PAIR.0, PAIR.1, Some(50))
        .unwrap()
        .finish()
        .unwrap();
    let refusal = answers
        .iter()
        .position(|answer| answer.text.is_empty())
        .unwrap();
    assert!(answers.is_sorted_by(|a, b| a.probability >= b.probability));
    for answer in answers.iter().filter(|answer| !answer.text.is_empty()) {
        assert_eq!(answer.text, PAIR.1[answer.start..answer.end]);
    }

    // By hand: among all pairs of passage tokens in order, in whole words.
    let spec = bert.head(HeadKind::QuestionAnswering, None).unwrap();
    let encoding = pair(&bert);
    let logits = bert.token_logits(&encoding, spec).unwrap();
    let passage: Vec<usize> = (0..encoding.tokens.len())
        .filter(|&i| encoding.tokens[i].segment == 1 && !encoding.tokens[i].special)
        .collect();
    let pairs = passage.iter().flat_map(|&s| {
        passage
            .iter()
            .filter(move |&&e| e >= s)
            .map(move |&e| (s, e))
    });
    let score = |(start, end): (usize, usize)| logits[start][0] + logits[end][1];
    let (start, end) = pairs
        .max_by(|&a, &b| score(a).total_cmp(&score(b)))
        .unwrap();
    let best = answers
        .iter()
        .find(|answer| !answer.text.is_empty())
        .unwrap();
    assert!(best.start <= encoding.tokens[start].start && best.end >= encoding.tokens[end].end);
    let null = logits[0][0] + logits[0][1];
    let odds = (score((start, end)) - null).exp();
    let found = best.probability / answers[refusal].probability;
    assert!((found / odds - 1.).abs() < 1e-3, "{found} {odds}");
}

#[test]
fn the_threshold_decides_on_a_refusal() {
    for (threshold, refused) in [(-1000., true), (1000., false)] {
        let mut checkpoint = every_head();
        checkpoint.heads[5]["null_threshold"] = json!(threshold);
        let bert = model(&checkpoint, GgmlDType::F32);
        let answers = AnswerQuestion::new(&bert, PAIR.0, PAIR.1, None)
            .unwrap()
            .finish()
            .unwrap();
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].text.is_empty(), refused);
        assert!(answers[0].probability > 0.99 || !refused);
    }
}

#[test]
fn a_long_passage_is_read_window_by_window() {
    let bert = model(&every_head(), GgmlDType::F32);
    let filler = "The river was frozen when we crossed it. ".repeat(12);
    let context = format!("😀 {filler}{} {filler}", PAIR.1);
    let mut question = AnswerQuestion::new(&bert, PAIR.0, &context, Some(5)).unwrap();
    let mut steps = 1;
    let answers = loop {
        if let Some(answers) = question.step().unwrap() {
            break answers;
        }
        steps += 1;
    };
    assert!(steps > 5, "{steps} windows");
    let units: Vec<u16> = context.encode_utf16().collect();
    for answer in &answers {
        assert_eq!(
            answer.text,
            String::from_utf16(&units[answer.start..answer.end]).unwrap()
        );
    }
    let spans: Vec<_> = answers
        .iter()
        .filter(|answer| !answer.text.is_empty())
        .collect();
    for (i, a) in spans.iter().enumerate() {
        let apart =
            |b: &&&unmask_transformer::tasks::answer::Answer| a.end <= b.start || b.end <= a.start;
        assert!(spans[i + 1..].iter().all(|b| apart(&b)), "answers overlap");
    }
}

#[test]
fn requests_that_make_no_sense_say_what_to_do() {
    let bert = model(&every_head(), GgmlDType::F32);
    let bare = model(&checkpoint("bert", &[], json!([])), GgmlDType::F32);
    let all = MaskPattern::Bidirectional;
    let small = MaskPattern::Custom(AttentionMask::custom(2, 2, vec![1; 4]).unwrap());
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|&text| text.to_owned())
            .collect::<Vec<_>>()
    };
    let far = format!("{} [MASK]", "the cat ".repeat(60));
    use ErrorKind::{Input, Unsupported};
    let cases: Vec<(&str, ErrorKind, Option<Error>)> = vec![
        (
            "no mask",
            Input,
            fill_mask(&bert, "The cat sat.", None, &all).err(),
        ),
        (
            "mask cut off",
            Input,
            fill_mask(&bert, &far, None, &all).err(),
        ),
        ("empty text", Input, fill_mask(&bert, "", None, &all).err()),
        (
            "empty text",
            Input,
            fill_positions(&bert, "", &[0], None, &all).err(),
        ),
        (
            "position beyond the text",
            Input,
            fill_positions(&bert, "The cat sat.", &[1, 99], None, &all).err(),
        ),
        (
            "more positions than tokens",
            Input,
            fill_positions(&bert, "The cat sat.", &[1; 99], None, &all).err(),
        ),
        (
            "blank text",
            Input,
            classify(&bert, " \n\u{a0}", None, Some("nli")).err(),
        ),
        (
            "small mask",
            Input,
            fill_mask(&bert, SINGLE, None, &small).err(),
        ),
        (
            "small mask",
            Input,
            bert_attention(&bert, SINGLE, None, &small).err(),
        ),
        (
            "empty pair",
            Input,
            next_sentence(&bert, "The cat sat.", "").err(),
        ),
        (
            "unknown head",
            Input,
            classify(&bert, "The cat.", None, Some("mood")).err(),
        ),
        (
            "which head",
            Input,
            classify(&bert, "The cat.", None, None).err(),
        ),
        (
            "unknown head",
            Input,
            label(&bert, "The cat.", Some("nli")).err(),
        ),
        (
            "no heads",
            Unsupported,
            fill_mask(&bare, SINGLE, None, &all).err(),
        ),
        (
            "no heads",
            Unsupported,
            classify(&bare, "The cat.", None, Some("nli")).err(),
        ),
        (
            "no question",
            Input,
            AnswerQuestion::new(&bert, " ", "The cat.", None).err(),
        ),
        (
            "no passage",
            Input,
            AnswerQuestion::new(&bert, "Who?", "", None).err(),
        ),
        ("no texts", Input, Embed::new(&bert, vec![]).err()),
        (
            "empty text",
            Input,
            Embed::new(&bert, texts(&["The cat.", ""])).err(),
        ),
        (
            "no labels",
            Input,
            ZeroShot::new(&bert, "The cat.", &[], None, None).err(),
        ),
        (
            "no entailment",
            Unsupported,
            ZeroShot::new(&bert, "The cat.", &texts(&["a"]), Some("topics"), None).err(),
        ),
        (
            "a hypothesis without a place for the label",
            Input,
            ZeroShot::new(&bert, "The cat.", &texts(&["a"]), None, Some("It is.")).err(),
        ),
        (
            "a head beyond the last",
            Input,
            fill_mask(
                &bert,
                SINGLE,
                None,
                Attending {
                    mask: &all,
                    heads_off: &HeadsOff::new(vec![(0, 99)]),
                },
            )
            .err(),
        ),
        (
            "no entailment",
            Unsupported,
            ZeroShot::new(&bare, "The cat.", &texts(&["a"]), None, None).err(),
        ),
    ];
    for (what, kind, error) in cases {
        let error = error.unwrap_or_else(|| panic!("{what} was accepted"));
        assert_eq!(error.kind, kind, "{what}: {error}");
        assert!(
            error.message.ends_with('.') && error.next_step.ends_with('.'),
            "{what}: {error}"
        );
    }
    let error = classify(&bert, "The cat.", None, Some("mood")).unwrap_err();
    assert!(error.next_step.contains("nli, topics"), "{error}");
    assert!(
        fill_mask(&bert, SINGLE, None, &all).is_ok(),
        "and the next request works"
    );
}

#[test]
fn odd_texts_are_read_like_any_other() {
    let bert = model(&every_head(), GgmlDType::F32);
    let all = MaskPattern::Bidirectional;
    for text in [
        "\u{fffd}[MASK]\u{fffd}",
        "\0 [MASK]",
        "[MASK]",
        "[CLS][SEP][PAD] [MASK]",
        "👩‍👩‍👧[MASK]🇫🇷",
    ] {
        assert_eq!(
            fill_mask(&bert, text, None, &all).unwrap().masks.len(),
            1,
            "{text:?}"
        );
    }
    let long = format!("[MASK] {}", "the cat ".repeat(12_500));
    let filled = fill_mask(&bert, &long, Some(usize::MAX), &all).unwrap();
    let truncation = filled.truncation.unwrap();
    assert_eq!((truncation.kept, truncation.dropped), (46, 25_001 - 46));
    assert_eq!(filled.masks[0].candidates.len(), bert.config.vocab_size);
    assert!(
        fill_mask(&bert, SINGLE, Some(0), &all).unwrap().masks[0]
            .candidates
            .is_empty()
    );
}

fn refusal(checkpoint: &Checkpoint) -> Error {
    let mut checkpoint = checkpoint.clone();
    checkpoint
        .tensors
        .retain(|name, _| !name.starts_with("golden."));
    let file = ModelFile::read(checkpoint.gguf(GgmlDType::F32).as_slice());
    file.and_then(Bert::new)
        .err()
        .expect("the file was accepted")
}

#[test]
fn configurations_that_are_absurd_or_contradict_the_tensors_are_refused() {
    let good = every_head();
    for (field, value) in [
        ("vocab_size", json!(0)),
        ("vocab_size", json!(u64::MAX)),
        ("vocab_size", json!(-1)),
        ("vocab_size", json!(100)),
        ("hidden_size", json!(0)),
        ("hidden_size", json!(64)),
        ("hidden_size", json!("wide")),
        ("num_attention_heads", json!(0)),
        ("num_attention_heads", json!(5)),
        ("num_hidden_layers", json!(0)),
        ("num_hidden_layers", json!(1)),
        ("num_hidden_layers", json!(3)),
        ("num_hidden_layers", json!(1_000_000)),
        ("intermediate_size", json!(32)),
        ("max_position_embeddings", json!(512)),
        ("type_vocab_size", json!(3)),
        ("layer_norm_eps", json!(0)),
        ("layer_norm_eps", json!(-1)),
        ("hidden_act", json!("mish")),
    ] {
        let mut bad = good.clone();
        bad.config[field] = value.clone();
        assert_eq!(refusal(&bad).kind, ErrorKind::Integrity, "{field} {value}");
    }
    for (field, value) in [
        ("model_type", json!("roberta")),
        ("position_embedding_type", json!("relative_key")),
        ("is_decoder", json!(true)),
    ] {
        let mut bad = good.clone();
        bad.config[field] = value;
        assert_eq!(refusal(&bad).kind, ErrorKind::Unsupported, "{field}");
    }
    let mut bad = good.clone();
    bad.config = Value::Null;
    assert_eq!(refusal(&bad).kind, ErrorKind::Integrity);
    let mut bad = good.clone();
    bad.tokenizer = Value::Null;
    assert_eq!(refusal(&bad).kind, ErrorKind::Integrity);
    for heads in [
        json!({}),
        json!([{ "name": "x" }]),
        json!([{ "name": "x", "kind": "cooking" }]),
    ] {
        let mut bad = good.clone();
        bad.heads = heads;
        assert_eq!(refusal(&bad).kind, ErrorKind::Integrity);
    }
}

#[test]
fn missing_and_misshapen_tensors_are_named() {
    let good = every_head();
    let names: Vec<&String> = good
        .tensors
        .keys()
        .filter(|name| !name.starts_with("golden."))
        .collect();
    for name in names {
        let mut bad = good.clone();
        bad.tensors.remove(name);
        let error = refusal(&bad);
        assert_eq!(error.kind, ErrorKind::Integrity, "{name}");
        let layer_norm = name.contains("LayerNorm");
        assert!(
            layer_norm || error.message.contains(name.as_str()) || name.ends_with("weight"),
            "{error}"
        );

        let mut bad = good.clone();
        let longer = Tensor::zeros(7, candle_core::DType::F32, &Device::Cpu).unwrap();
        bad.tensors.insert(name.clone(), longer);
        let error = refusal(&bad);
        assert_eq!(error.kind, ErrorKind::Integrity, "{name}");
        assert!(error.message.contains(name.as_str()), "{error}");
    }
    let mut bad = good.clone();
    let labels = json!(["one", "two"]);
    bad.heads[2]["labels"] = labels;
    assert!(refusal(&bad).message.contains("heads.nli.weight"));
    let mut bad = good;
    bad.heads[3]["name"] = json!("nli");
    assert!(refusal(&bad).message.contains("two heads"));
}

#[test]
fn cut_and_corrupt_files_are_refused() {
    let mut checkpoint = every_head();
    checkpoint
        .tensors
        .retain(|name, _| !name.starts_with("golden."));
    let good = checkpoint.gguf(GgmlDType::Q8_0);
    let lengths = (0..4096)
        .step_by(97)
        .chain((4096..good.len()).step_by(4999));
    for length in lengths.chain([good.len() - 1]) {
        let error = ModelFile::read(&good[..length])
            .err()
            .expect("a cut file was accepted");
        assert_eq!(error.kind, ErrorKind::Integrity, "{length} bytes");
    }
    let mut longer = good.clone();
    longer.extend([0; 64]);
    assert!(ModelFile::read(longer.as_slice()).is_err());

    // A flipped bit in the header is refused, or harmless: whatever loads answers, or says why not.
    for byte in (0..6000).step_by(13) {
        let mut bad = good.clone();
        bad[byte] ^= 1 << (byte % 8);
        if let Ok(bert) = ModelFile::read(bad.as_slice()).and_then(Bert::new) {
            let _ = fill_mask(&bert, SINGLE, None, &MaskPattern::Bidirectional);
        }
    }
}
