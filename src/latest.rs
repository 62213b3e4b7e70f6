//! Asking the engine about what the reader changes: only the newest question counts, older ones are cancelled.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use unmask_protocol::ErrorBody;
use web_sys::AbortSignal;

use crate::engine::{Abort, Outcome};

/// How long the reader's hands must rest before the engine is asked.
const PAUSE: Duration = Duration::from_millis(80);

/// How a question fares, whatever it is about.
#[derive(Clone, Copy)]
pub struct Asking {
    /// Whether an answer is on its way.
    pub waiting: RwSignal<bool>,
    /// Why the last question failed.
    pub error: RwSignal<Option<ErrorBody>>,
    again: Trigger,
}

impl Asking {
    /// Asks once more.
    pub fn retry(self) {
        self.again.notify();
    }
}

/// A question that is asked anew whenever what it reads changes.
pub struct Latest<T: Send + Sync + 'static> {
    /// The last answer that came; it stays while the next one is awaited.
    pub answer: RwSignal<Option<T>>,
    /// How the newest question fares.
    pub asking: Asking,
}

impl<T: Send + Sync + 'static> Copy for Latest<T> {}

impl<T: Send + Sync + 'static> Clone for Latest<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Latest<T> {
    /// `question` reads what the answer depends on, and gives the call to the engine, or none to clear the answer.
    pub fn new<Q>(question: impl Fn() -> Option<Q> + 'static) -> Self
    where
        Q: AsyncFnOnce(Option<AbortSignal>) -> Outcome<T> + 'static,
    {
        let answer = RwSignal::new(None);
        let asking = Asking {
            waiting: RwSignal::new(false),
            error: RwSignal::new(None),
            again: Trigger::new(),
        };
        let question = move || -> Option<Call> {
            let Some(question) = question() else {
                answer.set(None);
                return None;
            };
            Some(Box::new(move |signal| {
                Box::pin(async move {
                    let value = question(signal).await?;
                    Ok(Box::new(move || answer.set(Some(value))) as Box<dyn FnOnce()>)
                })
            }))
        };
        ask_when_it_changes(asking, Box::new(question));
        Self { answer, asking }
    }
}

/// A call to the engine, which ends in the act that keeps its answer. Boxed, because the page has many kinds of
/// answers and should not carry the code below once for each.
type Call = Box<
    dyn FnOnce(Option<AbortSignal>) -> Pin<Box<dyn Future<Output = Outcome<Box<dyn FnOnce()>>>>>,
>;

fn ask_when_it_changes(asking: Asking, question: Box<dyn Fn() -> Option<Call>>) {
    let pause = Pause::default();
    Effect::new(move || {
        asking.again.track();
        pause.stop();
        let call = question();
        asking.waiting.set(call.is_some());
        let Some(call) = call else {
            asking.error.set(None);
            return;
        };
        pause.then(Box::new(move |signal| {
            leptos::task::spawn_local(async move {
                let outcome = call(signal.clone()).await;
                if signal.is_some_and(|signal| signal.aborted()) {
                    return;
                }
                asking.waiting.set(false);
                match outcome {
                    Ok(keep) => {
                        keep();
                        asking.error.set(None);
                    }
                    Err(error) => asking.error.set(Some(error)),
                }
            });
        }));
    });
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
    pub fn then(&self, work: Box<dyn FnOnce(Option<AbortSignal>)>) {
        self.stop();
        let abort = Abort::new();
        let signal = abort.signal();
        // Without a timer (no window) nothing can be asked at all.
        if let Ok(timeout) = set_timeout_with_handle(move || work(signal), PAUSE) {
            *self.0.borrow_mut() = Some((timeout, abort));
        }
    }
}
