//! Masked words, and any others: which ones would fit.

use super::require_text;
use crate::bert::Bert;
use crate::{Attending, Encoding, Error, HeadKind, Result, Truncation};

/// Candidates for one mask where nobody says how many.
pub const DEFAULT_TOP_K: usize = 5;

/// Candidates for each mask, in the text's order, or for each position that was asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct FilledMasks {
    /// One entry per mask, or position.
    pub masks: Vec<FilledMask>,
    /// Set where the text was longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// Candidates for one position.
#[derive(Clone, Debug, PartialEq)]
pub struct FilledMask {
    /// Token position in the sequence.
    pub position: usize,
    /// Most probable first.
    pub candidates: Vec<Candidate>,
}

/// One token that might stand at a position.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// As the vocabulary spells it.
    pub token: String,
    /// Vocabulary id.
    pub id: u32,
    /// Softmax over the vocabulary.
    pub probability: f32,
    /// As a reader would write it.
    pub text: String,
}

/// The `top_k` most probable tokens for each mask in `text`, each mask judged on its own.
///
/// # Errors
/// `Input` for a text without a mask, `Unsupported` for a model without a masked-LM head, `Input` for a custom
/// mask of the wrong size and for heads that the model lacks.
pub fn fill_mask<'a>(
    bert: &Bert,
    text: &str,
    top_k: Option<usize>,
    attending: impl Into<Attending<'a>>,
) -> Result<FilledMasks> {
    let (encoding, positions) = mask_positions(bert, text)?;
    candidates(bert, encoding, &positions, top_k, attending)
}

/// The tokens of a text, and where its masks are among them.
///
/// # Errors
/// As [`fill_mask`].
pub(super) fn mask_positions(bert: &Bert, text: &str) -> Result<(Encoding, Vec<u32>)> {
    bert.head(HeadKind::MaskedLm, None)?;
    require_text(text, "The text")?;
    let mask_id = bert.tokenizer.mask_id().ok_or_else(|| {
        Error::unsupported(
            "The model's tokenizer has no mask token.",
            "Choose another model, or convert this one with its own tokenizer.json.",
        )
    })?;
    let encoding = bert.encode(text, None)?;
    let is_mask = |&position: &u32| encoding.ids[position as usize] == mask_id;
    let positions: Vec<u32> = (0..encoding.ids.len() as u32).filter(is_mask).collect();
    if positions.is_empty() {
        return Err(match encoding.truncation {
            Some(truncation) => Error::input(
                format!(
                    "There is no [MASK] in the first {} tokens, all that the model reads.",
                    truncation.kept
                ),
                "Shorten the text around the [MASK].",
            ),
            None => Error::input(
                "The text has no [MASK].",
                "Write [MASK] where a word is missing.",
            ),
        });
    }
    Ok((encoding, positions))
}

/// The `top_k` most probable tokens for each of `positions`, whatever stands there: pre-training asks for the original
/// word also where it left a word as it was, or put another in its place. At a mask this is what [`fill_mask`] says.
///
/// # Errors
/// `Input` for a position beyond the text's tokens and for more positions than tokens, and as [`fill_mask`].
pub fn fill_positions<'a>(
    bert: &Bert,
    text: &str,
    positions: &[usize],
    top_k: Option<usize>,
    attending: impl Into<Attending<'a>>,
) -> Result<FilledMasks> {
    bert.head(HeadKind::MaskedLm, None)?;
    require_text(text, "The text")?;
    let encoding = bert.encode(text, None)?;
    let tokens = encoding.ids.len();
    if positions.len() > tokens {
        return Err(Error::input(
            format!(
                "{} positions are asked about, and the model reads {tokens} tokens of this text.",
                positions.len()
            ),
            "Ask about each position once.",
        ));
    }
    if let Some(beyond) = positions.iter().find(|&&position| position >= tokens) {
        return Err(Error::input(
            format!(
                "There is no token at position {beyond}: the model reads {tokens} of this text."
            ),
            "Ask about positions that tokenize gives for the same text.",
        ));
    }
    let positions: Vec<u32> = positions.iter().map(|&position| position as u32).collect();
    candidates(bert, encoding, &positions, top_k, attending)
}

/// What the masked-LM head says at `positions`, which lie within the encoding.
fn candidates<'a>(
    bert: &Bert,
    encoding: Encoding,
    positions: &[u32],
    top_k: Option<usize>,
    attending: impl Into<Attending<'a>>,
) -> Result<FilledMasks> {
    if positions.is_empty() {
        return Ok(FilledMasks {
            masks: Vec::new(),
            truncation: encoding.truncation,
        });
    }
    let hidden_states = bert.forward(&encoding, attending, None)?;
    let count = top_k.unwrap_or(DEFAULT_TOP_K);
    let rows = bert.masked_lm_top_k(&hidden_states, positions, count)?;
    let masks = positions.iter().zip(rows).map(|(&position, row)| {
        let candidates = row.candidates.iter().map(|candidate| {
            let id = candidate.index as u32;
            Ok(Candidate {
                token: bert.tokenizer.id_to_token(id).unwrap_or_default(),
                id,
                probability: (candidate.logit - row.log_sum_exp).exp(),
                text: bert.tokenizer.text_of(id)?,
            })
        });
        Ok(FilledMask {
            position: position as usize,
            candidates: candidates.collect::<Result<_>>()?,
        })
    });
    Ok(FilledMasks {
        masks: masks.collect::<Result<_>>()?,
        truncation: encoding.truncation,
    })
}
