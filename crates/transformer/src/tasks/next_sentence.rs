//! Does one sentence follow another?

use super::{probabilities, require_text};
use crate::bert::Bert;
use crate::{HeadKind, Result, Truncation};

/// How likely the second text follows the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NextSentence {
    /// Probability that it does.
    pub is_next: f32,
    /// Set where the texts were longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// How likely `b` follows `a`. BERT's label 0 is "is next".
///
/// # Errors
/// `Input` for an empty text, `Unsupported` for a model without a next-sentence head.
pub fn next_sentence(bert: &Bert, a: &str, b: &str) -> Result<NextSentence> {
    let head = bert.head(HeadKind::NextSentence, None)?;
    require_text(a, "The first sentence")?;
    require_text(b, "The second sentence")?;
    let encoding = bert.encode(a, Some(b))?;
    let logits = bert.sequence_logits(&encoding, head)?;
    Ok(NextSentence {
        is_next: probabilities(&logits)[0],
        truncation: encoding.truncation,
    })
}
