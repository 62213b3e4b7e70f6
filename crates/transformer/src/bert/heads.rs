//! The heads: small layers that turn hidden states into logits for a task.

use candle_core::{D, Tensor};

use super::{Bert, Config};
use crate::compute::TopK;
use crate::{
    Activation, Embedding, Encoding, Error, HeadKind, HeadSpec, LayerNorm, Linear, MaskPattern,
    Result, Weights,
};

/// A head of one of the five kinds.
pub(super) struct Head {
    pub(super) spec: HeadSpec,
    layers: HeadLayers,
}

enum HeadLayers {
    /// Logits over the vocabulary at single positions.
    MaskedLm {
        transform: Linear,
        act: Activation,
        norm: LayerNorm,
        decoder: Linear,
    },
    /// The first token speaks for the whole sequence.
    Sequence {
        pooler: Linear,
        act: Activation,
        output: Linear,
    },
    /// Every token for itself.
    Tokens { output: Linear },
}

/// Builds every head of a file. Each takes its tensors from `weights`; `encoder` holds the shared pooler.
pub(super) fn load(
    specs: Vec<HeadSpec>,
    weights: &Weights,
    encoder: &Weights,
    words: &Embedding,
    config: &Config,
) -> Result<Vec<Head>> {
    let hidden = config.hidden_size;
    let mut shared_pooler: Option<Linear> = None;
    let mut pooler = |prefix: &Weights| -> Result<(Linear, Activation)> {
        if prefix.contains("dense.weight") {
            return Ok((prefix.pp("dense").linear(hidden, hidden)?, Activation::Tanh));
        }
        let (at, act) = match config.is_distilbert() {
            true => (weights.pp("pre_classifier"), Activation::Relu),
            false => (encoder.pp("pooler.dense"), Activation::Tanh),
        };
        let pooler = match shared_pooler.take() {
            Some(pooler) => pooler,
            None => at.linear(hidden, hidden)?,
        };
        shared_pooler = Some(pooler.clone());
        Ok((pooler, act))
    };

    let mut heads: Vec<Head> = Vec::with_capacity(specs.len());
    for mut spec in specs {
        if heads.iter().any(|head| head.spec.name == spec.name) {
            return Err(Error::integrity(format!(
                "The file has two heads named {}.",
                spec.name
            )));
        }
        let prefix = weights.pp(match spec.prefix.as_str() {
            "" => default_prefix(spec.kind),
            prefix => prefix,
        });
        let layers = match spec.kind {
            HeadKind::MaskedLm => masked_lm(weights, &prefix, words, config)?,
            HeadKind::NextSentence | HeadKind::SequenceClassification => {
                name_labels(&mut spec, &prefix);
                let (pooler, act) = pooler(&prefix)?;
                let output = prefix.linear(hidden, spec.labels.len())?;
                HeadLayers::Sequence {
                    pooler,
                    act,
                    output,
                }
            }
            HeadKind::TokenClassification => {
                name_labels(&mut spec, &prefix);
                let output = prefix.linear(hidden, spec.labels.len())?;
                HeadLayers::Tokens { output }
            }
            HeadKind::QuestionAnswering => HeadLayers::Tokens {
                output: prefix.linear(hidden, 2)?,
            },
        };
        heads.push(Head { spec, layers });
    }
    Ok(heads)
}

/// Where checkpoints with a single head keep it.
fn default_prefix(kind: HeadKind) -> &'static str {
    match kind {
        HeadKind::MaskedLm => "cls.predictions",
        HeadKind::NextSentence => "cls.seq_relationship",
        HeadKind::SequenceClassification | HeadKind::TokenClassification => "classifier",
        HeadKind::QuestionAnswering => "qa_outputs",
    }
}

/// A head whose file names no labels gets numbers for names.
fn name_labels(spec: &mut HeadSpec, prefix: &Weights) {
    if spec.labels.is_empty() {
        let rows = prefix
            .shape("weight")
            .and_then(|shape| shape.first().copied());
        spec.labels = (0..rows.unwrap_or(0))
            .map(|i| format!("LABEL_{i}"))
            .collect();
    }
}

fn masked_lm(
    weights: &Weights,
    prefix: &Weights,
    words: &Embedding,
    config: &Config,
) -> Result<HeadLayers> {
    let (hidden, vocab) = (config.hidden_size, config.vocab_size);
    let (dense, norm, decoder, bias) = match config.is_distilbert() {
        true => (
            weights.pp("vocab_transform"),
            weights.pp("vocab_layer_norm"),
            weights.pp("vocab_projector"),
            weights.pp("vocab_projector"),
        ),
        false => (
            prefix.pp("transform.dense"),
            prefix.pp("transform.LayerNorm"),
            prefix.pp("decoder"),
            match prefix.contains("decoder.bias") {
                true => prefix.pp("decoder"),
                false => prefix.clone(),
            },
        ),
    };
    let table = match config.tie_word_embeddings {
        true => words.table(),
        false => decoder.take("weight", &[vocab, hidden])?,
    };
    Ok(HeadLayers::MaskedLm {
        transform: dense.linear(hidden, hidden)?,
        act: config.hidden_act,
        norm: norm.layer_norm(hidden, config.layer_norm_eps)?,
        decoder: Linear::new(table, Some(bias.dense("bias", &[vocab])?))?,
    })
}

impl Bert {
    /// The head of this kind and name; without a name, the only one of its kind.
    ///
    /// # Errors
    /// `Unsupported` where the model has none of the kind, `Input` for an unknown name or none among several.
    pub fn head(&self, kind: HeadKind, name: Option<&str>) -> Result<&HeadSpec> {
        Ok(&self.find(kind, name)?.spec)
    }

