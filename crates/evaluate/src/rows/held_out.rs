//! Masked words and next sentences on the prose that training never saw; `training/README.md` has the rules.

use unmask_transformer::bert::Bert;
use unmask_transformer::{Encoding, HeadKind, MaskPattern};

use super::{Limit, Measured, each, percent};
use crate::data::Data;
use crate::error::{Error, Result};
use crate::hash::hash32;

/// Tokens of a window, the special ones not counted.
const WINDOW: usize = 126;
/// Shorter windows are left out.
const SHORTEST: usize = 32;
/// Tokens of a first segment; a second one has one more.
const HALF: usize = 62;
/// Tokens that must lie on either side of a boundary.
const MARGIN: usize = 16;

/// A stretch of a document, and which of its tokens are masked, by their places in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The tokens as they are.
    pub ids: Vec<u32>,
    /// Places in `ids`.
    pub masked: Vec<usize>,
}

/// The windows of document `number`, whose tokens are `ids`.
pub fn windows(number: u32, ids: &[u32]) -> Vec<Window> {
    let window = |(w, chunk): (usize, &[u32])| {
        let is_masked = |&place: &usize| hash32([number, (w * WINDOW + place) as u32]) % 100 < 15;
        Window {
            ids: chunk.to_vec(),
            masked: (0..chunk.len()).filter(is_masked).collect(),
        }
    };
    let windows = ids.chunks(WINDOW).enumerate().map(window);
    windows
        .filter(|window| window.ids.len() >= SHORTEST && !window.masked.is_empty())
        .collect()
}

/// Two segments, and whether the second follows the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The tokens before a boundary.
    pub first: Vec<u32>,
    /// The tokens after it, or others.
    pub second: Vec<u32>,
    /// Which of the two.
    pub follows: bool,
}

/// The pairs of all test documents: the number of each, and its paragraphs' tokens.
pub fn pairs(documents: &[(u32, Vec<Vec<u32>>)]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (d, (number, paragraphs)) in documents.iter().enumerate() {
        let flat = paragraphs.concat();
        let mut at = 0;
        for (k, paragraph) in paragraphs
            .iter()
            .enumerate()
            .take(paragraphs.len().saturating_sub(1))
        {
            at += paragraph.len();
            if at < MARGIN || flat.len() - at < MARGIN {
                continue;
            }
            let k = k as u32;
            let follows = hash32([*number, k]).is_multiple_of(2);
            let second: Vec<u32> = match follows {
                true => flat[at..].iter().take(HALF + 1).copied().collect(),
                false => {
                    let (_, other) = &documents[(d + 1) % documents.len()];
                    let begin = hash32([*number, k, 1]) as usize % other.len();
                    other[begin..]
                        .iter()
                        .flatten()
                        .take(HALF + 1)
                        .copied()
                        .collect()
                }
            };
            pairs.push(Pair {
                first: flat[at.saturating_sub(HALF)..at].to_vec(),
                second,
                follows,
            });
        }
    }
    pairs
}

/// The vocabulary's ids of the pieces of `text`, no special tokens.
pub(super) fn pieces(bert: &Bert, text: &str) -> Result<Vec<u32>> {
    let tokens = bert.tokenizer.encode(text, None, usize::MAX)?.tokens;
    Ok(tokens
        .iter()
        .filter(|token| !token.special)
        .map(|token| token.id)
        .collect())
}

/// One segment or two, with BERT's special tokens around them.
pub(super) fn encoding(bert: &Bert, first: &[u32], second: Option<&[u32]>) -> Result<Encoding> {
    let special = |token: &str| {
        let id = bert.tokenizer.token_to_id(token);
        id.ok_or_else(|| Error::Said(format!("The model's vocabulary has no {token}.")))
    };
    let (cls, sep) = (special("[CLS]")?, special("[SEP]")?);
    let mut ids = [&[cls], first, &[sep]].concat();
    let mut type_ids = vec![0; ids.len()];
    if let Some(second) = second {
        ids.extend(second.iter().chain(&[sep]));
        type_ids.resize(ids.len(), 1);
    }
    Ok(Encoding {
        ids,
        type_ids,
        ..Encoding::default()
    })
}

/// The tokens of every held-out document by paragraph, after its number.
fn documents(bert: &Bert, data: &Data) -> Result<Vec<(u32, Vec<Vec<u32>>)>> {
    each(data.held_out_prose()?, |document| {
        let paragraphs = document
            .paragraphs
            .iter()
            .map(|paragraph| pieces(bert, paragraph));
        Ok((document.number, paragraphs.collect::<Result<_>>()?))
    })
}

/// The share of masked words that come first, and that are among the first five.
pub fn masked_words(bert: &Bert, data: &Data, limit: Limit) -> Result<Measured> {
    let windows = documents(bert, data)?
        .iter()
        .flat_map(|(number, paragraphs)| windows(*number, &paragraphs.concat()))
        .collect();
    let (windows, is_sample) = limit.of(windows);
    let mask = bert.tokenizer.mask_id();
    let mask = mask.ok_or_else(|| Error::Said("The model's vocabulary has no mask.".into()))?;
    let hits = each(&windows, |window| {
        let mut spoilt = window.ids.clone();
        window.masked.iter().for_each(|&place| spoilt[place] = mask);
        let encoding = encoding(bert, &spoilt, None)?;
        let states = bert.forward(&encoding, &MaskPattern::Bidirectional, None)?;
        let places: Vec<u32> = window
            .masked
            .iter()
            .map(|&place| place as u32 + 1)
            .collect();
        let logits = bert.masked_lm_logits(&states, &places)?;
        let logits = logits
            .to_vec2::<f32>()
            .map_err(unmask_transformer::Error::from)?;
        let ranks = window.masked.iter().zip(&logits).map(|(&place, logits)| {
            let right = logits[window.ids[place] as usize];
            logits.iter().filter(|&&logit| logit > right).count()
        });
        let (mut first, mut five) = (0, 0);
        for rank in ranks {
            first += usize::from(rank == 0);
            five += usize::from(rank < 5);
        }
        Ok((first, five))
    })?;
    let masks = windows.iter().map(|window| window.masked.len()).sum();
    let (first, five) = hits
        .iter()
        .fold((0, 0), |(a, b), (first, five)| (a + first, b + five));
    Ok(Measured {
        figures: vec![percent(first, masks), percent(five, masks)],
        unit: "masks",
        items: masks,
        is_sample,
    })
}

/// The share of pairs told right.
pub fn next_sentences(bert: &Bert, data: &Data, limit: Limit) -> Result<Measured> {
    let (pairs, is_sample) = limit.of(pairs(&documents(bert, data)?));
    let head = bert.head(HeadKind::NextSentence, None)?;
    let right = each(&pairs, |pair| {
        let logits =
            bert.sequence_logits(&encoding(bert, &pair.first, Some(&pair.second))?, head)?;
        Ok((logits[0] >= logits[1]) == pair.follows)
    })?;
    Ok(Measured::share(&right, "pairs", is_sample))
}
