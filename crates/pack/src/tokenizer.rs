//! A checkpoint's tokenizer as the text of a `tokenizer.json`: its own, or built from the vocabulary files of old.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Error;
use crate::json::{self, Object};
use crate::read_at::{Folder, text};

/// The largest tokenizers of the field (250,000 pieces) have about 20 MB.
const TOKENIZER_LIMIT: u64 = 32 << 20;

/// What splits text into tokens.
#[derive(Debug, PartialEq)]
pub(crate) struct Tokenizers {
    /// For the input.
    pub source: String,
    /// For the output, where that's another one.
    pub target: Option<String>,
}

impl Tokenizers {
    /// Takes the checkpoint's tokenizer, or makes one.
    pub fn read(folder: &dyn Folder, config: &Object) -> Result<Self, Error> {
        let tokenizer = |source| Self {
            source,
            target: None,
        };
        let file = |name| text(folder, name, TOKENIZER_LIMIT);
        if let Some(source) = file("tokenizer.json")? {
            // Parsed to be sure, kept verbatim.
            json::parse::<json::Shallow>("tokenizer.json", &source)?;
            return Ok(Self {
                target: file("tokenizer.target.json")?,
                ..tokenizer(source)
            });
        }
        if let Some(vocabulary) = file("vocab.txt")? {
            let settings = Object::read(folder, "tokenizer_config.json")?;
            return Ok(tokenizer(word_piece(&vocabulary, settings.as_ref())?));
        }
        if let (Some(vocabulary), Some(merges)) = (file("vocab.json")?, file("merges.txt")?) {
            return Ok(tokenizer(byte_level_bpe(&vocabulary, &merges)?));
        }
        if let (Some(graphemes), Some(phonemes)) =
            (config.str("grapheme_chars"), config.str("phoneme_chars"))
        {
            return Ok(Self {
                source: characters(graphemes)?,
                target: Some(characters(phonemes)?),
            });
        }
        Err(Error::MissingFile {
            files: "tokenizer.json, vocab.txt, or vocab.json with merges.txt",
        })
    }
}

type Vocabulary = BTreeMap<String, u32>;

fn unfit(file: &'static str, reason: impl Into<String>) -> Error {
    Error::Tokenizer {
        file,
        reason: reason.into(),
    }
}

fn id(vocabulary: &Vocabulary, file: &'static str, token: &str) -> Result<u32, Error> {
    vocabulary
        .get(token)
        .copied()
        .ok_or_else(|| unfit(file, format!("it lacks {token}")))
}

/// The tokens that stand for themselves wherever the text has them.
fn added_tokens(vocabulary: &Vocabulary, tokens: &[&str]) -> Vec<Value> {
    let mut added: Vec<_> = tokens
        .iter()
        .filter_map(|token| Some((*vocabulary.get(*token)?, *token)))
        .collect();
    added.sort_unstable();
    added
        .into_iter()
        .map(|(id, content)| {
            // RoBERTa's and BART's mask takes the space before it along, BERT's leaves it.
            let lstrip = content == "<mask>";
            json!({ "id": id, "content": content, "single_word": false, "lstrip": lstrip, "rstrip": false,
                "normalized": false, "special": true })
        })
        .collect()
}

