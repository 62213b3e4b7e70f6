//! The importer's state: the requests that run, side by side, and how each is answered.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use unmask_model_store::lock::Lock;
use unmask_model_store::record::{id_of, is_id};
use unmask_model_store::storage::Store;
use unmask_model_store::{self as store, Meter, Phase, Progress};
use unmask_pack::Quantization;
use unmask_protocol::{ErrorCode, ImporterReply, ImporterRequest, PartialModel};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, AbortSignal, File};

use crate::checkpoint::{Checkpoint, sample};
use crate::failure::Failure;
use crate::messages::{self, Event, Message};
use crate::source::{ChosenFile, Source, conversion_id};
use crate::{convert, describe, gguf, plan};

/// Everything that lives as long as the worker.
#[derive(Default)]
pub struct Importer {
    running: RefCell<HashMap<u32, AbortController>>,
}

/// An answer, with the file that an export answers.
type Outcome = Result<(ImporterReply, Option<File>), Failure>;

impl Importer {
    /// Takes a message from the page.
    pub fn receive(self: &Rc<Self>, data: &JsValue) {
        let Message { envelope, files } = match messages::read(data) {
            Ok(message) => message,
            Err((id, failure)) => return messages::post_outcome(id, Err(failure)),
        };
        let id = envelope.id;
        if let ImporterRequest::Cancel { target } = envelope.request {
            if let Some(running) = self.running.borrow().get(&target) {
                running.abort();
            }
            return;
        }
        let Ok(abort) = AbortController::new() else {
            let failure = Failure::new(
                ErrorCode::Unsupported,
                "This browser lacks AbortController.",
                "Use a current version of Firefox, Chrome, Edge or Safari.",
            );
            return messages::post_outcome(id, Err(failure));
        };
        let signal = abort.signal();
        self.running.borrow_mut().insert(id, abort);
        let importer = self.clone();
        spawn_local(async move {
            let outcome = answer(id, envelope.request, files, &signal).await;
            importer.running.borrow_mut().remove(&id);
            messages::post_outcome(id, outcome);
        });
    }
}

async fn answer(
    id: u32,
    request: ImporterRequest,
    files: Vec<ChosenFile>,
    signal: &AbortSignal,
) -> Outcome {
    let report = |progress: Progress| {
        let progress = progress_event(progress);
        messages::post(&Event::Progress { id, progress });
    };
    match request {
        ImporterRequest::Describe { source } => {
            let source = Source::new(source, files)?;
            let description = describe_source(source, &report, signal).await?;
            Ok((ImporterReply::Described { description }, None))
        }
        ImporterRequest::Import {
            source,
            quantization,
            discard,
        } => {
            let source = Source::new(source, files)?;
            let store = Store::require().await?;
            let wanted = Wanted::new(source, quantization.as_deref())?;
            if discard {
                let removed = remove_part(&store, &wanted.id().await?).await?;
                return Ok((ImporterReply::Removed { removed }, None));
            }
            let id = wanted.import(&store, &report, signal).await?;
            let (stored, _) = store.stored(&id).await.ok_or_else(|| not_stored(&id))?;
            let reply = ImporterReply::Imported {
                model: describe::stored_model(stored),
                importer_memory: memory(),
            };
            Ok((reply, None))
        }
        ImporterRequest::Stored => {
            let (models, parts) = match Store::open().await {
                Some(store) => store.list().await,
                None => Default::default(),
            };
            let partial = parts.into_iter().map(|part| PartialModel {
                id: part.id,
                name: part.name,
                source: part.source,
                quantization: part.quantization,
                loaded: part.loaded,
                total: part.total,
            });
            let reply = ImporterReply::Library {
                models: models.into_iter().map(describe::stored_model).collect(),
                partial: partial.collect(),
            };
            Ok((reply, None))
        }
        ImporterRequest::Remove { id } => {
            let store = Store::require().await?;
            if !is_id(&id) {
                return Err(not_stored(&id));
            }
            let part = remove_part(&store, &id).await?;
            let whole = store.remove(&id).await;
            let removed = part || whole;
            Ok((ImporterReply::Removed { removed }, None))
        }
        ImporterRequest::Export { id } => {
            let store = Store::require().await?;
            let stored = match is_id(&id) {
                true => store.stored(&id).await,
                false => None,
            };
            let (_, file) = stored.ok_or_else(|| not_stored(&id))?;
            Ok((ImporterReply::Exported, Some(file)))
        }
        // Handled before it came here.
        ImporterRequest::Cancel { .. } => Err(store::Error::aborted().into()),
    }
}

/// Something to be imported.
enum Wanted {
    Checkpoint(Source, Quantization),
    GgufUrl(String),
    GgufFile(ChosenFile),
}

impl Wanted {
    fn new(source: Source, quantization: Option<&str>) -> Result<Self, Failure> {
        match source {
            Source::GgufUrl(_) | Source::GgufFile(_) if quantization.is_some() => {
                Err(Failure::new(
                    ErrorCode::Input,
                    "A GGUF file has its quantization already.",
                    "Leave the option out, or give the checkpoint that the file was made of.",
                ))
            }
            Source::GgufUrl(url) => Ok(Self::GgufUrl(url)),
            Source::GgufFile(file) => Ok(Self::GgufFile(file)),
            source => Ok(Self::Checkpoint(source, plan::quantization(quantization)?)),
        }
    }

