//! The shipped models, by the names of their catalogue.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use unmask_transformer::ModelFile;
use unmask_transformer::bart::Bart;
use unmask_transformer::bert::Bert;

use crate::error::{Error, Result};

/// `models.json`, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Catalogue {
    /// One entry per file.
    pub models: Vec<Entry>,
    /// Where the files are.
    #[serde(skip)]
    folder: PathBuf,
}

/// One model file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Entry {
    /// By which pages ask for it.
    pub name: String,
    /// Its address, relative to the catalogue.
    #[serde(skip_serializing)]
    pub file: PathBuf,
    /// What its weights are stored as.
    pub quantization: String,
    /// The file's hash.
    pub sha256: String,
}

impl Catalogue {
    /// Reads `models.json` in `folder`.
    ///
    /// # Errors
    /// It is missing, or no catalogue.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("models.json");
        let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let catalogue: Self = serde_json::from_str(&text)
            .map_err(|error| Error::content(&path, format!("is no catalogue: {error}")))?;
        Ok(Self {
            folder: folder.to_owned(),
            ..catalogue
        })
    }

    /// The entry of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn entry(&self, name: &str) -> Result<&Entry> {
        let found = self.models.iter().find(|entry| entry.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self
                .models
                .iter()
                .map(|entry| entry.name.as_str())
                .collect();
            Error::Said(format!(
                "The catalogue lists no model named {name}; it has {}.",
                names.join(", ")
            ))
        })
    }

    /// Reads the model of this name.
    ///
    /// # Errors
    /// It isn't listed, or its file is missing or damaged.
    pub fn load(&self, name: &str) -> Result<Model> {
        Ok(read(&self.folder.join(&self.entry(name)?.file))?.1)
    }
}

/// A model of either architecture.
pub enum Model {
    /// Reads.
    Bert(Box<Bert>),
    /// Reads and writes.
    Bart(Box<Bart>),
}

impl Model {
    /// The model, where it is a BERT.
    pub fn bert(&self) -> Option<&Bert> {
        match self {
            Self::Bert(bert) => Some(bert),
            Self::Bart(_) => None,
        }
    }

    /// The model, where it is a BART.
    pub fn bart(&self) -> Option<&Bart> {
        match self {
            Self::Bart(bart) => Some(bart),
            Self::Bert(_) => None,
        }
    }
}

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The model's name.
    pub name: String,
    /// What its weights are stored as.
    pub quantization: String,
    /// What it can do: its heads and tasks by name.
    pub abilities: Vec<String>,
}

/// Reads a GGUF file.
///
/// # Errors
/// It is missing, damaged, or neither BERT nor BART.
pub fn read(path: &Path) -> Result<(Label, Model)> {
    open(ModelFile::read(
        File::open(path).map_err(Error::file(path))?,
    )?)
}

/// Reads an exported checkpoint, every weight as it was trained.
///
/// # Errors
/// It is no checkpoint, or one of something else than BERT or BART.
pub fn read_export(folder: &Path) -> Result<(Label, Model)> {
    let options = unmask_pack::Options {
        quantization: unmask_pack::Quantization::F32,
        name: None,
        license: None,
        source: None,
        revision: None,
    };
    let plan = unmask_pack::Plan::new(&unmask_pack::Directory(folder.to_owned()), &options);
    let bytes = plan.and_then(|plan| plan.write(Vec::new(), &mut |_| {}));
    let bytes = bytes.map_err(|error| Error::Said(error.to_string()))?;
    open(ModelFile::read(bytes.as_slice())?)
}

fn open(file: ModelFile) -> Result<(Label, Model)> {
    let heads = file.heads.iter().map(|head| head.name.clone());
    let tasks = file.tasks.iter().map(|task| task.name.clone());
    let label = Label {
        name: file.name.clone(),
        quantization: file.quantization.clone(),
        abilities: heads.chain(tasks).collect(),
    };
    let model = match file.architecture.as_str() {
        "bart" => Model::Bart(Box::new(Bart::new(file)?)),
        _ => Model::Bert(Box::new(Bert::new(file)?)),
    };
    Ok((label, model))
}
