//! One of several options, set in a line: a group of radio buttons.

use std::sync::atomic::{AtomicUsize, Ordering};

use leptos::prelude::*;

/// Names of the groups, which must differ within the document.
static GROUPS: AtomicUsize = AtomicUsize::new(0);

/// A line of options, shown where there is more than one. Options go by their place in the line.
#[component]
pub fn Choice(
    /// What is chosen, shown before the options.
    legend: &'static str,
    /// The options in words.
    #[prop(into)]
    options: Signal<Vec<String>>,
    /// The option that is chosen now.
    #[prop(into)]
    value: Signal<Option<usize>>,
    /// Called with the reader's choice.
    #[prop(into)]
    choose: Callback<usize>,
) -> impl IntoView {
    let group = format!("choice-{}", GROUPS.fetch_add(1, Ordering::Relaxed));
    let option = move |(index, words): (usize, String)| {
        view! {
            <label class="option">
                <input
                    type="radio"
                    name=group.clone()
                    prop:checked=move || value.get() == Some(index)
                    on:change=move |_| choose.run(index)
                />
                <span>{words}</span>
            </label>
        }
    };
    let all = move || {
        let options = options.get().into_iter().enumerate();
        options.map(option.clone()).collect_view()
    };
    view! {
        <fieldset class="choice" hidden=move || options.with(|options| options.len() < 2)>
            <legend>{legend}</legend>
            <div class="options">{all}</div>
        </fieldset>
    }
    .into_any()
}