/// BERT's: `vocab.txt` has a piece a line.
fn word_piece(lines: &str, settings: Option<&Object>) -> Result<String, Error> {
    let vocabulary: Vocabulary = lines
        .lines()
        .map(|line| line.trim_end().to_owned())
        .zip(0..)
        .collect();
    let setting = |key: &str| settings.and_then(|settings| settings.fields.get(key));
    let name = |key: &str, default: &'static str| {
        setting(key)
            .and_then(Value::as_str)
            .unwrap_or(default)
            .to_owned()
    };
    let (unk, sep, pad) = (
        name("unk_token", "[UNK]"),
        name("sep_token", "[SEP]"),
        name("pad_token", "[PAD]"),
    );
    let (cls, mask) = (name("cls_token", "[CLS]"), name("mask_token", "[MASK]"));
    let (cls_id, sep_id) = (
        id(&vocabulary, "vocab.txt", &cls)?,
        id(&vocabulary, "vocab.txt", &sep)?,
    );
    id(&vocabulary, "vocab.txt", &unk)?;
    let special =
        |token: &str, type_id: u32| json!({ "SpecialToken": { "id": token, "type_id": type_id } });
    let sequence =
        |name: &str, type_id: u32| json!({ "Sequence": { "id": name, "type_id": type_id } });
    let single = [special(&cls, 0), sequence("A", 0), special(&sep, 0)];
    let pair = single
        .iter()
        .cloned()
        .chain([sequence("B", 1), special(&sep, 1)])
        .collect::<Vec<_>>();
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added_tokens(&vocabulary, &[&pad, &unk, &cls, &sep, &mask]),
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true,
            "handle_chinese_chars": setting("tokenize_chinese_chars").and_then(Value::as_bool).unwrap_or(true),
            "strip_accents": setting("strip_accents").and_then(Value::as_bool),
            "lowercase": setting("do_lower_case").and_then(Value::as_bool).unwrap_or(true),
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "TemplateProcessing", "single": single, "pair": pair,
            "special_tokens": {
                &cls: { "id": &cls, "ids": [cls_id], "tokens": [&cls] },
                &sep: { "id": &sep, "ids": [sep_id], "tokens": [&sep] },
            },
        },
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": {
            "type": "WordPiece", "unk_token": &unk, "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    })
    .to_string())
}

/// BART's: `vocab.json` has the pieces, `merges.txt` a pair a line in the order of their merging.
fn byte_level_bpe(vocabulary: &str, merges: &str) -> Result<String, Error> {
    let vocabulary: Vocabulary = json::parse("vocab.json", vocabulary)?;
    let mut pairs = Vec::new();
    for line in merges
        .lines()
        .filter(|line| !line.starts_with("#version") && !line.is_empty())
    {
        let pair = line
            .split_once(' ')
            .ok_or_else(|| unfit("merges.txt", format!("no pair: {line:?}")))?;
        pairs.push(pair);
    }
    let special =
        |token: &str| Ok::<_, Error>(json!([token, id(&vocabulary, "vocab.json", token)?]));
    let byte_level = |add_prefix_space: bool| json!({ "type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": true, "use_regex": true });
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added_tokens(&vocabulary, &["<s>", "<pad>", "</s>", "<unk>", "<mask>"]),
        "normalizer": null,
        "pre_tokenizer": byte_level(false),
        "post_processor": {
            "type": "RobertaProcessing", "sep": special("</s>")?, "cls": special("<s>")?,
            "trim_offsets": true, "add_prefix_space": false,
        },
        "decoder": byte_level(true),
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": pairs,
        },
    })
    .to_string())
}

/// A letter-to-sound model's: a character's place in the table is its id. The first four places are `_` and stand for
/// padding, beginning, end and unknown, so that an underscore in the text is unknown too.
fn characters(table: &str) -> Result<String, Error> {
    const SPECIAL: [&str; 4] = ["<pad>", "<s>", "</s>", "<unk>"];
    let unfit = |reason| unfit("config.json", reason);
    let letters = table
        .strip_prefix("____")
        .ok_or_else(|| unfit("its tables begin with ____ for special tokens"))?;
    let mut vocabulary: Vocabulary = SPECIAL
        .iter()
        .map(|token| token.to_string())
        .zip(0..)
        .collect();
    for (letter, id) in letters.chars().zip(4..) {
        if vocabulary.insert(letter.to_string(), id).is_some() {
            return Err(unfit("a character comes twice in one of its tables"));
        }
    }
    let special = |token: &str| json!({ "SpecialToken": { "id": token, "type_id": 0 } });
    let sequence = |name: &str| json!({ "Sequence": { "id": name, "type_id": 0 } });
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added_tokens(&vocabulary, &SPECIAL),
        "normalizer": null,
        // Each character is a word; [\s\S] is any, line breaks included.
        "pre_tokenizer": { "type": "Split", "pattern": { "Regex": "[\\s\\S]" }, "behavior": "Isolated", "invert": false },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("<s>"), sequence("A"), special("</s>")],
            "pair": [special("<s>"), sequence("A"), special("</s>"), sequence("B"), special("</s>")],
            "special_tokens": {
                "<s>": { "id": "<s>", "ids": [1], "tokens": ["<s>"] },
                "</s>": { "id": "</s>", "ids": [2], "tokens": ["</s>"] },
            },
        },
        "decoder": { "type": "Fuse" },
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>" },
    })
    .to_string())
}
