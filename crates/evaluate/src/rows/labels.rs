//! Labels of whole texts and of words, on the labelled sets' own evaluation splits.

use unmask_transformer::HeadKind;
use unmask_transformer::bert::Bert;
use unmask_transformer::tasks::classify::SequenceClassifier;

use super::held_out::{encoding, pieces};
use super::{Limit, Measured, each, percent};
use crate::data::Data;
use crate::error::{Error, Result};
use crate::metrics::entities::spans;

/// Most tokens of a text or a sentence.
const TEXT: usize = 126;
/// Most tokens of a premise, and of a hypothesis.
const PREMISE: usize = 90;
const HYPOTHESIS: usize = 35;
/// Shorter paragraphs have no topic.
const PARAGRAPH: usize = 100;

/// The subject of each of OpenStax's books.
const TOPICS: [(&str, &str); 21] = [
    ("introduction-political-science", "Politics"),
    ("american-government", "Politics"),
    ("anatomy-physiology", "Anatomy"),
    ("microbiology", "Microbiology"),
    ("astronomy", "Astronomy"),
    ("chemistry-bundle", "Chemistry"),
    ("college-physics-bundle", "Physics"),
    ("psychology", "Psychology"),
    ("introduction-sociology", "Sociology"),
    ("introduction-anthropology", "Anthropology"),
    ("introduction-philosophy", "Philosophy"),
    ("principles-economics-bundle", "Economics"),
    ("introduction-business", "Business"),
    ("business-ethics", "Business"),
    ("entrepreneurship", "Business"),
    ("principles-marketing", "Business"),
    ("introduction-intellectual-property", "Law"),
    ("us-history", "History"),
    ("world-history", "History"),
    ("writing-guide", "Writing"),
    ("college-success", "Study skills"),
];

/// What WNUT 2017 calls the kinds that the head knows.
const WNUT_KINDS: [(&str, &str); 6] = [
    ("person", "PER"),
    ("location", "LOC"),
    ("corporation", "ORG"),
    ("group", "ORG"),
    ("creative-work", "MISC"),
    ("product", "MISC"),
];

/// A text, perhaps with a second one, and its label.
struct Example {
    first: String,
    second: Option<String>,
    label: String,
}

fn accuracy(
    bert: &Bert,
    head: &str,
    limits: [usize; 2],
    examples: Vec<Example>,
    limit: Limit,
) -> Result<Measured> {
    let (examples, is_sample) = limit.of(examples);
    let head = bert.classification_head(Some(head))?;
    let right = each(&examples, |example| {
        let cut = |text: &str, most: usize| {
            let mut ids = pieces(bert, text)?;
            ids.truncate(most);
            Ok::<_, Error>(ids)
        };
        let first = cut(&example.first, limits[0])?;
        let second = example
            .second
            .as_deref()
            .map(|text| cut(text, limits[1]))
            .transpose()?;
        let logits =
            bert.classification_logits(&encoding(bert, &first, second.as_deref())?, head)?;
        Ok(head.labels[highest(&logits)] == example.label)
    })?;
    Ok(Measured::share(&right, "texts", is_sample))
}

fn highest(logits: &[f32]) -> usize {
    (0..logits.len())
        .rev()
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        .unwrap_or(0)
}

pub fn sentiment(bert: &Bert, data: &Data, limit: Limit) -> Result<Measured> {
    let example = |mut row: std::collections::HashMap<String, String>| Example {
        label: if row["label"] == "1" {
            "positive"
        } else {
            "negative"
        }
        .to_owned(),
        first: row.remove("sentence").unwrap_or_default(),
        second: None,
    };
    let examples = data.tsv("sst2/dev.tsv")?.into_iter().map(example);
    accuracy(bert, "sentiment", [TEXT; 2], examples.collect(), limit)
}

