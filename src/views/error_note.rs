//! An error as a reader needs it: what happened, what to do, and a button that tries again.

use leptos::prelude::*;
use unmask_protocol::ErrorBody;

/// What went wrong and the next step.
#[component]
pub fn ErrorNote(
    /// The error.
    error: ErrorBody,
    /// Tries again.
    retry: impl Fn() + 'static,
) -> impl IntoView {
    view! {
        <div class="error" role="alert">
            <p>
                <strong>{error.message}</strong>
                " "
                {error.next_step}
            </p>
            <button type="button" on:click=move |_| retry()>
                "Try again"
            </button>
        </div>
    }
}
