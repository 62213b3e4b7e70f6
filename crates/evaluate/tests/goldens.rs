//! Rules and measures against the training pipeline's and the field's own packages (`goldens/make_goldens.py`).
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use serde::de::DeserializeOwned;
use serde_json::Value;
use unmask_evaluate::hash::{hash32, is_test_document, is_test_word};
use unmask_evaluate::metrics::bleu::{bleu, tokenize};
use unmask_evaluate::metrics::entities::spans;
use unmask_evaluate::metrics::phonemes::{errors, held_out};
use unmask_evaluate::metrics::rouge::rouge_l;
use unmask_evaluate::metrics::sentences::sentences;
use unmask_evaluate::metrics::squad::score;
use unmask_evaluate::rows::held_out::{Pair, Window, pairs, windows};
use unmask_evaluate::rows::{permuted, spoilt};

fn golden<T: DeserializeOwned>(key: &str) -> T {
    let goldens: Value = serde_json::from_str(include_str!("goldens/goldens.json")).unwrap();
    serde_json::from_value(goldens[key].clone()).unwrap()
}

#[test]
fn the_hash_and_what_it_holds_out_are_pythons() {
    for (values, hash) in golden::<Vec<(Vec<u32>, u32)>>("hash") {
        assert_eq!(hash32(values.iter().copied()), hash, "{values:?}");
    }
    let documents: Vec<u32> = (0..600)
        .filter(|&number| is_test_document(number))
        .collect();
    assert_eq!(documents, golden::<Vec<u32>>("test_documents"));
    let words = (0..200)
        .map(|i| format!("w{i}"))
        .filter(|word| is_test_word(word));
    assert_eq!(
        words.collect::<Vec<_>>(),
        golden::<Vec<String>>("test_words")
    );
}

type Documents = Vec<(u32, Vec<Vec<u32>>)>;

#[test]
fn the_same_tokens_are_masked() {
    let documents: Documents = golden("documents");
    type Masked = Vec<(u32, Vec<(Vec<u32>, Vec<usize>)>)>;
    let expected: Masked = golden("windows");
    for ((number, paragraphs), (_, expected)) in documents.iter().zip(expected) {
        let expected = expected
            .into_iter()
            .map(|(ids, masked)| Window { ids, masked });
        assert_eq!(
            windows(*number, &paragraphs.concat()),
            expected.collect::<Vec<_>>()
        );
    }
}

#[test]
fn the_same_segments_are_paired() {
    let expected = golden::<Vec<(Vec<u32>, Vec<u32>, u32)>>("pairs").into_iter();
    let expected = expected.map(|(first, second, label)| Pair {
        first,
        second,
        follows: label == 0,
    });
    let expected: Vec<Pair> = expected.collect();
    assert!(expected.iter().any(|pair| pair.follows) && expected.iter().any(|pair| !pair.follows));
    assert_eq!(pairs(&golden::<Documents>("documents")), expected);
}

#[test]
fn paragraphs_are_cut_where_the_training_data_were() {
    for (paragraph, expected) in golden::<Vec<(String, Vec<String>)>>("sentences") {
        assert_eq!(sentences(&paragraph), expected);
    }
}

#[test]
fn answers_score_as_squads_script_has_it() {
    for (guess, references, expected) in golden::<Vec<(String, Vec<String>, (f64, f64))>>("answers")
    {
        assert_eq!(score(&guess, &references), expected, "{guess:?}");
    }
}

