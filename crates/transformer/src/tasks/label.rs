//! Token classification: words put back together from pieces, and neighbouring words of one entity merged.

use super::{probabilities, require_text};
use crate::bert::Bert;
use crate::tokenization::utf16_slice;
use crate::{Encoding, HeadKind, Result, Truncation};

/// Labelled stretches of a text, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// The stretches.
    pub spans: Vec<LabelSpan>,
    /// Set where the text was longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// A labelled stretch of the reader's text.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelSpan {
    /// The label, without `B-` or `I-`.
    pub label: String,
    /// Mean over its words.
    pub probability: f32,
    /// First UTF-16 unit.
    pub start: usize,
    /// One past the last UTF-16 unit.
    pub end: usize,
    /// The stretch itself.
    pub text: String,
}

/// Labels words by a token-classification head, by its first piece each, and merges words of one entity. Words
/// labelled `O` are left out.
///
/// # Errors
/// `Input` for an empty text or an unknown head, `Unsupported` for a model without such heads.
pub fn label(bert: &Bert, text: &str, head: Option<&str>) -> Result<Labelled> {
    let head = bert.head(HeadKind::TokenClassification, head)?;
    require_text(text, "The text")?;
    let encoding = bert.encode(text, None)?;
    let logits = bert.token_logits(&encoding, head)?;
    let words = words(&encoding).into_iter().map(|word| {
        let probabilities = probabilities(&logits[word.first_piece]);
        let best =
            (0..probabilities.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
        let best = best.unwrap_or(0); // a head has labels, or it would not have loaded
        (word, head.labels[best].as_str(), probabilities[best])
    });
    Ok(Labelled {
        spans: merge(words, text),
        truncation: encoding.truncation,
    })
}

/// A word and where it is, in UTF-16 units.
struct Word {
    first_piece: usize,
    start: usize,
    end: usize,
}

/// Words as corpora have them, whose labels stand on the first piece: `U.S.`, `Jean-Paul` and `O'Brien` are whole,
/// though tokenizers split at every mark.
fn words(encoding: &Encoding) -> Vec<Word> {
    let (tokens, numbers) = (&encoding.tokens, &encoding.words);
    let touch = |a: usize, b: usize| {
        let both = tokens.get(a).zip(tokens.get(b));
        both.is_some_and(|(a, b)| !a.special && !b.special && a.end == b.start)
    };
    let has_letters = |i: usize| tokens[i].text.contains(char::is_alphanumeric);
    let word_end = |i: usize| {
        let pieces = (i..tokens.len()).take_while(|&j| numbers[j] == numbers[i]);
        pieces.last().map_or(0, |last| tokens[last].end)
    };
    let is_apostrophe = |i: usize| ["'", "\u{2019}"].contains(&tokens[i].text.as_str());
    let connects = |i: usize| {
        let within = i > 0 && touch(i - 1, i) && touch(i, i + 1);
        let mark = is_apostrophe(i) || ["-", ".", "&", "/"].contains(&tokens[i].text.as_str());
        within && mark && has_letters(i - 1) && has_letters(i + 1)
    };
    // `it's` and `they're` are two words each, the second of which begins with the apostrophe.
    let begins_ending = |i: usize| is_apostrophe(i) && word_end(i + 1) - tokens[i].end <= 2;
    let mut words: Vec<Word> = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        if token.special {
            continue;
        }
        let same_word = i > 0 && numbers[i].is_some() && numbers[i] == numbers[i - 1];
        let connected = connects(i) && !begins_ending(i) || i > 0 && connects(i - 1);
        match words.last_mut() {
            Some(word) if same_word || connected => word.end = token.end,
            _ => words.push(Word {
                first_piece: i,
                start: token.start,
                end: token.end,
            }),
        }
    }
    words
}

/// Splits `B-PER` in whether it begins an entity, and `PER`. Labels without such a mark continue what is before
/// them, if that has the same label.
fn split_mark(label: &str) -> (bool, &str) {
    match label.split_once(['-', '_']) {
        Some(("B" | "S" | "U", name)) => (true, name),
        Some(("I" | "E" | "L" | "M", name)) => (false, name),
        _ => (false, label),
    }
}

fn merge<'l>(words: impl Iterator<Item = (Word, &'l str, f32)>, text: &str) -> Vec<LabelSpan> {
    let mut spans: Vec<LabelSpan> = Vec::new();
    let mut lengths: Vec<f32> = Vec::new();
    let mut follows = false; // whether the last span ends at the word before this one
    for (word, label, probability) in words {
        let (begins, name) = split_mark(label);
        if name == "O" {
            follows = false;
            continue;
        }
        match (spans.last_mut(), lengths.last_mut()) {
            (Some(span), Some(length)) if follows && !begins && span.label == name => {
                span.end = word.end;
                span.probability += (probability - span.probability) / (*length + 1.);
                *length += 1.;
            }
            _ => {
                spans.push(LabelSpan {
                    label: name.to_owned(),
                    probability,
                    start: word.start,
                    end: word.end,
                    text: String::new(),
                });
                lengths.push(1.);
            }
        }
        follows = true;
    }
    for span in &mut spans {
        span.text = utf16_slice(text, span.start..span.end).to_owned();
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_corpora() {
        let json = include_str!("../../tests/goldens/tokens/wordpiece.tokenizer.json");
        let tokenizer = crate::Tokenizer::new(json).unwrap();
        for text in [
            "The U.S| .",
            "Jean-Paul O'Brien| ,",
            "( unhappy| ) e.g| . Paris-Texas",
            "it| 's| , they| 're",
            "日| 本| 日",
            "wait| .| .| . no",
        ] {
            let glued = text.replace("| ", "").replace("( ", "(");
            let encoding = tokenizer.encode(&glued, None, 100).unwrap();
            let found: Vec<&str> = words(&encoding)
                .into_iter()
                .map(|word| utf16_slice(&glued, word.start..word.end))
                .collect();
            let expected = text.split(' ').map(|word| word.trim_end_matches('|'));
            assert_eq!(found, expected.collect::<Vec<_>>());
        }
    }

    fn merged(labels: &[&str]) -> Vec<(String, String, f32)> {
        let words = labels.iter().enumerate().map(|(i, &label)| {
            let word = Word {
                first_piece: i,
                start: 2 * i,
                end: 2 * i + 1,
            };
            (word, label, 1. - i as f32 / 8.)
        });
        let spans = merge(words, "a b c d e").into_iter();
        spans
            .map(|span| (span.label, span.text, span.probability))
            .collect()
    }

    fn span(label: &str, text: &str, probability: f32) -> (String, String, f32) {
        (label.to_owned(), text.to_owned(), probability)
    }

    #[test]
    fn entities_begin_at_b_and_go_on_with_i_of_their_own_kind() {
        let found = merged(&["B-PER", "I-PER", "B-PER", "O", "I-LOC"]);
        let expected = [
            span("PER", "a b", 0.9375),
            span("PER", "c", 0.75),
            span("LOC", "e", 0.5),
        ];
        assert_eq!(found, expected);
        let found = merged(&["B-PER", "I-LOC", "O", "O", "O"]);
        assert_eq!(found, [span("PER", "a", 1.), span("LOC", "b", 0.875)]);
        assert_eq!(merged(&["O", "O"]), []);
    }

    #[test]
    fn unmarked_labels_merge_with_their_like() {
        let found = merged(&["noun", "noun", "verb"]);
        assert_eq!(
            found,
            [span("noun", "a b", 0.9375), span("verb", "c", 0.75)]
        );
    }
}
