//! What a model file's header says of the model, for those who keep the file without loading it.

use serde::{Deserialize, Serialize};
use unmask_gguf::{Decoder, Header, Limits, StreamError};

/// A model, as its file's header describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What its makers call it.
    pub name: Option<String>,
    /// `bert` or `bart`.
    pub architecture: String,
    /// `Q8_0` and so on.
    pub quantization: String,
    /// Stored parameters.
    pub parameters: u64,
    /// Its task heads.
    pub heads: Vec<Head>,
    /// Its generation tasks by name.
    pub tasks: Vec<String>,
    /// SPDX expression.
    pub license: Option<String>,
    /// Which version of its source it is.
    pub revision: Option<String>,
    /// The whole file's length.
    pub bytes: u64,
}

/// One task head.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Head {
    /// By which it is asked for.
    pub name: String,
    /// `masked-lm` and so on.
    pub kind: String,
    /// Its labels in order.
    #[serde(default)]
    pub labels: Vec<String>,
}

#[derive(Deserialize)]
struct Task {
    name: String,
}

impl Facts {
    /// Reads them; what is missing or malformed is left out, since only a model that is loaded needs all.
    pub fn of(header: &Header) -> Self {
        let text = |key: &str| header.text(key).map(str::to_owned);
        let tasks: Vec<Task> = list(header, "unmask.tasks");
        let count = |shape: &[usize]| shape.iter().map(|&n| n as u64).product::<u64>();
        Self {
            name: text("general.name"),
            architecture: text("general.architecture").unwrap_or_default(),
            quantization: text("unmask.quantization").unwrap_or_else(|| "mixed".to_owned()),
            parameters: header.tensors.iter().map(|t| count(&t.shape)).sum(),
            heads: list(header, "unmask.heads"),
            tasks: tasks.into_iter().map(|task| task.name).collect(),
            license: text("general.license"),
            revision: text("general.source.revision"),
            bytes: header.file_bytes(),
        }
    }
}

fn list<T: for<'de> Deserialize<'de>>(header: &Header, key: &str) -> Vec<T> {
    header
        .text(key)
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default()
}

/// Reads a file's header as its bytes pass by, and sees whether the file ends where it says.
pub struct Watch {
    decoder: Option<Decoder>,
    facts: Option<Facts>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            decoder: Some(Decoder::new(Limits::default())),
            facts: None,
        }
    }
}

impl Watch {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// A sentence where they cannot be a model file's.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(());
        };
        let pushed = decoder.push_pieces(bytes, &mut |_, _| Ok::<(), std::convert::Infallible>(()));
        if let Err(StreamError::Gguf(error)) = pushed {
            self.decoder = None;
            return Err(error.to_string());
        }
        if self.facts.is_none() {
            self.facts = decoder.header().map(Facts::of);
        }
        Ok(())
    }

    /// What the header says, once it is there.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    /// What the header says, if the file ends here.
    ///
    /// # Errors
    /// A sentence where something is missing.
    pub fn finish(self) -> Result<Facts, String> {
        let decoder = self.decoder.ok_or("The file is no model file.")?;
        let header = decoder.finish().map_err(|error| error.to_string())?;
        Ok(Facts::of(&header))
    }
}
