//! Tokens and places against the Python library's (`goldens/make_bert.py`), and what truncation and limits do.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{goldens, read_json};
use serde_json::{Value, json};
use unmask_transformer::{ErrorKind, Tokenizer};

const UNLIMITED: usize = 1 << 20;

fn tokenizer(name: &str) -> Tokenizer {
    let path = goldens().join(format!("tokens/{name}.tokenizer.json"));
    Tokenizer::new(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn tokens_types_words_and_offsets_are_the_python_librarys() {
    for name in ["wordpiece", "byte_level", "unigram"] {
        let tokenizer = tokenizer(name);
        let cases = read_json(&goldens().join(format!("tokens/{name}.golden.json")));
        for case in cases.as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let positions = case["positions"].as_u64().map_or(UNLIMITED, |n| n as usize);
            let found = tokenizer
                .encode(text, case["pair"].as_str(), positions)
                .unwrap();
            let what = format!("{name}: {text:?} {}", case["pair"]);
            assert_eq!(found.ids, numbers(&case["ids"]), "{what}");
            assert_eq!(found.type_ids, numbers(&case["type_ids"]), "{what}");
            let words: Vec<Option<u32>> = serde_json::from_value(case["words"].clone()).unwrap();
            assert_eq!(found.words, words, "{what}");
            for (i, token) in found.tokens.iter().enumerate() {
                let what = format!("{what}: token {i}, {token:?}");
                assert_eq!(token.id, found.ids[i], "{what}");
                assert_eq!(token.text, case["tokens"][i].as_str().unwrap(), "{what}");
                assert_eq!(
                    token.special,
                    case["special"][i].as_bool().unwrap(),
                    "{what}"
                );
                let offsets: [usize; 2] =
                    serde_json::from_value(case["offsets"][i].clone()).unwrap();
                assert_eq!([token.start, token.end], offsets, "{what}");
                if let Some(segment) = case["segments"][i].as_u64() {
                    assert_eq!(u64::from(token.segment), segment, "{what}");
                }
            }
            assert_eq!(
                found.truncation.is_some(),
                case["dropped"].as_bool().unwrap(),
                "{what}"
            );
            for (skip, decoded) in [true, false]
                .into_iter()
                .zip(case["decoded"].as_array().unwrap())
            {
                let text = tokenizer.decode(&found.ids, skip).unwrap();
                assert_eq!(text, decoded.as_str().unwrap(), "{what}");
            }
        }
    }
}

#[test]
fn windows_are_those_of_the_python_library() {
    let golden = read_json(&goldens().join("tokens/windows.golden.json"));
    let (question, context) = (
        golden["question"].as_str().unwrap(),
        golden["context"].as_str().unwrap(),
    );
    let [positions, stride] =
        ["positions", "stride"].map(|key| golden[key].as_u64().unwrap() as usize);
    let windows = tokenizer("wordpiece")
        .encode_windows(question, context, positions, stride)
        .unwrap();
    let expected = golden["windows"].as_array().unwrap();
    assert_eq!(windows.len(), expected.len());
    assert!(windows.len() > 3);
    for (window, expected) in windows.iter().zip(expected) {
        assert_eq!(window.ids, numbers(&expected["ids"]));
        let offsets: Vec<[usize; 2]> = serde_json::from_value(expected["offsets"].clone()).unwrap();
        let found: Vec<[usize; 2]> = window
            .tokens
            .iter()
            .map(|token| [token.start, token.end])
            .collect();
        assert_eq!(
            found, offsets,
            "ASCII: characters, bytes and UTF-16 units are the same"
        );
    }
}

#[test]
fn a_question_that_fills_the_window_is_an_input_error() {
    let error = tokenizer("wordpiece").encode_windows(&"why ".repeat(20), "The cat sat.", 24, 6);
    assert_eq!(error.unwrap_err().kind, ErrorKind::Input);
}

#[test]
fn truncation_says_how_much_is_gone_and_where() {
    let tokenizer = tokenizer("wordpiece");
    let text = "😀 the cat sat on the mat";
    let whole = tokenizer.encode(text, None, UNLIMITED).unwrap();
    let cut = tokenizer.encode(text, None, 6).unwrap();
    let truncation = cut.truncation.unwrap();
    assert_eq!(whole.truncation, None);
    assert_eq!(cut.ids.len(), 6);
    assert_eq!(
        (truncation.kept, truncation.dropped),
        (4, whole.ids.len() - 6)
    );
    assert_eq!(
        &text.encode_utf16().collect::<Vec<_>>()[truncation.from..],
        "on the mat".encode_utf16().collect::<Vec<_>>()
    );
}

#[test]
fn a_long_text_is_cut_and_an_endless_one_refused() {
    let tokenizer = tokenizer("wordpiece");
    for text in [
        "the cat ".repeat(12_500),
        "a".repeat(100_000),
        "\u{301}".repeat(100_000),
    ] {
        let pair = tokenizer.encode(&text, Some(&text), 48).unwrap();
        assert!(pair.ids.len() <= 48);
    }
    let truncation = tokenizer
        .encode(&"the cat ".repeat(12_500), None, 48)
        .unwrap()
        .truncation;
    assert_eq!(
        truncation.map(|t| (t.kept, t.dropped)),
        Some((46, 25_000 - 46))
    );
    let endless = tokenizer
        .encode(&"the ".repeat(1 << 20), None, 48)
        .unwrap_err();
    assert_eq!(endless.kind, ErrorKind::Input);
}

#[test]
fn a_mask_may_always_be_written_in_brackets() {
    let tokenizer = tokenizer("byte_level");
    let own = tokenizer
        .encode("The <mask> sat.", None, UNLIMITED)
        .unwrap();
    let brackets = tokenizer
        .encode("The [MASK] sat.", None, UNLIMITED)
        .unwrap();
    assert_eq!(own.ids, brackets.ids);
    assert!(own.ids.contains(&tokenizer.mask_id().unwrap()));
    let token = brackets
        .tokens
        .iter()
        .find(|token| token.text == "<mask>")
        .unwrap();
    assert_eq!(token.end, "The [MASK]".len());
    assert_eq!(brackets.tokens.last().unwrap().text, "</s>");
}

#[test]
fn a_piece_is_spelled_as_it_stands_in_a_text() {
    let tokenizer = tokenizer("wordpiece");
    let text = |token: &str| {
        tokenizer
            .text_of(tokenizer.token_to_id(token).unwrap())
            .unwrap()
    };
    assert_eq!(text("##s"), "s");
    assert_eq!(text("the"), "the");
    assert_eq!(text("."), ".");
    let tokenizer = self::tokenizer("byte_level");
    let id = tokenizer.token_to_id("Ġthe").unwrap();
    assert_eq!(tokenizer.text_of(id).unwrap(), "the");
}

#[test]
fn what_is_no_tokenizer_is_refused() {
    let deep = "[".repeat(100_000);
    let template = r#"{"version":"1.0","added_tokens":[],"model":{"type":"WordPiece","unk_token":"[UNK]",
        "continuing_subword_prefix":"","max_input_chars_per_word":100,"vocab":{}}}"#;
    for json in [
        "",
        "null",
        "{}",
        "[1]",
        r#"{"model": 1}"#,
        &deep,
        &template[..template.len() - 2],
    ] {
        let error = Tokenizer::new(json).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Integrity);
    }
    let whole = std::fs::read_to_string(goldens().join("tokens/wordpiece.tokenizer.json")).unwrap();
    for length in (0..whole.len()).step_by(11) {
        let error = Tokenizer::new(&whole[..whole.floor_char_boundary(length)])
            .err()
            .unwrap();
        assert_eq!(error.kind, ErrorKind::Integrity);
    }
    let empty = Tokenizer::new(template).unwrap();
    assert!(
        empty.encode("the", None, 8).is_err(),
        "there is no token for unknown words"
    );
}

#[test]
fn templates_that_cannot_be_filled_are_refused() {
    let good = read_json(&goldens().join("tokens/wordpiece.tokenizer.json"));
    assert!(Tokenizer::new(&good.to_string()).is_ok());
    let cls = |id: &str| json!({ "SpecialToken": { "id": id, "type_id": 0 } });
    for (place, value) in [
        ("/post_processor/single/0", cls("[NONE]")),
        ("/post_processor/pair/0", cls("[NONE]")),
        ("/post_processor/single/1/Sequence/id", json!("B")),
        ("/post_processor/special_tokens/[CLS]/ids", json!([1, 2])),
        ("/post_processor/special_tokens/[CLS]/tokens", json!([])),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value;
        let mut nested = bad.clone();
        nested["post_processor"] =
            json!({ "type": "Sequence", "processors": [bad["post_processor"]] });
        for bad in [bad, nested] {
            let error = Tokenizer::new(&bad.to_string()).err().unwrap();
            assert_eq!(error.kind, ErrorKind::Integrity, "{place}");
        }
    }
}
