//! An error as a reader needs it: what happened, what to do, and a button that tries again.

use unmask_protocol::ErrorBody;

use crate::dom::{El, button, el};
use crate::latest::Asking;

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

/// Why a question to the engine has no answer.
pub fn trouble(asking: Asking) -> El {
    error_note(move || asking.error.get(), move || asking.retry())
}