pub fn nli(bert: &Bert, data: &Data, limit: Limit) -> Result<Measured> {
    let example = |mut row: std::collections::HashMap<String, String>| Example {
        label: row.remove("label").unwrap_or_default(),
        first: row.remove("premise").unwrap_or_default(),
        second: row.remove("hypothesis"),
    };
    let examples = data
        .tsv("nli/snli-devtest.test.tsv")?
        .into_iter()
        .map(example);
    accuracy(
        bert,
        "nli",
        [PREMISE, HYPOTHESIS],
        examples.collect(),
        limit,
    )
}

pub fn topic(bert: &Bert, data: &Data, limit: Limit) -> Result<Measured> {
    let mut examples = Vec::new();
    for document in data
        .held_out_prose()?
        .iter()
        .filter(|document| document.source == "openstax")
    {
        let book = document
            .title
            .strip_prefix("osbooks-")
            .and_then(|title| title.split('/').next());
        let known = TOPICS.iter().find(|(name, _)| Some(*name) == book);
        let (_, topic) = known
            .ok_or_else(|| Error::Said(format!("No subject is known for {}.", document.title)))?;
        let long = document
            .paragraphs
            .iter()
            .filter(|text| text.chars().count() >= PARAGRAPH);
        examples.extend(long.map(|text| Example {
            first: text.clone(),
            second: None,
            label: (*topic).to_owned(),
        }));
    }
    accuracy(bert, "topic", [TEXT; 2], examples, limit)
}

pub fn wikigold(bert: &Bert, data: &Data, limit: Limit) -> Result<Measured> {
    entities(bert, data, "ner/wikigold.test.conll", limit)
}

pub fn wnut(bert: &Bert, data: &Data, limit: Limit) -> Result<Measured> {
    entities(bert, data, "ner/wnut17.test.conll", limit)
}

/// F1 of whole entities; the label of a word is that of its first piece.
fn entities(bert: &Bert, data: &Data, file: &str, limit: Limit) -> Result<Measured> {
    let (sentences, is_sample) = limit.of(data.conll(file)?);
    let head = bert.head(HeadKind::TokenClassification, None)?;
    let unknown = bert.tokenizer.token_to_id("[UNK]").unwrap_or_default();
    let counts = each(&sentences, |sentence| {
        let (mut ids, mut firsts, mut truth) = (Vec::new(), Vec::new(), Vec::new());
        for (word, tag) in sentence.words.iter().zip(&sentence.tags) {
            let mut found = pieces(bert, word)?;
            if found.is_empty() {
                found.push(unknown);
            }
            if ids.len() < TEXT {
                firsts.push(ids.len() + 1);
                truth.push(known_tag(tag));
            }
            ids.extend(found);
        }
        ids.truncate(TEXT);
        let logits = bert.token_logits(&encoding(bert, &ids, None)?, head)?;
        let guess: Vec<&str> = firsts
            .iter()
            .map(|&at| head.labels[highest(&logits[at])].as_str())
            .collect();
        let truth: Vec<&str> = truth.iter().map(String::as_str).collect();
        let (guess, truth) = (spans(&guess), spans(&truth));
        let right = guess.iter().filter(|span| truth.contains(span)).count();
        Ok((right, guess.len() + truth.len(), truth.len()))
    })?;
    let [right, both, wanted] = counts.iter().fold([0; 3], |sum, &(a, b, c)| {
        [sum[0] + a, sum[1] + b, sum[2] + c]
    });
    Ok(Measured {
        figures: vec![percent(2 * right, both)],
        unit: "entities",
        items: wanted,
        is_sample,
    })
}

/// `B-person` to `B-PER`.
fn known_tag(tag: &str) -> String {
    let Some((mark, kind)) = tag.split_once('-') else {
        return tag.to_owned();
    };
    let known = WNUT_KINDS.iter().find(|(name, _)| *name == kind);
    format!("{mark}-{}", known.map_or(kind, |(_, known)| known))
}
