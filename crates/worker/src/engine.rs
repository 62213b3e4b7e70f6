//! The engine's state: its models by handle, and the requests that wait for them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use unmask_model_store::catalogue::{self, Sha256Digest};
use unmask_model_store::{self as store};
use unmask_protocol::{ErrorCode, Event, Reply, Request, Source};
use unmask_transformer::Requantization;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, AbortSignal, Blob};

use crate::convert;
use crate::failure::Failure;
use crate::messages::{self, Answer, Message};
use crate::model::{LoadedModel, REQUANTIZATION, Reader};
use crate::queue::{Cancelled, Queue};
use crate::{event_loop, tasks};

/// One request.
struct Job {
    request: Request,
    file: Option<Blob>,
    abort: AbortController,
}

/// Everything that lives as long as the worker.
#[derive(Default)]
pub struct Engine {
    queue: RefCell<Queue<Job>>,
    models: RefCell<HashMap<u32, Rc<LoadedModel>>>,
    last_handle: Cell<u32>,
}

/// What a running request may do besides computing.
pub struct Context {
    id: u32,
    signal: AbortSignal,
}

impl Context {
    /// Lets messages in between two steps of the work.
    ///
    /// # Errors
    /// `Aborted` where the request has been cancelled.
    pub async fn step(&self) -> Result<(), Failure> {
        event_loop::turn().await;
        match self.signal.aborted() {
            true => Err(Failure::aborted()),
            false => Ok(()),
        }
    }

    /// Shows a generated token.
    pub fn show(&self, step: unmask_protocol::Step) {
        messages::post(&Event::Step { id: self.id, step });
    }
}

impl Engine {
    /// Takes a message from the page.
    pub fn receive(self: &Rc<Self>, data: &JsValue) {
        let Message { envelope, file } = match messages::read(data) {
            Ok(message) => message,
            Err((id, failure)) => return messages::post_outcome(id, Err(failure)),
        };
        let id = envelope.id;
        if let Request::Cancel { target } = envelope.request {
            return self.cancel(target);
        }
        let Ok(abort) = AbortController::new() else {
            let failure = Failure::new(
                ErrorCode::Unsupported,
                "This browser lacks AbortController.",
                "Use a current version of Firefox, Chrome, Edge or Safari.",
            );
            return messages::post_outcome(id, Err(failure));
        };
        let job = Job {
            request: envelope.request,
            file,
            abort,
        };
        if self.queue.borrow_mut().push(id, job) {
            spawn_local(self.clone().work());
        }
    }

    fn cancel(&self, target: u32) {
        let cancelled = self.queue.borrow_mut().cancel(target);
        match cancelled {
            Cancelled::Running(job) => job.abort.abort(),
            Cancelled::Waiting => messages::post_outcome(target, Err(Failure::aborted())),
            Cancelled::Unknown => {}
        }
    }

    /// Answers what waits, until nothing does.
    async fn work(self: Rc<Self>) {
        loop {
            let next = self.queue.borrow_mut().advance();
            let Some((id, job)) = next else { return };
            let outcome = self.answer(id, &job).await;
            messages::post_outcome(id, outcome);
            event_loop::turn().await;
        }
    }

    async fn answer(&self, id: u32, job: &Job) -> Result<Answer, Failure> {
        let context = Context {
            id,
            signal: job.abort.signal(),
        };
        match &job.request {
            Request::Load { source, requantize } => {
                let requantization = requantize.as_deref().map(Requantization::named);
                // One request runs at a time, so that this is what its reader finds.
                REQUANTIZATION.set(requantization.transpose()?);
                let model = self.load(source, job.file.as_ref(), &context).await?;
                let handle = self.last_handle.get() + 1;
                self.last_handle.set(handle);
                let info = model.info.clone();
                self.models.borrow_mut().insert(handle, model);
                Ok(Reply::Loaded {
                    model: handle,
                    info,
                }
                .into())
            }
            Request::Dispose { model } => {
                self.models.borrow_mut().remove(model);
                Ok(Reply::Done.into())
            }
            request => {
                let model = self.model(tasks::handle(request))?;
                tasks::answer(&model.model, request, &context).await
            }
        }
    }

    async fn load(
        &self,
        source: &Source,
        file: Option<&Blob>,
        context: &Context,
    ) -> Result<Rc<LoadedModel>, Failure> {
        let (id, signal) = (context.id, &context.signal);
        let report = |progress| {
            let progress = convert::progress(progress);
            messages::post(&Event::Progress { id, progress });
        };
        let (file, digest) = match source {
            Source::Catalogue {
                name,
                catalogue,
                quantization,
            } => {
                let quantization = quantization.as_deref();
                let entry = catalogue::find(catalogue, name, quantization, signal).await?;
                if let Some(model) = self.loaded(entry.sha256) {
                    return Ok(model);
                }
                let file = store::load_entry::<Reader>(&entry, &report, signal).await?;
                (file, Some(entry.sha256))
            }
            Source::Stored { id } => {
                let digest = store::digest_of_stored(id).await?;
                if let Some(model) = self.loaded(digest) {
                    return Ok(model);
                }
                let file = store::load_stored::<Reader>(id, &report, signal).await?;
                (file, Some(digest))
            }
            Source::Url { url } => (store::load_url::<Reader>(url, &report, signal).await?, None),
            Source::File { name } => {
                let file = file.ok_or_else(|| {
                    Failure::new(
                        ErrorCode::Input,
                        "The request to load a file came without the file.",
                        "Choose the file again.",
                    )
                })?;
                (
                    store::load_file::<Reader>(name, file, &report, signal).await?,
                    None,
                )
            }
        };
        context.step().await?;
        Ok(Rc::new(LoadedModel::new(file, digest)?))
    }

    /// The model of a file that is in memory already.
    fn loaded(&self, digest: Sha256Digest) -> Option<Rc<LoadedModel>> {
        let models = self.models.borrow();
        let requantization = REQUANTIZATION.get();
        let same = |model: &&Rc<LoadedModel>| {
            model.digest == Some(digest) && model.requantization == requantization
        };
        models.values().find(same).cloned()
    }

    fn model(&self, handle: u32) -> Result<Rc<LoadedModel>, Failure> {
        self.models.borrow().get(&handle).cloned().ok_or_else(|| {
            Failure::new(
                ErrorCode::Input,
                "There is no such model in memory.",
                "Load the model again.",
            )
        })
    }
}
