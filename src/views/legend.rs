//! The key to the matrices: the scale of weights, and what hatching means.

use crate::dom::{El, el, p};
use crate::page::Page;
use crate::state::ramp::{gradient, position};

/// Weights that the scale names, in percent.
const TICKS: [u8; 5] = [0, 5, 20, 50, 100];

/// Scale and hatching, each with its words.
pub fn legend(page: Page) -> El {
    let hatched = el("p")
        .child(
            el("span")
                .class("swatch hatched")
                .attr("aria-hidden", "true"),
        )
        .text("may not look");
    let ramp = el("div")
        .class("ramp")
        .attr("aria-hidden", "true")
        .live_style("background", move || gradient(page.scheme.get()));
    let tick = |percent: u8| {
        let left = (position(f32::from(percent) / 100.0) * 100.0).round() as u32;
        el("span")
            .style("left", &format!("{left}%"))
            .text(&format!("{percent}%"))
    };
    let scale = el("div").class("scale").children([
        p("", "attention weight"),
        ramp,
        el("div").class("ticks").children(TICKS.map(tick)),
    ]);
    el("div").class("legend").children([hatched, scale])
}
