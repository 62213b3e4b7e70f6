//! A probability as a row: what it belongs to, a bar, and the number.

use leptos::prelude::*;

use crate::state::format::percent;

/// One row of a list of probabilities.
#[component]
pub fn ProbabilityRow(
    /// What is probable.
    text: String,
    /// A remark behind it.
    #[prop(optional_no_strip)]
    remark: Option<&'static str>,
    /// How probable it is, from 0 to 1.
    probability: f32,
) -> impl IntoView {
    view! {
        <li data-probability=probability.to_string()>
            <span class="candidate">
                {text}
                {remark.map(|remark| view! { <span class="aside">{remark}</span> })}
            </span>
            <Bar probability />
            <span class="number">{percent(probability)}</span>
        </li>
    }
    .into_any()
}

/// The bar alone; the number has to stand beside it.
#[component]
pub fn Bar(
    /// How probable it is, from 0 to 1.
    probability: f32,
) -> impl IntoView {
    let width = format!("{}%", (probability * 100.0).round() as u32);
    view! {
        <span class="bar" aria-hidden="true">
            <span style:width=width></span>
        </span>
    }
}
