//! A place for a model: waiting for consent, on its way, ready, or failed.

use std::rc::Rc;

use unmask_protocol::{ErrorBody, ErrorCode, ModelInfo, Progress};

use crate::engine::{Abort, Model};
use crate::latest::spawn;
use crate::var::Var;

/// How far a model is.
#[derive(Clone)]
pub enum Status {
    /// Nothing has been fetched; the reader is asked first.
    Asleep,
    /// On its way.
    Loading(Option<Progress>),
    /// Ready for requests.
    Ready(Rc<ModelInfo>),
    /// It could not be loaded.
    Failed(ErrorBody),
}

/// One model of the page.
#[derive(Clone, Copy)]
pub struct Slot {
    /// Its name in the catalogue.
    pub name: Var<String>,
    /// How far it is.
    pub status: Var<Status>,
    model: Var<Option<Model>>,
    /// What stops the loading that goes on.
    abort: Var<Rc<Abort>>,
}

impl Slot {
    /// An empty place for the model `name`.
    pub fn new(name: &str) -> Self {
        Self {
            name: Var::new(name.to_owned()),
            status: Var::new(Status::Asleep),
            model: Var::new(None),
            abort: Var::new(Rc::new(Abort::new())),
        }
    }

    /// The model, once it is ready (tracked).
    pub fn model(self) -> Option<Model> {
        self.model.get()
    }

    /// What the model is, once it is ready (tracked).
    pub fn info(self) -> Option<Rc<ModelInfo>> {
        self.model.with(|model| Some(model.as_ref()?.info.clone()))
    }

    /// Loads the model; a failure is kept to be shown, and another call tries again.
    pub fn load(self) {
        self.abort.now().stop();
        let abort = Rc::new(Abort::new());
        let signal = abort.signal();
        self.abort.set(abort);
        self.status.set(Status::Loading(None));
        self.model.set(None);
        spawn(async move {
            let name = self.name.now();
            let status = self.status;
            let gone = {
                let signal = signal.clone();
                move || signal.as_ref().is_some_and(|signal| signal.aborted())
            };
            let on_progress = {
                let gone = gone.clone();
                move |progress| {
                    if !gone() {
                        status.set(Status::Loading(Some(progress)));
                    }
                }
            };
            let loaded = Model::load(&name, signal, on_progress).await;
            if gone() || self.name.now() != name {
                return;
            }
            match loaded {
                Ok(model) => {
                    self.status.set(Status::Ready(model.info.clone()));
                    self.model.set(Some(model));
                }
                Err(error) if error.code == ErrorCode::Aborted => self.status.set(Status::Asleep),
                Err(error) => self.status.set(Status::Failed(error)),
            }
        });
    }

    /// Stops loading; what has come is fetched again when the reader asks for it.
    pub fn stop(self) {
        self.abort.now().stop();
        self.status.set(Status::Asleep);
    }
}
