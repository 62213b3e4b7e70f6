//! What is looked at of a `tokenizer.json` before the library reads it, which panics at some of what it may hold, or takes
//! memory for it without bound. Each check stands for a panic that fuzzing has found.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::charsmap;

/// Regular expressions in one tokenizer, each of which may take ten megabytes; those of the field have one or two.
const MOST_PATTERNS: usize = 16;

#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    /// To be JSON throughout: the library relies on it.
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    added_tokens: Vec<AddedId>,
    #[serde(default)]
    model: ModelPart,
}

#[derive(Deserialize)]
struct AddedId {
    id: u32,
}

#[derive(Default, Deserialize)]
struct ModelPart {
    #[serde(default)]
    vocab: Vocabulary,
    #[serde(default)]
    merges: Option<Merges>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
}

/// The largest number in a vocabulary that numbers its pieces itself, and the longest piece in bytes.
#[derive(Default)]
struct Vocabulary {
    largest_id: u64,
    longest: usize,
}

/// The longest piece that two are merged to, in bytes.
struct Merges {
    longest: usize,
}

/// Finds out whether the library can be trusted with it.
///
/// # Errors
/// Why not.
pub(super) fn check(json: &str) -> Result<(), tokenizers::Error> {
    let parts: Parts = serde_json::from_str(json)?;
    parts.check().map_err(Into::into)
}

impl Parts {
    fn check(&self) -> Result<(), &'static str> {
        // The library counts on from the highest.
        let added = self.added_tokens.iter().map(|token| token.id.into());
        if added.fold(self.model.vocab.largest_id, u64::max) > i32::MAX as u64 {
            return Err("it numbers a token beyond all measure");
        }
        // The library puts merged pieces together in room for the longest piece of the vocabulary, and cuts as many bytes off
        // the second as the prefix has, whether it begins so or not.
        let merges = self.model.merges.as_ref();
        if merges.is_some_and(|merges| merges.longest > self.model.vocab.longest) {
            return Err("it merges pieces to one that is not in its vocabulary");
        }
        let prefix = self.model.continuing_subword_prefix.as_deref();
        if merges.is_some() && prefix.is_some_and(|prefix| !prefix.is_empty()) {
            return Err("it merges pieces with a prefix, which no BERT or BART does");
        }
        let patterns: usize = [&self.normalizer, &self.pre_tokenizer, &self.decoder]
            .into_iter()
            .map(patterns)
            .sum();
        if patterns > MOST_PATTERNS {
            return Err("it has more regular expressions than any tokenizer needs");
        }
        let parts = [&self.normalizer, &self.pre_tokenizer, &self.decoder];
        if parts.into_iter().any(repeats_beyond_measure) {
            return Err("one of its regular expressions repeats beyond all measure");
        }
        charsmap::check(&self.normalizer)
    }
}

/// How many regular expressions a part has.
fn patterns(part: &Value) -> usize {
    match part {
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Object(fields) => {
            let own = usize::from(fields.contains_key("Regex"));
            own + fields.values().map(patterns).sum::<usize>()
        }
        _ => 0,
    }
}

/// Whether one of a part's regular expressions counts to ten thousand or more: lengths are added up without a look at the
/// numbers' end.
fn repeats_beyond_measure(part: &Value) -> bool {
    match part {
        Value::Array(items) => items.iter().any(repeats_beyond_measure),
        Value::Object(fields) => {
            let own = fields.get("Regex").and_then(Value::as_str);
            own.is_some_and(counts_far) || fields.values().any(repeats_beyond_measure)
        }
        _ => false,
    }
}

fn counts_far(pattern: &str) -> bool {
    let braces = pattern.split('{').skip(1);
    let mut insides = braces.filter_map(|rest| rest.split('}').next());
    insides.any(|inside| {
        let mut numbers = inside.split(',');
        numbers.any(|number| number.len() > 4 && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pieces;
        impl<'de> Visitor<'de> for Pieces {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a vocabulary")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
                let mut found = Vocabulary::default();
                while let Some((piece, id)) = map.next_entry::<String, Value>()? {
                    found.longest = found.longest.max(piece.len());
                    found.largest_id = found.largest_id.max(id.as_u64().unwrap_or(0));
                }
                Ok(found)
            }

            /// Pieces with their scores: nothing that matters here.
            fn visit_seq<A: SeqAccess<'de>>(self, mut pieces: A) -> Result<Vocabulary, A::Error> {
                while let Some(IgnoredAny) = pieces.next_element()? {}
                Ok(Vocabulary::default())
            }
        }
        deserializer.deserialize_any(Pieces)
    }
}

/// `"a b"`, or `["a", "b"]`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Line(String),
    Pair(String, String),
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lines;
        impl<'de> Visitor<'de> for Lines {
            type Value = Merges;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of merges")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut merges: A) -> Result<Merges, A::Error> {
                let mut longest = 0;
                while let Some(merge) = merges.next_element()? {
                    longest = longest.max(match merge {
                        Merge::Line(line) => line.len().saturating_sub(1),
                        Merge::Pair(first, second) => first.len() + second.len(),
                    });
                }
                Ok(Merges { longest })
            }
        }
        deserializer.deserialize_seq(Lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_stumbles_over_is_refused() {
        let regex = r#"{"Regex":"a"}"#;
        let many = format!(
            r#"{{"normalizer":[{}{regex}]}}"#,
            format!("{regex},").repeat(16)
        );
        for json in [
            r#"{"decoder":{"a":"\ud800"}}"#,
            r#"{"added_tokens":[{"id":4294967295}]}"#,
            r#"{"model":{"vocab":{"a":4294967295}}}"#,
            r#"{"model":{"vocab":{"a":0,"b":1},"merges":[["a","b"]]}}"#,
            r#"{"model":{"vocab":{"a":0,"b":1},"merges":["a b"]}}"#,
            r#"{"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"],"continuing_subword_prefix":"@@"}}"#,
            r#"{"normalizer":{"type":"Precompiled"}}"#,
            r#"{"decoder":[{"pattern":{"Regex":"a {2,18446744073709551615}"}}]}"#,
            &many,
        ] {
            assert!(check(json).is_err(), "{json}");
        }
        for json in [
            "{}",
            r#"{"normalizer":null,"decoder":null,"added_tokens":[{"id":3}]}"#,
            r#"{"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"],"continuing_subword_prefix":""}}"#,
            r#"{"model":{"vocab":[["a",0.5]],"merges":null}}"#,
            r#"{"normalizer":{"pattern":{"Regex":" {2,}|\\p{L}{1,3}|[\\x{1F600}]"}}}"#,
        ] {
            assert!(check(json).is_ok(), "{json}");
        }
    }
}
