//! Labels for a whole text: those of a head, or the reader's own by way of entailment (zero-shot).

use super::{Steps, probabilities, require_text};
use crate::bart::Bart;
use crate::bert::Bert;
use crate::{Encoding, Error, HeadKind, HeadSpec, Result, Truncation};

/// What is asked of a text about each label, where nobody says otherwise.
const HYPOTHESIS: &str = "This example is {}.";
/// Each of the reader's labels costs a forward pass.
const MAX_LABELS: usize = 100;

/// Labels, most probable first.
#[derive(Clone, Debug, PartialEq)]
pub struct Classified {
    /// Every label of the head, or of the reader.
    pub labels: Vec<LabelScore>,
    /// Set where the text was longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// A label and how probable it is.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// Softmax, or sigmoid for multi-label heads.
    pub probability: f32,
}

/// A model that can label a whole sequence.
pub trait SequenceClassifier {
    /// Its sequence-classification heads.
    fn classification_heads(&self) -> Vec<&HeadSpec>;

    /// The head of this name; without a name, the only one.
    ///
    /// # Errors
    /// `Unsupported` where there is none, `Input` for an unknown name or none among several.
    fn classification_head(&self, name: Option<&str>) -> Result<&HeadSpec>;

    /// Tokens of a text, or of a pair.
    ///
    /// # Errors
    /// As [`crate::Tokenizer::encode`].
    fn encode_sequence(&self, text: &str, pair: Option<&str>) -> Result<Encoding>;

    /// Logits, one for each of the head's labels.
    ///
    /// # Errors
    /// `Engine` where the computation fails.
    fn classification_logits(&self, encoding: &Encoding, head: &HeadSpec) -> Result<Vec<f32>>;
}

impl SequenceClassifier for Bert {
    fn classification_heads(&self) -> Vec<&HeadSpec> {
        let kind = HeadKind::SequenceClassification;
        self.heads().filter(|head| head.kind == kind).collect()
    }

    fn classification_head(&self, name: Option<&str>) -> Result<&HeadSpec> {
        self.head(HeadKind::SequenceClassification, name)
    }

    fn encode_sequence(&self, text: &str, pair: Option<&str>) -> Result<Encoding> {
        self.encode(text, pair)
    }

    fn classification_logits(&self, encoding: &Encoding, head: &HeadSpec) -> Result<Vec<f32>> {
        self.sequence_logits(encoding, head)
    }
}

impl SequenceClassifier for Bart {
    fn classification_heads(&self) -> Vec<&HeadSpec> {
        self.heads.iter().collect()
    }

    fn classification_head(&self, name: Option<&str>) -> Result<&HeadSpec> {
        let Some(head) = self.heads.first() else {
            return Err(Error::unsupported(
                "This model writes; it has no classification head.",
                "Load a BART that was trained to classify.",
            ));
        };
        match name {
            Some(name) if name != head.name => Err(Error::input(
                format!("This model has no classification head named {name}."),
                format!("Use its only one, {}, or leave the name out.", head.name),
            )),
            _ => Ok(head),
        }
    }

    fn encode_sequence(&self, text: &str, pair: Option<&str>) -> Result<Encoding> {
        self.tokenizer
            .encode(text, pair, self.config.max_position_embeddings)
    }

    fn classification_logits(&self, encoding: &Encoding, _head: &HeadSpec) -> Result<Vec<f32>> {
        Ok(self.classify(&encoding.ids)?.to_vec1()?)
    }
}

/// The labels of a head, for a text or a pair.
///
/// # Errors
/// `Input` for an empty text or an unknown head, `Unsupported` for a model without such heads.
pub fn classify(
    model: &impl SequenceClassifier,
    text: &str,
    pair: Option<&str>,
    head: Option<&str>,
) -> Result<Classified> {
    let head = model.classification_head(head)?;
    require_text(text, "The text")?;
    let encoding = model.encode_sequence(text, pair)?;
    let logits = model.classification_logits(&encoding, head)?;
    let probabilities = match head.multi_label {
        true => logits
            .iter()
            .map(|logit| 1. / (1. + (-logit).exp()))
            .collect(),
        false => probabilities(&logits),
    };
    Ok(Classified {
        labels: ranked(head.labels.clone(), probabilities),
        truncation: encoding.truncation,
    })
}

