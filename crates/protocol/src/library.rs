//! Page to importer and back: checkpoints from elsewhere, and the models that the browser keeps.

use serde::{Deserialize, Serialize};

use crate::HeadInfo;

/// One message to the importer. `id` names the request in every event that answers it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImporterEnvelope {
    /// Chosen by the page, unique within one worker.
    pub id: u32,
    /// What is asked.
    pub request: ImporterRequest,
}

/// What the page may ask of the importer. Requests are answered side by side.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ImporterRequest {
    /// What a source is, from its small files and headers. Answers `Described`.
    Describe {
        /// The source.
        source: ImportSource,
    },
    /// Fetch a model, quantize it where it is a checkpoint, and keep it. Answers `Progress` events, then `Imported`.
    Import {
        /// The source.
        source: ImportSource,
        /// For a checkpoint; Q8_0 unless given.
        #[serde(default)]
        quantization: Option<String>,
        /// Forget what has come of it instead. Answers `Removed`.
        #[serde(default)]
        discard: bool,
    },
    /// What is kept. Answers `Library`.
    Stored,
    /// Forget a model, or what has come of one. Answers `Removed`.
    Remove {
        /// Its name in the store.
        id: String,
    },
    /// A model's file. Answers `Exported`, with the `File` beside the message.
    Export {
        /// Its name in the store.
        id: String,
    },
    /// Stop the request `target` at its next step; what has come is kept.
    Cancel {
        /// The request to stop.
        target: u32,
    },
}

/// Where a model that is to be kept comes from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(
    tag = "from",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ImportSource {
    /// A repository of a hub.
    Hub {
        /// `owner/name`, with `@revision` behind it where one is asked for.
        repository: String,
        /// The hub's address, without a slash at its end.
        hub: String,
    },
    /// A .gguf file or a checkpoint's folder at an absolute URL.
    Url {
        /// The address.
        url: String,
        /// The hub's address, whose pages are repositories.
        hub: String,
    },
    /// Files that the reader chose; they travel beside the message.
    Files,
}

/// The importer's answer, by the kind of request.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ImporterReply {
    /// To `Describe`.
    Described {
        /// What the source is.
        description: Description,
    },
    /// To `Import`.
    Imported {
        /// The model that is kept now.
        model: StoredModel,
        /// The most memory that the importer has had, in bytes.
        importer_memory: u64,
    },
    /// To `Stored`.
    Library {
        /// Whole models.
        models: Vec<StoredModel>,
        /// Models on their way.
        partial: Vec<PartialModel>,
    },
    /// To `Remove`.
    Removed {
        /// Whether there was something to forget.
        removed: bool,
    },
    /// To `Export`.
    Exported,
}

/// What a source is and what could become of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// What its makers call it.
    pub name: String,
    /// `bert` or `bart`.
    pub architecture: String,
    /// As `config.json` says it, such as `distilbert`.
    pub model_type: String,
    /// As its makers say it.
    pub license: Option<String>,
    /// What to ask for to get the same again.
    pub source: String,
    /// The exact version, where the source has versions.
    pub revision: Option<String>,
    /// Parameters that would be stored.
    pub parameters: u64,
    /// Generation tasks by name.
    pub tasks: Vec<String>,
    /// Task heads.
    pub heads: Vec<HeadInfo>,
    /// Bytes on the wire.
    pub download: u64,
    /// The files that would be read.
    pub files: Vec<SourceFile>,
    /// What it could be stored as, the most exact first; of a .gguf file, what it is.
    pub choices: Vec<Choice>,
    /// What is stored of this source already.
    pub stored: Vec<StoredModel>,
}

/// One file of a source.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// One way to store a source.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// `Q8_0` and so on.
    pub quantization: String,
    /// Bytes in storage.
    pub bytes: u64,
    /// About how many bytes of memory the engine needs for it.
    pub memory: u64,
    /// Whether it is stored already.
    pub stored: bool,
    /// Whether there is room for it, in storage and in memory.
    pub fits: bool,
    /// Why it does not fit, as a sentence.
    pub why: Option<String>,
}

/// A model that the browser keeps.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredModel {
    /// Its name in the store.
    pub id: String,
    /// What its makers call it.
    pub name: String,
    /// `bert` or `bart`.
    pub architecture: String,
    /// `Q8_0` and so on.
    pub quantization: String,
    /// Size of the file.
    pub bytes: u64,
    /// Stored parameters.
    pub parameters: u64,
    /// Its task heads.
    pub heads: Vec<HeadInfo>,
    /// Its generation tasks by name.
    pub tasks: Vec<String>,
    /// SPDX expression, where the file says it.
    pub license: Option<String>,
    /// What to ask for to get it again.
    pub source: String,
    /// Which version of that it is.
    pub revision: Option<String>,
    /// `catalogue`, `hub`, `url` or `file`.
    pub origin: String,
    /// When it was finished, as ISO 8601 has it.
    pub imported: String,
    /// When it was last loaded.
    pub last_used: String,
}

/// A model that has not come whole.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialModel {
    /// The name in the store that it will have.
    pub id: String,
    /// What its makers call it.
    pub name: String,
    /// What to ask for to go on.
    pub source: String,
    /// `Q8_0` and so on; empty where only the file itself knows.
    pub quantization: String,
    /// Bytes that have come.
    pub loaded: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}