    /// The name in the store that it has or will have.
    async fn id(&self) -> Result<String, Failure> {
        match self {
            Self::GgufUrl(url) => Ok(store::url_id(url)),
            Self::GgufFile(file) => gguf_file_id(file).await,
            Self::Checkpoint(source, quantization) => {
                let name = quantization.name();
                Ok(match source {
                    Source::Hub(repository) => {
                        let revision = repository.revision.as_deref().unwrap_or("main");
                        conversion_id(&repository.hub, &repository.name, revision, name)
                    }
                    Source::Folder(url) => conversion_id("url", url, "", name),
                    Source::Files(files) => {
                        let chosen = |file: &ChosenFile| ChosenFile {
                            path: file.path.clone(),
                            file: file.file.clone(),
                        };
                        let files = Checkpoint::of_files(files.iter().map(chosen).collect());
                        let samples = files.fingerprint().await?.to_string();
                        conversion_id("files", &samples, "", name)
                    }
                    Source::GgufUrl(_) | Source::GgufFile(_) => String::new(),
                })
            }
        }
    }

    /// Keeps it, unless it is kept already, and says under which id.
    async fn import(
        self,
        store: &Store,
        report: &dyn Fn(Progress),
        signal: &AbortSignal,
    ) -> Result<String, Failure> {
        let id = self.id().await?;
        if store.stored(&id).await.is_some() {
            return Ok(id);
        }
        match self {
            Self::GgufUrl(url) => store::keep_url(store, &url, report, signal).await?,
            Self::GgufFile(file) => {
                let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
                store::keep_file(store, &id, &name, &file.file, report, signal).await?;
            }
            Self::Checkpoint(source, quantization) => {
                let checkpoint = open(source, report, signal).await?;
                convert::import(store, &checkpoint, quantization, &id, report, signal).await?;
            }
        }
        Ok(id)
    }
}

/// A source that is a checkpoint.
async fn open(
    source: Source,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<Checkpoint, Failure> {
    let meter = Meter::new(Phase::Waiting, None, report);
    match source {
        Source::Hub(repository) => {
            Checkpoint::on_hub(repository, &|s| meter.waiting(s), signal).await
        }
        Source::Folder(url) | Source::GgufUrl(url) => Ok(Checkpoint::in_folder(url)),
        Source::Files(files) => Ok(Checkpoint::of_files(files)),
        Source::GgufFile(file) => Ok(Checkpoint::of_files(vec![file])),
    }
}

async fn describe_source(
    source: Source,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<unmask_protocol::Description, Failure> {
    let meter = Meter::new(Phase::Waiting, None, report);
    let on_wait = |seconds| meter.waiting(seconds);
    let name_of = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    match source {
        Source::GgufUrl(url) => {
            let facts = gguf::at_url(&url, &on_wait, signal).await?;
            Ok(describe::gguf(facts, &store::url_id(&url), &name_of(&url), url.clone()).await)
        }
        Source::GgufFile(file) => {
            let (id, name) = (gguf_file_id(&file).await?, name_of(&file.path));
            let facts = gguf::in_file(&file.file, &name, signal).await?;
            Ok(describe::gguf(facts, &id, &name, name.clone()).await)
        }
        source => {
            // The part of the id that no quantization changes.
            let (origin, words, revision) = match &source {
                Source::Hub(repository) => (
                    repository.hub.clone(),
                    repository.name.clone(),
                    repository.revision.clone().unwrap_or_else(|| "main".into()),
                ),
                Source::Folder(url) => ("url".into(), url.clone(), String::new()),
                _ => ("files".into(), String::new(), String::new()),
            };
            let is_files = matches!(source, Source::Files(_));
            let checkpoint = open(source, report, signal).await?;
            let words = match is_files {
                true => checkpoint.fingerprint().await?.to_string(),
                false => words,
            };
            let id = |q: Quantization| conversion_id(&origin, &words, &revision, q.name());
            describe::checkpoint(&checkpoint, &id, &on_wait, signal).await
        }
    }
}

async fn gguf_file_id(file: &ChosenFile) -> Result<String, Failure> {
    let sample = sample(&file.file, &file.path).await?;
    let mut hasher = store::digest::Hasher::default();
    hasher.update(&sample);
    Ok(id_of(&["file", &hasher.digest().to_string()]))
}

/// Forgets what has come of a model, unless somebody is at it.
async fn remove_part(store: &Store, id: &str) -> Result<bool, Failure> {
    let Some(_lock) = Lock::try_take(id).await else {
        return Err(Failure::new(
            ErrorCode::Input,
            "This model is being fetched right now, here or in another tab.",
            "Stop that first.",
        ));
    };
    let there = store.part(id).await.is_some();
    store.discard_part(id).await;
    Ok(there)
}

fn not_stored(id: &str) -> Failure {
    Failure::new(
        ErrorCode::Input,
        format!("No model is stored as \"{id}\"."),
        "Choose one of those that Unmask.stored() lists.",
    )
}

/// The memory that the importer has; it never gives any back, so that this is the most that it has had.
fn memory() -> u64 {
    let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    let buffer: js_sys::ArrayBuffer = memory.buffer().unchecked_into();
    buffer.byte_length().into()
}

fn progress_event(progress: Progress) -> unmask_protocol::Progress {
    use unmask_protocol::Phase as Told;
    unmask_protocol::Progress {
        phase: match progress.phase {
            Phase::Download => Told::Download,
            Phase::Cache => Told::Cache,
            Phase::File => Told::File,
            Phase::Verify => Told::Verify,
            Phase::Waiting => Told::Waiting,
        },
        loaded: progress.loaded,
        total: progress.total,
        seconds_left: progress.seconds_left,
    }
}
