//! Asking the engine about what the reader changes: only the newest question counts, older ones are cancelled.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use unmask_protocol::ErrorBody;
use web_sys::AbortSignal;

use crate::engine::{Abort, Outcome};

/// How long the reader's hands must rest before the engine is asked.
const PAUSE: Duration = Duration::from_millis(80);

/// The newest answer, and whether a newer one is on its way.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The last answer that came; it stays while the next one is awaited.
    pub value: Option<T>,
    /// Why the last question failed.
    pub error: Option<ErrorBody>,
    /// Whether a question is under way.
    pub waiting: bool,
}

/// A question that is asked anew whenever its input changes.
pub struct Latest<T: Send + Sync + 'static> {
    /// What is known.
    pub answer: RwSignal<Answer<T>>,
    again: Trigger,
}

impl<T: Send + Sync + 'static> Copy for Latest<T> {}

impl<T: Send + Sync + 'static> Clone for Latest<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Clone + Send + Sync + 'static> Latest<T> {
    /// Asks whenever what `input` reads changes; an input of none clears the answer.
    pub fn new<I, F>(
        input: impl Fn() -> Option<I> + 'static,
        ask: impl Fn(I, Option<AbortSignal>) -> F + 'static,
    ) -> Self
    where
        I: 'static,
        F: Future<Output = Outcome<T>> + 'static,
    {
        let answer = RwSignal::new(Answer {
            value: None,
            error: None,
            waiting: false,
        });
        let again = Trigger::new();
        let ask = Rc::new(ask);
        let pause = Pause::default();
        Effect::new(move || {
            again.track();
            pause.stop();
            let Some(input) = input() else {
                answer.set(Answer {
                    value: None,
                    error: None,
                    waiting: false,
                });
                return;
            };
            answer.update(|answer| answer.waiting = true);
            let ask = Rc::clone(&ask);
            pause.then(move |signal| {
                leptos::task::spawn_local(async move {
                    let outcome = ask(input, signal.clone()).await;
                    if signal.is_some_and(|signal| signal.aborted()) {
                        return;
                    }
                    answer.update(|answer| {
                        answer.waiting = false;
                        match outcome {
                            Ok(value) => {
                                answer.value = Some(value);
                                answer.error = None;
                            }
                            Err(error) => answer.error = Some(error),
                        }
                    });
                });
            });
        });
        Self { answer, again }
    }

    /// Asks once more.
    pub fn retry(&self) {
        self.again.notify();
    }
}

/// Waits for the reader's hands to rest; what was waiting or running before is stopped.
#[derive(Clone, Default)]
pub struct Pause(Rc<RefCell<Option<(TimeoutHandle, Abort)>>>);

impl Pause {
    /// Stops what waits or runs.
    pub fn stop(&self) {
        if let Some((timeout, abort)) = self.0.borrow_mut().take() {
            timeout.clear();
            abort.stop();
        }
    }

    /// Starts `work` after the pause, with the signal that tells when it is stopped.
    pub fn then(&self, work: impl FnOnce(Option<AbortSignal>) + 'static) {
        self.stop();
        let abort = Abort::new();
        let signal = abort.signal();
        // Without a timer (no window) nothing can be asked at all.
        if let Ok(timeout) = set_timeout_with_handle(move || work(signal), PAUSE) {
            *self.0.borrow_mut() = Some((timeout, abort));
        }
    }
}
