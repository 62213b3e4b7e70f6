//! One of several options, set in a line: a group of radio buttons.

use std::sync::atomic::{AtomicUsize, Ordering};

use leptos::prelude::*;

/// Names of the groups, which must differ within the document.
static GROUPS: AtomicUsize = AtomicUsize::new(0);

/// A line of options, shown where there is more than one.
#[component]
pub fn Choice<T>(
    /// What is chosen, shown before the options.
    #[prop(into)]
    legend: String,
    /// The options and their words.
    #[prop(into)]
    options: Signal<Vec<(T, String)>>,
    /// The option that is chosen now.
    #[prop(into)]
    value: Signal<T>,
    /// Called with the reader's choice.
    choose: impl Fn(T) + Copy + Send + Sync + 'static,
) -> impl IntoView
where
    T: Clone + PartialEq + Send + Sync + 'static,
{
    let group = format!("choice-{}", GROUPS.fetch_add(1, Ordering::Relaxed));
    let option = move |(option, words): (T, String)| {
        let (this, chosen) = (option.clone(), option);
        view! {
            <label class="option">
                <input
                    type="radio"
                    name=group.clone()
                    prop:checked=move || value.get() == this
                    on:change=move |_| choose(chosen.clone())
                />
                <span>{words}</span>
            </label>
        }
    };
    view! {
        <fieldset class="choice" hidden=move || options.with(|options| options.len() < 2)>
            <legend>{legend}</legend>
            <div class="options">
                {move || options.get().into_iter().map(option.clone()).collect_view()}
            </div>
        </fieldset>
    }
}