#[test]
fn entities_are_conllevals() {
    let (tags, expected): (Vec<String>, Vec<(String, usize, usize)>) = golden("spans");
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let mut found = spans(&tags);
    found.sort_unstable();
    let expected: Vec<_> = expected
        .iter()
        .map(|(kind, first, last)| (kind.as_str(), *first, *last))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn bleu_and_its_tokens_are_sacrebleus() {
    for (line, tokens) in golden::<Vec<(String, Vec<String>)>>("tokens_13a") {
        assert_eq!(tokenize(&line), tokens);
    }
    for key in ["bleu", "bleu_smoothed"] {
        let (texts, expected): (Vec<(String, String)>, f64) = golden(key);
        let found = bleu(
            texts
                .iter()
                .map(|(guess, reference)| (guess.as_str(), reference.as_str())),
        );
        assert!(
            (found - expected).abs() < 1e-9,
            "{key}: {found} is not {expected}"
        );
    }
}

#[test]
fn rouge_l_is_its_packages() {
    for (guess, reference, expected) in golden::<Vec<(String, String, f64)>>("rouge_l") {
        let found = rouge_l(&guess, &reference);
        assert!(
            (found - expected).abs() < 1e-9,
            "{guess}: {found} is not {expected}"
        );
    }
}

#[test]
fn dictionary_entries_sound_as_the_model_was_taught() {
    let entries: Vec<(String, Vec<Vec<String>>, Vec<String>)> = golden("ipa");
    // Only held-out words are read, so each entry gets the name of one.
    let name = golden::<Vec<String>>("test_words").remove(0);
    for (word, pronunciations, expected) in entries {
        let lines = pronunciations
            .iter()
            .zip(1..)
            .map(|(phonemes, number)| match number {
                1 => format!("{name} {} # a remark", phonemes.join(" ")),
                number => format!("{name}({number}) {}", phonemes.join(" ")),
            });
        let dictionary = lines.collect::<Vec<_>>().join("\n");
        assert_eq!(held_out(&dictionary)[&name], expected, "{word}");
    }
}

#[test]
fn wrong_phonemes_are_counted_as_in_training() {
    #[derive(serde::Deserialize)]
    struct Expected {
        plain: (usize, usize),
        stress: (usize, usize),
    }
    for (guess, references, expected) in
        golden::<Vec<(String, Vec<String>, Expected)>>("pronunciations")
    {
        assert_eq!(
            errors(&guess, &references, false),
            expected.plain,
            "{guess}"
        );
        assert_eq!(
            errors(&guess, &references, true),
            expected.stress,
            "{guess}"
        );
    }
}

const PARAGRAPH: &str = "The ship left the harbour early in the morning. Nobody on the pier had seen its captain. \
                         It came back after three long weeks. Everyone was glad.";

/// Paragraphs, each of another document, of which some are used.
fn used<T>(make: fn(u32, u32, &str) -> Option<T>) -> Vec<T> {
    (0..400)
        .filter_map(|number| make(number, 3, PARAGRAPH))
        .collect()
}

#[test]
fn three_words_in_ten_are_hidden_and_stretches_never_touch() {
    let texts = used(spoilt);
    assert!(
        (25..75).contains(&texts.len()),
        "one paragraph in eight: {}",
        texts.len()
    );
    let (mut hidden, mut all) = (0, 0);
    for spoilt in &texts {
        let masks = spoilt
            .text
            .split(' ')
            .filter(|&word| word == "[MASK]")
            .count();
        let seen: Vec<&str> = spoilt
            .text
            .split(' ')
            .filter(|&word| word != "[MASK]")
            .collect();
        let expected = spoilt
            .words
            .iter()
            .zip(&spoilt.hidden)
            .filter(|(_, hidden)| !**hidden);
        assert_eq!(seen, expected.map(|(word, _)| word).collect::<Vec<_>>());
        assert!(
            masks >= 1 && !spoilt.text.contains("[MASK] [MASK]"),
            "{}",
            spoilt.text
        );
        all += spoilt.words.len();
        hidden += spoilt.hidden.iter().filter(|&&hidden| hidden).count();
    }
    let share = hidden as f64 / all as f64;
    assert!((0.26..=0.3).contains(&share), "{share}");
    assert_eq!(spoilt(0, 0, "Too short."), None);
}

#[test]
fn an_order_is_right_when_it_is_nearest_whatever_else_is_wrong() {
    let texts = used(permuted);
    let right = texts
        .iter()
        .filter(|permuted| permuted.is_put_right_by(&permuted.text))
        .count();
    assert!(
        right * 3 < texts.len() && right > 0,
        "one order in six is right: {right} of {}",
        texts.len()
    );
    for permuted in &texts {
        assert!(permuted.is_put_right_by(&permuted.sentences.join(" ").to_uppercase()));
        assert!(
            permuted.is_put_right_by(&permuted.sentences.join(" ").replace("morning", "evening"))
        );
        let [first, second, third] = &permuted.sentences;
        assert!(!permuted.is_put_right_by(&format!("{third} {second} {first}")));
        assert!(!permuted.is_put_right_by(""));
    }
}
