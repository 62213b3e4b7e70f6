//! Which heads and tasks a checkpoint has: as its configuration says, or as its tensors show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Error;
use crate::architecture::Architecture;
use crate::checkpoint::Stored;
use crate::json::Object;

/// One head, as `unmask.heads` lists it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    name: String,
    kind: Kind,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    prefix: String,
    #[serde(default, skip_serializing_if = "is_false")]
    multi_label: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    null_threshold: Option<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    MaskedLm,
    NextSentence,
    SequenceClassification,
    TokenClassification,
    QuestionAnswering,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::MaskedLm => "masked-lm",
            Self::NextSentence => "next-sentence",
            Self::SequenceClassification => "sequence-classification",
            Self::TokenClassification => "token-classification",
            Self::QuestionAnswering => "question-answering",
        }
    }
}

fn is_false(truth: &bool) -> bool {
    !truth
}

/// One generation task, as `unmask.tasks` lists it; fields beyond the name are for the engine.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    name: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// What a model can do.
#[derive(Debug, PartialEq)]
pub(crate) struct Abilities {
    pub heads: Vec<Head>,
    pub tasks: Vec<Task>,
}

impl Abilities {
    /// As the configuration says, or as the tensors show.
    pub fn of(
        architecture: Architecture,
        config: &Object,
        tensors: &BTreeMap<String, &Stored>,
    ) -> Result<Self, Error> {
        let heads = match config.fields.get("unmask_heads") {
            Some(heads) => described(heads)?,
            None => derived_heads(config, tensors),
        };
        let tasks = match config.fields.get("unmask_tasks") {
            Some(tasks) => described(tasks)?,
            None if architecture.is_encoder() || !heads.is_empty() => Vec::new(),
            None => vec![Task {
                name: derived_task(config).to_owned(),
                rest: Default::default(),
            }],
        };
        Ok(Self { heads, tasks })
    }

    /// The names of all heads and tasks.
    pub fn names(&self) -> Vec<&str> {
        let heads = self.heads.iter().map(|head| head.name.as_str());
        heads
            .chain(self.tasks.iter().map(|task| task.name.as_str()))
            .collect()
    }
}

fn described<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(value).map_err(|error| Error::Heads {
        reason: error.to_string(),
    })
}

fn derived_heads(config: &Object, tensors: &BTreeMap<String, &Stored>) -> Vec<Head> {
    let architectures = config
        .fields
        .get("architectures")
        .unwrap_or(&Value::Null)
        .to_string();
    let is_for = |task: &str| architectures.contains(task);
    let has = |name: &str| tensors.contains_key(name);
    let head = |kind: Kind, prefix: &str, labels: Vec<String>| Head {
        name: kind.as_str().to_owned(),
        kind,
        labels,
        prefix: prefix.to_owned(),
        multi_label: false,
        null_threshold: None,
    };
    let classifier = |prefix: &str| Head {
        multi_label: config.str("problem_type") == Some("multi_label_classification"),
        ..head(Kind::SequenceClassification, prefix, labels(config))
    };
    let mut heads = Vec::new();
    if has("cls.predictions.transform.dense.weight") {
        heads.push(head(Kind::MaskedLm, "cls.predictions", Vec::new()));
    }
    if has("vocab_transform.weight") {
        heads.push(head(Kind::MaskedLm, "", Vec::new()));
    }
    if has("cls.seq_relationship.weight") {
        let labels = ["next", "not next"].map(str::to_owned).to_vec();
        heads.push(head(Kind::NextSentence, "cls.seq_relationship", labels));
    }
    if has("classifier.weight") && is_for("ForTokenClassification") {
        heads.push(head(
            Kind::TokenClassification,
            "classifier",
            labels(config),
        ));
    } else if has("classifier.weight") {
        heads.push(classifier("classifier"));
    }
    if has("classification_head.dense.weight") {
        heads.push(classifier("classification_head"));
    }
    if has("qa_outputs.weight") {
        heads.push(head(Kind::QuestionAnswering, "qa_outputs", Vec::new()));
    }
    heads
}

/// `id2label` in the order of its numbers.
fn labels(config: &Object) -> Vec<String> {
    let by_id = config.fields.get("id2label").and_then(Value::as_object);
    let mut labels: Vec<(u32, String)> = by_id
        .into_iter()
        .flatten()
        .filter_map(|(id, label)| Some((id.parse().ok()?, label.as_str()?.to_owned())))
        .collect();
    labels.sort_unstable();
    labels.into_iter().map(|(_, label)| label).collect()
}

fn derived_task(config: &Object) -> &'static str {
    let none = json!({});
    let parameters = config.fields.get("task_specific_params").unwrap_or(&none);
    if config.fields.contains_key("phoneme_chars") {
        "pronounce"
    } else if parameters.get("summarization").is_some() {
        "summarize"
    } else if config.str("model_type") == Some("mbart") {
        "translate"
    } else {
        "generate"
    }
}
