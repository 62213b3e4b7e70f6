//! What is known of BERT's and BART's checkpoints: which they are, and their tensors' names over the years.

use std::collections::BTreeMap;

use crate::Error;
use crate::checkpoint::{Checkpoint, Dtype, Stored};
use crate::json::Object;

/// The families, by `model_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    Bert,
    DistilBert,
    Bart,
    MBart,
}

use Architecture::*;

/// Copies that a model ties to another tensor, with what they are copies of, for each family.
const BERT_TIED: &[(&str, &str)] = &[
    (
        "cls.predictions.decoder.weight",
        "bert.embeddings.word_embeddings.weight",
    ),
    ("cls.predictions.decoder.bias", "cls.predictions.bias"),
];
const DISTILBERT_TIED: &[(&str, &str)] = &[(
    "vocab_projector.weight",
    "distilbert.embeddings.word_embeddings.weight",
)];
const BART_TIED: &[(&str, &str)] = &[
    ("model.encoder.embed_tokens.weight", "model.shared.weight"),
    ("model.decoder.embed_tokens.weight", "model.shared.weight"),
    ("lm_head.weight", "model.shared.weight"),
];

impl Architecture {
    /// What the configuration says it is.
    pub fn of(config: &Object) -> Result<Self, Error> {
        match config.str("model_type") {
            Some("bert") => Ok(Bert),
            Some("distilbert") => Ok(DistilBert),
            Some("bart") => Ok(Bart),
            Some("mbart") => Ok(MBart),
            other => Err(Error::Architecture {
                model_type: other.unwrap_or("(none)").to_owned(),
            }),
        }
    }

    /// `general.architecture`: the verbatim configuration tells the rest.
    pub fn name(self) -> &'static str {
        if self.is_encoder() { "bert" } else { "bart" }
    }

    /// Whether there is no decoder.
    pub fn is_encoder(self) -> bool {
        matches!(self, Bert | DistilBert)
    }

    /// The prefix that a checkpoint of the bare model lacks, and what its names begin with then.
    fn base(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Bert => ("bert.", &["embeddings.", "encoder.", "pooler."]),
            DistilBert => ("distilbert.", &["embeddings.", "transformer."]),
            Bart | MBart => ("model.", &["shared.", "encoder.", "decoder."]),
        }
    }

    fn tied(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Bert => BERT_TIED,
            DistilBert => DISTILBERT_TIED,
            Bart | MBart => BART_TIED,
        }
    }

    /// Today's name of a tensor.
    fn rename(self, name: &str) -> String {
        let (prefix, bare) = self.base();
        let name = match bare.iter().any(|bare| name.starts_with(bare)) {
            true => format!("{prefix}{name}"),
            false => name.to_owned(),
        };
        // Checkpoints made with TensorFlow say gamma and beta.
        for (old, new) in [
            ("LayerNorm.gamma", "LayerNorm.weight"),
            ("LayerNorm.beta", "LayerNorm.bias"),
        ] {
            if let Some(norm) = name.strip_suffix(old) {
                return format!("{norm}{new}");
            }
        }
        name
    }

    /// The tensors that a file needs by the names they have in it: old names made new, tied copies and counted
    /// positions left out, everything else as it is.
    pub fn select<'c>(
        self,
        checkpoint: &'c Checkpoint,
        config: &Object,
    ) -> Result<BTreeMap<String, &'c Stored>, Error> {
        let mut tensors: BTreeMap<String, &Stored> = BTreeMap::new();
        for (name, stored) in &checkpoint.tensors {
            let name = self.rename(name);
            if matches!(stored.dtype, Dtype::Integer(_)) && name.ends_with("position_ids") {
                continue;
            }
            if tensors.insert(name.clone(), stored).is_some() {
                return Err(Error::DuplicateTensor { name });
            }
        }
        // The loader overwrites tied copies with the original, unless the configuration unties them.
        let untied = config.fields.get("tie_word_embeddings") == Some(&false.into());
        for &(copy, original) in self.tied() {
            if untied && copy.ends_with(".weight") && tensors.contains_key(original) {
                continue;
            }
            if let Some(stored) = tensors.remove(copy) {
                tensors.entry(original.to_owned()).or_insert(stored);
            }
        }
        Ok(tensors)
    }
}
