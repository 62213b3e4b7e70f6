//! An error as a reader needs it: what happened, what to do, and a button that tries again.

use unmask_protocol::ErrorBody;

use crate::dom::{El, button, el};
use crate::latest::{Asking, Wait};

/// What went wrong, the next step, and the button for it; empty while there is no error.
pub fn error_note(
    error: impl Fn() -> Option<ErrorBody> + 'static,
    retry: impl Fn() + Copy + 'static,
) -> El {
    el("div").class("trouble").live(move |place| {
        if let Some(error) = error() {
            place.append(failed(&error, retry));
        }
    })
}

/// One error.
pub fn failed(error: &ErrorBody, retry: impl Fn() + 'static) -> El {
    let words = el("p")
        .child(el("strong").text(&error.message))
        .text(" ")
        .text(&error.next_step);
    el("div")
        .class("error")
        .attr("role", "alert")
        .children([words, button("Try again", retry)])
}

/// Why a question to the engine has no answer: what went wrong, or that it takes long, with a way to stop it.
pub fn trouble(asking: Asking) -> El {
    el("div").children([
        error_note(move || asking.error.get(), move || asking.retry()),
        long_wait(asking),
    ])
}

/// A line for a wait that has become long, or that the reader has stopped. One button for both, which keeps the focus.
fn long_wait(asking: Asking) -> El {
    let act = move || match asking.wait.now() {
        Wait::Stopped => asking.retry(),
        _ => asking.stop(),
    };
    let words = el("span")
        .attr("role", "status")
        .live_text(move || match asking.wait.get() {
            Wait::Short => String::new(),
            Wait::Long => "Still computing.".to_owned(),
            Wait::Stopped => "Stopped; no answer to this yet.".to_owned(),
        });
    let label = move || match asking.wait.get() {
        Wait::Stopped => "Ask again".to_owned(),
        _ => "Stop".to_owned(),
    };
    el("p")
        .class("note wait")
        .shown(move || asking.wait.get() != Wait::Short)
        .children([words, button("", act).class("quiet").live_text(label)])
}