/// Judges the reader's own labels, one a step: each becomes a hypothesis, and the labels share the probability by
/// how strongly the text entails theirs. Yin et al. 2019, <https://arxiv.org/abs/1909.00161>.
pub struct ZeroShot<'m, M> {
    model: &'m M,
    head: &'m HeadSpec,
    /// Which of the head's labels says that the text entails the hypothesis.
    entailment: usize,
    text: String,
    hypothesis: String,
    labels: Vec<String>,
    logits: Vec<f32>,
    truncation: Option<Truncation>,
}

impl<'m, M: SequenceClassifier> ZeroShot<'m, M> {
    /// Ready to judge `labels`; without a head's name by the first head that knows entailment. A label takes the
    /// place of `{}` in the `hypothesis`, which is "This example is {}." unless given.
    ///
    /// # Errors
    /// `Input` for an empty text or no, empty or too many labels, an unknown head, or a hypothesis without `{}`;
    /// `Unsupported` for a model or a head that knows no entailment.
    pub fn new(
        model: &'m M,
        text: &str,
        labels: &[String],
        head: Option<&str>,
        hypothesis: Option<&str>,
    ) -> Result<Self> {
        let head = match head {
            Some(name) => Some(model.classification_head(Some(name))?),
            None => {
                let heads = model.classification_heads();
                heads.into_iter().find(|head| entailment(head).is_some())
            }
        };
        let found = head.and_then(|head| Some((head, entailment(head)?)));
        let (head, entailment) = found.ok_or_else(|| {
            Error::unsupported(
                "Labels of your own need a head that knows entailment, and this is none.",
                "Leave the labels out, or choose a model trained on natural language inference.",
            )
        })?;
        require_text(text, "The text")?;
        if labels.is_empty() || labels.len() > MAX_LABELS {
            return Err(Error::input(
                format!("There are {} labels.", labels.len()),
                format!("Give between 1 and {MAX_LABELS}."),
            ));
        }
        for label in labels {
            require_text(label, "A label")?;
        }
        let hypothesis = hypothesis.unwrap_or(HYPOTHESIS);
        if !hypothesis.contains("{}") {
            return Err(Error::input(
                "The hypothesis has no place for a label.",
                "Write {} where the label belongs, as in: This is about {}.",
            ));
        }
        Ok(Self {
            model,
            head,
            entailment,
            text: text.to_owned(),
            hypothesis: hypothesis.to_owned(),
            labels: labels.to_vec(),
            logits: Vec::with_capacity(labels.len()),
            truncation: None,
        })
    }
}

impl<M: SequenceClassifier> Steps for ZeroShot<'_, M> {
    type Output = Classified;

    fn step(&mut self) -> Result<Option<Classified>> {
        if let Some(label) = self.labels.get(self.logits.len()) {
            let hypothesis = self.hypothesis.replace("{}", label.trim());
            let encoding = self.model.encode_sequence(&self.text, Some(&hypothesis))?;
            let logits = self.model.classification_logits(&encoding, self.head)?;
            self.logits.push(logits[self.entailment]);
            self.truncation = self.truncation.or(encoding.truncation);
        }
        if self.logits.len() < self.labels.len() {
            return Ok(None);
        }
        Ok(Some(Classified {
            labels: ranked(
                std::mem::take(&mut self.labels),
                probabilities(&self.logits),
            ),
            truncation: self.truncation,
        }))
    }
}

fn entailment(head: &HeadSpec) -> Option<usize> {
    let says_so = |label: &String| label.to_lowercase().starts_with("entail");
    head.labels.iter().position(says_so)
}

fn ranked(labels: Vec<String>, probabilities: Vec<f32>) -> Vec<LabelScore> {
    let mut scores: Vec<LabelScore> = labels
        .into_iter()
        .zip(probabilities)
        .map(|(label, probability)| LabelScore { label, probability })
        .collect();
    scores.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    scores
}
