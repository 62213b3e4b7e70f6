//! Recorded runs of the shipped models, small enough to be shown before any model loads; `docs/TRACES.md` has the format.

mod examples;
mod record;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use unmask_protocol::AttentionHeader;

pub use examples::{EXAMPLES, Example, Question};
pub use record::record;

use crate::error::{Error, Result};
use crate::models::{Catalogue, Entry};

/// The format's number.
pub const FORMAT: u32 = 1;
/// The byte of a cell that may not be attended to.
pub const FORBIDDEN: u8 = 255;
/// The byte of a weight of one.
pub const WHOLE: f32 = 254.;

/// One recorded run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Trace {
    /// [`FORMAT`].
    pub format: u32,
    /// By which pages ask for it.
    pub name: String,
    /// What ran.
    pub model: ModelName,
    /// The method of `unmask.js` that was called.
    pub method: String,
    /// Its arguments by name.
    pub input: Value,
    /// What it returned; of `generate` the list of its steps.
    pub output: Value,
    /// What `attention` returned for the same input.
    pub attention: Attention,
}

/// Which file a trace was recorded from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ModelName {
    /// The catalogue's name.
    pub name: String,
    /// What its weights are stored as.
    pub quantization: String,
    /// The file's hash.
    pub sha256: String,
}

impl From<&Entry> for ModelName {
    fn from(entry: &Entry) -> Self {
        Self {
            name: entry.name.clone(),
            quantization: entry.quantization.clone(),
            sha256: entry.sha256.clone(),
        }
    }
}

/// The attentions of a run: a BERT has the first alone.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Attention {
    /// Source to source.
    pub encoder: Cells,
    /// What the decoder read, to itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder: Option<Cells>,
    /// What the decoder read, to the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross: Option<Cells>,
}

/// One attention in every layer and head.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Cells {
    /// Tokens, layers and heads.
    #[serde(flatten)]
    pub header: AttentionHeader,
    /// A byte a cell, `[layers, heads, queries, keys]`: [`FORBIDDEN`], or the weight times [`WHOLE`], rounded.
    #[serde(with = "base64_text")]
    pub cells: Vec<u8>,
}

mod base64_text {
    //! Bytes as text.

    use super::*;

    pub fn serialize<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        STANDARD.encode(bytes).serialize(to)
    }

    pub fn deserialize<'d, D: serde::Deserializer<'d>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

/// What a page may choose from, `index.json`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Index {
    /// [`FORMAT`].
    pub format: u32,
    /// One entry a trace.
    pub traces: Vec<IndexEntry>,
}

/// One trace of the index.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct IndexEntry {
    /// By which pages ask for it.
    pub name: String,
    /// Its address, relative to the index.
    pub file: String,
    /// The catalogue's name of the model that ran.
    pub model: String,
    /// The method of `unmask.js` that was called.
    pub method: String,
    /// Its arguments by name.
    pub input: Value,
}

/// Records every example with the models of `models` and writes the traces and their index to `folder`, in place of
/// whatever traces were there.
///
/// # Errors
/// A model is missing or refuses, or a file cannot be written.
pub fn write_all(models: &Path, folder: &Path) -> Result<Index> {
    let catalogue = Catalogue::read(models)?;
    let mut traces = Vec::new();
    for entry in &catalogue.models {
        let mut examples = EXAMPLES
            .iter()
            .filter(|example| example.model == entry.name)
            .peekable();
        if examples.peek().is_some() {
            let model = catalogue.load(&entry.name)?;
            for example in examples {
                traces.push(record(example, &model, entry)?);
            }
        }
    }
    if traces.len() < EXAMPLES.len() {
        return Err(Error::Said(
            "The catalogue lacks a model that an example needs: build it first.".into(),
        ));
    }
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    for old in fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = old.map_err(Error::file(folder))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            fs::remove_file(&path).map_err(Error::file(&path))?;
        }
    }
    for trace in &traces {
        write(
            &folder.join(format!("{}.json", trace.name)),
            trace,
            serde_json::to_string,
        )?;
    }
    let index = Index {
        format: FORMAT,
        traces: traces.iter().map(IndexEntry::from).collect(),
    };
    write(
        &folder.join("index.json"),
        &index,
        serde_json::to_string_pretty,
    )?;
    Ok(index)
}

impl From<&Trace> for IndexEntry {
    fn from(trace: &Trace) -> Self {
        Self {
            name: trace.name.clone(),
            file: format!("{}.json", trace.name),
            model: trace.model.name.clone(),
            method: trace.method.clone(),
            input: trace.input.clone(),
        }
    }
}

fn write<T>(path: &Path, value: &T, json: fn(&T) -> serde_json::Result<String>) -> Result<()> {
    let text =
        json(value).map_err(|error| Error::content(path, format!("has no JSON: {error}")))?;
    fs::write(path, text + "\n").map_err(Error::file(path))
}
