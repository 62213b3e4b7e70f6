//! Asking the engine about what the reader changes: only the newest question counts, older ones are cancelled.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::{TimeoutHandle, set_timeout_with_handle};
use unmask_protocol::ErrorBody;
use web_sys::AbortSignal;

use crate::engine::{Abort, Outcome};
use crate::var::{Var, effect};

/// How long the reader's hands must rest before the engine is asked what it answers at once: no longer than the event
/// takes that they caused, so that whatever changes with it is asked about together. The worker drops what is outdated.
pub const BREATH: Duration = Duration::ZERO;
/// The same where the answer takes a while.
pub const PAUSE: Duration = Duration::from_millis(160);

/// Runs `work` beside everything else. Boxed, as all work of the page should share one kind of task.
pub fn spawn(work: impl Future<Output = ()> + 'static) {
    let work: Pin<Box<dyn Future<Output = ()>>> = Box::pin(work);
    leptos::task::spawn_local(work);
}

/// After so long a wait, a reader is told of it and may stop it.
const LONG: Duration = Duration::from_secs(2);

/// How a wait looks to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// There is none, or it has only begun.
    Short,
    /// The answer is still awaited after [`LONG`].
    Long,
    /// The reader has stopped it: the last answer is to another question.
    Stopped,
}

/// How a question fares, whatever it is about.
#[derive(Clone, Copy)]
pub struct Asking {
    /// Whether an answer is on its way.
    pub waiting: Var<bool>,
    /// How the wait for it looks.
    pub wait: Var<Wait>,
    /// Why the last question failed.
    pub error: Var<Option<ErrorBody>>,
    again: Var<()>,
    enough: Var<()>,
}

impl Asking {
    /// Waits no longer, until something changes or the question is asked once more.
    pub fn stop(self) {
        self.enough.set(());
    }

    /// Asks once more.
    pub fn retry(self) {
        self.again.set(());
    }
}

/// A question that is asked anew whenever what it reads changes.
pub struct Latest<T: 'static> {
    /// The last answer that came; it stays while the next one is awaited.
    pub answer: Var<Option<T>>,
    /// How the newest question fares.
    pub asking: Asking,
}

impl<T> Copy for Latest<T> {}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Latest<T> {
    /// Reads the answer to the newest question; none while it is awaited, or where it failed (tracked).
    pub fn settled<U>(self, read: impl FnOnce(&T) -> Option<U>) -> Option<U> {
        let waiting = self.asking.waiting.get()
            || self.asking.wait.get() == Wait::Stopped
            || self.asking.error.with(Option::is_some);
        self.answer
            .with(|answer| read(answer.as_ref().filter(|_| !waiting)?))
    }

    /// `question` reads what the answer depends on, and gives the call to the engine, or none to clear the answer.
    pub fn new<Q>(question: impl Fn() -> Option<Q> + 'static) -> Self
    where
        Q: AsyncFnOnce(Option<AbortSignal>) -> Outcome<T> + 'static,
    {
        Self::keeping(question, || false)
    }

    /// The same, but that while `keep` holds, no question leaves the last answer where it is: another is about to come.
    pub fn keeping<Q>(
        question: impl Fn() -> Option<Q> + 'static,
        keep: impl Fn() -> bool + 'static,
    ) -> Self
    where
        Q: AsyncFnOnce(Option<AbortSignal>) -> Outcome<T> + 'static,
    {
        let answer = Var::new(None);
        let asking = Asking {
            waiting: Var::new(false),
            wait: Var::new(Wait::Short),
            error: Var::new(None),
            again: Var::new(()),
            enough: Var::new(()),
        };
        let question = move || -> Option<Call> {
            let Some(question) = question() else {
                if !keep() && answer.peek(Option::is_some) {
                    answer.set(None);
                }
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
    let (pause, long) = (Pause::default(), Pause::default());
    let (asked, told) = (pause.clone(), long.clone());
    let mut begun = false;
    effect(move || {
        asking.enough.with(|()| ());
        if std::mem::replace(&mut begun, true) {
            asked.stop();
            told.stop();
            asking.waiting.put(false);
            asking.wait.put(Wait::Stopped);
        }
    });
    effect(move || {
        asking.again.with(|()| ());
        pause.stop();
        long.stop();
        let call = question();
        asking.wait.put(Wait::Short);
        asking.waiting.put(call.is_some());
        let Some(call) = call else {
            asking.error.put(None);
            return;
        };
        long.then(LONG, Box::new(move |_| asking.wait.put(Wait::Long)));
        let long = long.clone();
        let work = move |signal: Option<AbortSignal>| {
            spawn(async move {
                let outcome = call(signal.clone()).await;
                if signal.is_some_and(|signal| signal.aborted()) {
                    return;
                }
                match outcome {
                    Ok(keep) => {
                        keep();
                        asking.error.put(None);
                    }
                    Err(error) => asking.error.set(Some(error)),
                }
                long.stop();
                asking.wait.put(Wait::Short);
                asking.waiting.put(false);
            });
        };
        pause.then(BREATH, Box::new(work));
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

    /// Starts `work` after `rest`, with the signal that tells when it is stopped.
    pub fn then(&self, rest: Duration, work: Box<dyn FnOnce(Option<AbortSignal>)>) {
        self.stop();
        let abort = Abort::new();
        let signal = abort.signal();
        // Without a timer (no window) nothing can be asked at all.
        if let Ok(timeout) = set_timeout_with_handle(move || work(signal), rest) {
            *self.0.borrow_mut() = Some((timeout, abort));
        }
    }
}
