//! A text field of a head's panel.

use leptos::prelude::*;

/// A labelled text.
#[component]
pub fn Field(
    /// What it holds.
    label: &'static str,
    /// The text.
    value: RwSignal<String>,
    /// Lines shown.
    #[prop(default = 1)]
    rows: u32,
) -> impl IntoView {
    view! {
        <label class="field">
            <span>{label}</span>
            <textarea
                rows=rows
                spellcheck="false"
                prop:value=value
                on:input:target=move |event| value.set(event.target().value())
            ></textarea>
        </label>
    }
}

/// Text that is worth asking about: none while it is blank.
pub fn asked(value: RwSignal<String>) -> Option<String> {
    value.with(|text| (!text.trim().is_empty()).then(|| text.clone()))
}
