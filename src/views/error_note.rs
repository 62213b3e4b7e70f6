//! An error as a reader needs it: what happened, what to do, and a button that tries again.

use leptos::prelude::*;
use unmask_protocol::ErrorBody;

use crate::latest::Asking;

/// What went wrong and the next step.
#[component]
pub fn ErrorNote(
    /// The error, while there is one.
    #[prop(into)]
    error: Signal<Option<ErrorBody>>,
    /// Tries again.
    #[prop(into)]
    retry: Callback<()>,
) -> impl IntoView {
    move || {
        error.get().map(|error| {
            view! {
                <div class="error" role="alert">
                    <p>
                        <strong>{error.message}</strong>
                        " "
                        {error.next_step}
                    </p>
                    <button type="button" on:click=move |_| retry.run(())>
                        "Try again"
                    </button>
                </div>
            }
        })
    }
}

/// Why a question to the engine has no answer.
#[component]
pub fn Trouble(
    /// The question.
    asking: Asking,
) -> impl IntoView {
    view! { <ErrorNote error=asking.error retry=move |()| asking.retry() /> }.into_any()
}
