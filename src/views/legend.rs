//! The key to the matrices: the scale of weights, and what hatching means.

use leptos::prelude::*;

use crate::page::Page;
use crate::state::ramp::{gradient, position};

/// Weights that the scale names, in percent.
const TICKS: [u8; 5] = [0, 5, 20, 50, 100];

/// Scale and hatching, each with its words.
#[component]
pub fn Legend() -> impl IntoView {
    let page = Page::expect();
    let tick = |percent: u8| {
        let left = (position(f32::from(percent) / 100.0) * 100.0).round() as u32;
        view! { <span style:left=format!("{left}%")>{percent.to_string()} "%"</span> }
    };
    view! {
        <div class="legend">
            <p>
                <span class="swatch hatched" aria-hidden="true"></span>
                "may not look"
            </p>
            <div class="scale">
                <p>"attention weight"</p>
                <div
                    class="ramp"
                    aria-hidden="true"
                    style:background=move || gradient(page.scheme.get())
                ></div>
                <div class="ticks">{TICKS.map(tick)}</div>
            </div>
        </div>
    }
}
