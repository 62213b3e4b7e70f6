//! What every layer has made of every token: the vectors themselves.

use super::require_text;
use crate::bert::Bert;
use crate::{Encoding, Result, Token, Truncation};

/// The vectors of a text's tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct HiddenStates {
    /// The tokens, special ones among them.
    pub tokens: Vec<Token>,
    /// How many states each token has: one before the first layer, and one behind each.
    pub states: usize,
    /// Width of each vector.
    pub dimensions: usize,
    /// `[states, tokens, dimensions]`, row-major.
    pub values: Vec<f32>,
    /// Set where the text was longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// The hidden states of a BERT that reads `text`, and `pair` behind it.
///
/// # Errors
/// `Input` for an empty text.
pub fn hidden_states(bert: &Bert, text: &str, pair: Option<&str>) -> Result<HiddenStates> {
    require_text(text, "The text")?;
    let encoding = bert.encode(text, pair)?;
    let states = bert.hidden_states(&encoding)?;
    let mut values = Vec::new();
    for state in &states {
        values.extend(state.flatten_all()?.to_vec1::<f32>()?);
    }
    let Encoding {
        tokens, truncation, ..
    } = encoding;
    Ok(HiddenStates {
        tokens,
        states: states.len(),
        dimensions: bert.config.hidden_size,
        values,
        truncation,
    })
}
