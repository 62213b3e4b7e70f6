//! Attention from overview to detail: every layer and head as a thumbnail, one head in its three stages, and the same
//! head as lines between two rows of tokens.

use super::app::heading;
use super::choice::{choice, toggle};
use super::lines::lines;
use super::overview::overview;
use super::stages::stages;
use crate::dom::{El, el, p, value_of};
use crate::page::Page;
use crate::state::links::Place;

/// The section.
pub fn attention_panel(page: Page) -> El {
    let part = move || {
        Place::ATTENTIONS
            .iter()
            .position(|place| *place == page.part.get())
    };
    let has_part = move || page.attention(page.part.get(), |_| ()).is_some();
    let lines_controls = el("div").class("lines-controls").children([
        el("label").class("number-field").children([
            el("span").live_text(move || {
                format!("Leave out lines below {}%", page.display.threshold.get())
            }),
            el("input")
                .attr("type", "range")
                .attr("min", "0")
                .attr("max", "60")
                .live_value(move || page.display.threshold.get().to_string())
                .on("input", move |event| {
                    if let Ok(threshold) = value_of(&event).parse() {
                        page.display.threshold.put(threshold);
                    }
                }),
        ]),
        toggles(page),
    ]);
    el("section")
        .class("attention")
        .attr("aria-labelledby", "attention-title")
        .attr("id", "attention")
        .children([
            heading("h2", "attention-title", "Every layer, every head"),
            p(
                "prose",
                "Each layer has several heads, and each head its own matrix. They have habits: some look at \
                 the token before, some at the full stop, a few at what the sentence needs. The page opens at \
                 the head that points most sharply at words further away. Weights show where a head gathers \
                 information, not why the model decides.",
            ),
            choice(
                "Show",
                || Place::ATTENTIONS.map(|place| place.title().to_owned()).to_vec(),
                part,
                move |index| page.part.set(Place::ATTENTIONS[index]),
            ),
            p("note", "There is nothing to draw yet: the model has not answered.")
                .shown(move || !has_part()),
            el("div")
                .class("heads-and-head")
                .shown(has_part)
                .children([
                    overview(page),
                    el("div").class("head-detail").children([
                        stages(page),
                        el("h3").text("The same head as lines"),
                        lines_controls,
                        lines(page),
                    ]),
                ]),
        ])
}

/// How tokens are shown, in every picture of attention.
pub fn toggles(page: Page) -> El {
    let display = page.display;
    el("div").class("toggles").children([
        toggle(
            "put word pieces together",
            move || display.whole_words.get(),
            move |on| {
                page.painting.put(false);
                display.whole_words.put(on);
            },
        ),
        toggle(
            "leave out special tokens",
            move || display.written_only.get(),
            move |on| {
                page.painting.put(false);
                display.written_only.put(on);
            },
        ),
    ])
}
