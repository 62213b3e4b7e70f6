//! Sentence embeddings: mean-pooled over all tokens, of length one, so that a dot product is a cosine.

use super::{Steps, require_text};
use crate::bert::Bert;
use crate::{Error, Result};

/// Embeds texts, one a step.
pub struct Embed<'m> {
    bert: &'m Bert,
    texts: std::vec::IntoIter<String>,
    embeddings: Embeddings,
}

/// One embedding for each text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embeddings {
    /// Width of each.
    pub dimensions: usize,
    /// `[texts, dimensions]`, row-major.
    pub values: Vec<f32>,
}

impl<'m> Embed<'m> {
    /// Ready to embed `texts`.
    ///
    /// # Errors
    /// `Input` where there are none, or an empty one.
    pub fn new(bert: &'m Bert, texts: Vec<String>) -> Result<Self> {
        if texts.is_empty() {
            return Err(Error::input("There are no texts.", "Give at least one."));
        }
        for (i, text) in texts.iter().enumerate() {
            require_text(text, &format!("Text {}", i + 1))?;
        }
        Ok(Self {
            bert,
            embeddings: Embeddings {
                dimensions: bert.config.hidden_size,
                values: Vec::with_capacity(texts.len() * bert.config.hidden_size),
            },
            texts: texts.into_iter(),
        })
    }
}

impl Steps for Embed<'_> {
    type Output = Embeddings;

    fn step(&mut self) -> Result<Option<Embeddings>> {
        if let Some(text) = self.texts.next() {
            let encoding = self.bert.encode(&text, None)?;
            self.embeddings
                .values
                .extend(self.bert.embedding(&encoding)?);
        }
        let done = self.texts.len() == 0;
        Ok(done.then(|| std::mem::take(&mut self.embeddings)))
    }
}
