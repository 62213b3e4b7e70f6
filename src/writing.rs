//! BART at work, and the way to stop it.

use unmask_protocol::{ErrorCode, GenerateOptions};
use web_sys::AbortSignal;

use crate::engine::Model;
use crate::latest::{PAUSE, Pause, spawn};
use crate::state::draft::{Draft, Stage};
use crate::var::Var;

/// The one generation of the page; a new one replaces the old.
#[derive(Clone, Copy)]
pub struct Writing {
    /// What is being written.
    pub draft: Var<Draft>,
    pause: Var<Pause>,
}

impl Writing {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            draft: Var::new(Draft::default()),
            pause: Var::new(Pause::default()),
        }
    }

    /// Starts anew; what was being written before is cancelled.
    pub fn start(self, model: Model, source: String, controls: GenerateOptions) {
        let draft = self.draft;
        draft.set(Draft::begin(source.clone(), controls.clone()));
        let work = move |signal: Option<AbortSignal>| {
            spawn(async move {
                let stopped = {
                    let signal = signal.clone();
                    move || signal.as_ref().is_some_and(|signal| signal.aborted())
                };
                let on_step = {
                    let stopped = stopped.clone();
                    move |step| {
                        if !stopped() {
                            draft.update(|draft| draft.push(step));
                        }
                    }
                };
                let outcome = model.generate(&source, &controls, signal, on_step).await;
                if stopped() {
                    return;
                }
                draft.update(|draft| match outcome {
                    Ok(written) => draft.finish(written),
                    Err(error) if error.code == ErrorCode::Aborted => draft.stage = Stage::Stopped,
                    Err(error) => {
                        draft.stage = Stage::Failed;
                        draft.error = Some(error);
                    }
                });
            });
        };
        self.pause.now().then(PAUSE, Box::new(work));
    }

    /// Whether it is at work (tracked).
    pub fn is_running(self) -> bool {
        self.draft.with(|draft| draft.stage == Stage::Running)
    }

    /// Stops, keeping what has been written.
    pub fn stop(self) {
        self.pause.now().stop();
        self.draft.update(|draft| {
            if draft.stage == Stage::Running {
                draft.stage = Stage::Stopped;
            }
        });
    }

    /// Stops and forgets.
    pub fn clear(self) {
        self.pause.now().stop();
        self.draft.set(Draft::default());
    }
}