    fn find(&self, kind: HeadKind, name: Option<&str>) -> Result<&Head> {
        let fitting: Vec<&Head> = self
            .heads
            .iter()
            .filter(|head| head.spec.kind == kind)
            .collect();
        let names = || {
            let names: Vec<&str> = fitting.iter().map(|head| head.spec.name.as_str()).collect();
            names.join(", ")
        };
        match (fitting.as_slice(), name) {
            ([], _) => {
                let all: Vec<&str> = self.heads().map(|head| head.name.as_str()).collect();
                let has = match all.as_slice() {
                    [] => "It has no heads at all".to_owned(),
                    all => format!("It has {}", all.join(", ")),
                };
                Err(Error::unsupported(
                    format!("This model has no {} head.", kind.as_str()),
                    format!("{has}: choose another task or another model."),
                ))
            }
            (heads, Some(name)) => {
                let found = heads.iter().find(|head| head.spec.name == name);
                found.copied().ok_or_else(|| {
                    Error::input(
                        format!("This model has no {} head named {name}.", kind.as_str()),
                        format!("Use one of these: {}.", names()),
                    )
                })
            }
            ([head], None) => Ok(head),
            (_, None) => Err(Error::input(
                format!("This model has several {} heads.", kind.as_str()),
                format!("Choose one of these: {}.", names()),
            )),
        }
    }

    /// Masked-LM logits `[positions, vocab]` at some positions of `hidden_states` `[1, tokens, hidden]`. The
    /// vocabulary is the widest layer of all, so nothing is computed for the positions nobody asks about.
    ///
    /// # Errors
    /// `Unsupported` without such a head, `Engine` for positions out of range.
    pub fn masked_lm_logits(&self, hidden_states: &Tensor, positions: &[u32]) -> Result<Tensor> {
        let (transformed, decoder) = self.masked_lm_transform(hidden_states, positions)?;
        decoder.forward(&transformed)
    }

    /// The `count` highest of [`Bert::masked_lm_logits`] at each position.
    ///
    /// # Errors
    /// As [`Bert::masked_lm_logits`].
    pub fn masked_lm_top_k(
        &self,
        hidden_states: &Tensor,
        positions: &[u32],
        count: usize,
    ) -> Result<Vec<TopK>> {
        let (transformed, decoder) = self.masked_lm_transform(hidden_states, positions)?;
        decoder.top_k(&transformed, count)
    }

    /// What the output layer reads at some positions, `[positions, hidden]`, and that layer.
    fn masked_lm_transform(
        &self,
        hidden_states: &Tensor,
        positions: &[u32],
    ) -> Result<(Tensor, &Linear)> {
        let head = self.find(HeadKind::MaskedLm, None)?;
        let HeadLayers::MaskedLm {
            transform,
            act,
            norm,
            decoder,
        } = &head.layers
        else {
            return Err(mixed_up(&head.spec));
        };
        let positions = Tensor::new(positions, hidden_states.device())?;
        let chosen = hidden_states.squeeze(0)?.index_select(&positions, 0)?;
        Ok((norm.forward(&transform.activated(&chosen, *act)?)?, decoder))
    }

    /// Logits `[labels]` of a next-sentence or sequence-classification head for one encoded input.
    ///
    /// # Errors
    /// As [`Bert::head`] and [`Bert::forward`].
    pub fn sequence_logits(&self, encoding: &Encoding, spec: &HeadSpec) -> Result<Vec<f32>> {
        let head = self.find(spec.kind, Some(&spec.name))?;
        let HeadLayers::Sequence {
            pooler,
            act,
            output,
        } = &head.layers
        else {
            return Err(mixed_up(spec));
        };
        let hidden_states = self.forward(encoding, &MaskPattern::Bidirectional, None)?;
        let first = hidden_states.narrow(1, 0, 1)?.squeeze(1)?;
        let pooled = pooler.activated(&first, *act)?;
        Ok(output.forward(&pooled)?.flatten_all()?.to_vec1()?)
    }

    /// Logits for each token `[tokens][outputs]` of a token-classification or question-answering head.
    ///
    /// # Errors
    /// As [`Bert::head`] and [`Bert::forward`].
    pub fn token_logits(&self, encoding: &Encoding, spec: &HeadSpec) -> Result<Vec<Vec<f32>>> {
        let head = self.find(spec.kind, Some(&spec.name))?;
        let HeadLayers::Tokens { output } = &head.layers else {
            return Err(mixed_up(spec));
        };
        let hidden_states = self.forward(encoding, &MaskPattern::Bidirectional, None)?;
        Ok(output.forward(&hidden_states)?.squeeze(0)?.to_vec2()?)
    }

    /// The mean of all tokens' hidden states, brought to length one: `[hidden]`.
    ///
    /// # Errors
    /// As [`Bert::forward`].
    pub fn embedding(&self, encoding: &Encoding) -> Result<Vec<f32>> {
        let hidden_states = self.forward(encoding, &MaskPattern::Bidirectional, None)?;
        let mean = hidden_states.mean(1)?;
        let length = mean.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
        let length = length.maximum(1e-12)?;
        Ok(mean.broadcast_div(&length)?.flatten_all()?.to_vec1()?)
    }
}

/// `load` gives each kind its own layers, so a head found by kind has them.
fn mixed_up(spec: &HeadSpec) -> Error {
    Error::engine(format!(
        "The head {} has the layers of another kind.",
        spec.name
    ))
}
