//! A reader's questions, answered with a model.

pub mod answer;
pub mod attention;
pub mod classify;
pub mod embed;
pub mod fill_mask;
pub mod generate;
pub mod hidden_states;
pub mod label;
pub mod logits;
pub mod next_sentence;

use crate::{Error, Result};

/// Work that is done piece by piece, so that whoever runs it can look up in between, and stop.
pub trait Steps {
    /// What comes of it in the end.
    type Output;

    /// Does one piece, at most one forward pass; gives the result once nothing is left to do. Not to be called again
    /// after that.
    ///
    /// # Errors
    /// Whatever the work meets.
    fn step(&mut self) -> Result<Option<Self::Output>>;

    /// Does all that is left.
    ///
    /// # Errors
    /// As [`Steps::step`].
    fn finish(mut self) -> Result<Self::Output>
    where
        Self: Sized,
    {
        loop {
            if let Some(output) = self.step()? {
                return Ok(output);
            }
        }
    }
}

/// Refuses a text without any word in it; `what` begins the sentence.
fn require_text(text: &str, what: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::input(
            format!("{what} is empty."),
            "Write something there.",
        ));
    }
    Ok(())
}

/// Softmax.
fn probabilities(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut odds: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = odds.iter().sum();
    odds.iter_mut().for_each(|odd| *odd /= sum);
    odds
}
