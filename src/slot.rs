//! A place for a model: waiting for consent, on its way, ready, or failed.

use leptos::prelude::*;
use unmask_protocol::{ErrorBody, Progress};

use crate::engine::Model;

/// How far a model is.
#[derive(Clone)]
pub enum Status {
    /// Nothing has been fetched; the reader is asked first.
    Asleep,
    /// On its way.
    Loading(Option<Progress>),
    /// Ready for requests.
    Ready(Model),
    /// It could not be loaded.
    Failed(ErrorBody),
}

/// One model of the page.
#[derive(Clone, Copy)]
pub struct Slot {
    /// Its name in the catalogue.
    pub name: RwSignal<String>,
    status: RwSignal<Status, LocalStorage>,
}

impl Slot {
    /// An empty place for the model `name`.
    pub fn new(name: &str) -> Self {
        Self {
            name: RwSignal::new(name.to_owned()),
            status: RwSignal::new_local(Status::Asleep),
        }
    }

    /// How far it is (tracked).
    pub fn status(&self) -> Status {
        self.status.get()
    }

    /// The model, once it is ready (tracked).
    pub fn model(&self) -> Option<Model> {
        match self.status.get() {
            Status::Ready(model) => Some(model),
            _ => None,
        }
    }

    /// Loads the model; a failure is kept to be shown, and another call tries again.
    pub fn load(self) {
        self.status.set(Status::Loading(None));
        leptos::task::spawn_local(async move {
            let name = self.name.get_untracked();
            let status = self.status;
            let on_progress = move |progress| status.set(Status::Loading(Some(progress)));
            let loaded = Model::load(&name, on_progress).await;
            if self.name.get_untracked() == name {
                self.status.set(match loaded {
                    Ok(model) => Status::Ready(model),
                    Err(error) => Status::Failed(error),
                });
            }
        });
    }
}
