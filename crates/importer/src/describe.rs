//! What a source is and what could become of it, before anything large is fetched.

use unmask_model_store::facts::{Facts, Head};
use unmask_model_store::quota::{Estimate, megabytes, no_room};
use unmask_model_store::record::{Origin, Stored};
use unmask_model_store::storage::Store;
use unmask_pack::{Plan, Quantization};
use unmask_protocol::{Choice, Description, HeadInfo, SourceFile, StoredModel};
use web_sys::AbortSignal;

use crate::checkpoint::Checkpoint;
use crate::failure::Failure;
use crate::plan::plan;

/// What WebAssembly can address, less what the browser keeps for itself.
const MOST_MEMORY: u64 = 3_800_000_000;

/// What the engine takes beside a model's weights: itself, a text's activations, a tokenizer's tables.
const ENGINE_MEMORY: u64 = 64_000_000;

/// What there is to judge choices by.
struct Room {
    estimate: Option<Estimate>,
    stored: Vec<Stored>,
}

impl Room {
    async fn ask() -> Self {
        let stored = match Store::open().await {
            Some(store) => store.list().await.0,
            None => Vec::new(),
        };
        Self {
            estimate: Estimate::ask().await,
            stored,
        }
    }

    fn choice(&self, quantization: &str, bytes: u64, is_stored: bool) -> Choice {
        let memory = bytes + ENGINE_MEMORY;
        let free = self.estimate.as_ref().map_or(u64::MAX, Estimate::free);
        let why = if memory > MOST_MEMORY {
            Some(format!(
                "It needs about {} of memory, and WebAssembly has 4 GB.",
                megabytes(memory)
            ))
        } else if !is_stored && bytes > free {
            Some(no_room(bytes, Some(free), Vec::new()).message)
        } else {
            None
        };
        Choice {
            quantization: quantization.to_owned(),
            bytes,
            memory,
            stored: is_stored,
            fits: why.is_none(),
            why,
        }
    }
}

/// Describes a checkpoint; `id` is the name in the store that a quantization of it has.
///
/// # Errors
/// Those of planning.
pub async fn checkpoint(
    checkpoint: &Checkpoint,
    id: &dyn Fn(Quantization) -> String,
    on_wait: &dyn Fn(Option<u32>),
    signal: &AbortSignal,
) -> Result<Description, Failure> {
    let room = Room::ask().await;
    let mut choices = Vec::new();
    let mut first: Option<Plan> = None;
    for quantization in Quantization::ALL {
        let planned = plan(checkpoint, quantization, on_wait, signal).await?;
        // Rows that are not whole blocks of a format make it another one, which has its own place in the list.
        let fits = planned.fallbacks().is_empty() || quantization == Quantization::default();
        if fits || quantization.name() == "Q4_0" {
            let id = id(quantization);
            let is_stored = room.stored.iter().any(|model| model.id == id);
            let bytes = planned.layout().header().file_bytes();
            choices.push(room.choice(quantization.name(), bytes, is_stored));
        }
        first.get_or_insert(planned);
    }
    // There is always one: the list of quantizations is not empty.
    let planned = match first {
        Some(planned) => planned,
        None => plan(checkpoint, Quantization::default(), on_wait, signal).await?,
    };
    let facts = Facts::of(planned.layout().header());
    let config = planned.layout().header().text("config.huggingface.json");
    let files = checkpoint.files();
    let stored = room
        .stored
        .into_iter()
        .filter(|model| model.source == checkpoint.asked && model.origin == checkpoint.origin);
    Ok(Description {
        name: facts.name.unwrap_or_else(|| checkpoint.asked.clone()),
        architecture: facts.architecture,
        model_type: config.and_then(model_type).unwrap_or_default(),
        license: facts.license,
        source: checkpoint.asked.clone(),
        revision: facts.revision,
        parameters: facts.parameters,
        tasks: facts.tasks,
        heads: facts.heads.into_iter().map(head).collect(),
        download: files.iter().map(|file| file.bytes).sum(),
        files,
        choices,
        stored: stored.map(stored_model).collect(),
    })
}

/// Describes a .gguf file, which is what it is.
pub async fn gguf(facts: Facts, id: &str, name: &str, source: String) -> Description {
    let room = Room::ask().await;
    let stored = room.stored.iter().find(|model| model.id == id).cloned();
    let choice = room.choice(&facts.quantization, facts.bytes, stored.is_some());
    Description {
        name: facts.name.unwrap_or_else(|| name.to_owned()),
        model_type: facts.architecture.clone(),
        architecture: facts.architecture,
        license: facts.license,
        source,
        revision: facts.revision,
        parameters: facts.parameters,
        tasks: facts.tasks,
        heads: facts.heads.into_iter().map(head).collect(),
        download: facts.bytes,
        files: vec![SourceFile {
            name: name.to_owned(),
            bytes: facts.bytes,
        }],
        choices: vec![choice],
        stored: stored.into_iter().map(stored_model).collect(),
    }
}

/// A record as the page has it.
pub fn stored_model(stored: Stored) -> StoredModel {
    let origin = match stored.origin {
        Origin::Catalogue => "catalogue",
        Origin::Hub => "hub",
        Origin::Url => "url",
        Origin::File => "file",
    };
    StoredModel {
        id: stored.id,
        name: stored.name,
        architecture: stored.architecture,
        quantization: stored.quantization,
        bytes: stored.bytes,
        parameters: stored.parameters,
        heads: stored.heads.into_iter().map(head).collect(),
        tasks: stored.tasks,
        license: stored.license,
        source: stored.source,
        revision: stored.revision,
        origin: origin.to_owned(),
        imported: stored.imported,
        last_used: stored.last_used,
    }
}

fn head(head: Head) -> HeadInfo {
    HeadInfo {
        name: head.name,
        kind: head.kind,
        labels: head.labels,
    }
}

fn model_type(config: &str) -> Option<String> {
    let config: serde_json::Value = serde_json::from_str(config).ok()?;
    Some(config.get("model_type")?.as_str()?.to_owned())
}
