//! Attention from overview to detail: every layer and head as a thumbnail, one head in its three stages, and the same
//! head as lines between two rows of tokens.

use super::ablation::ablation;
use super::app::heading;
use super::choice::{choice, toggle};
use super::lines::{drawing_of_lines, lines};
use super::overview::overview;
use super::stages::stages;
use super::take_along::{link, picture, row, take_head};
use leptos::prelude::document;
use wasm_bindgen::JsCast;
use web_sys::HtmlCanvasElement;

use crate::dom::{El, el, p, value_of};
use crate::page::Page;
use crate::state::attention::Head;
use crate::state::links::Place;
use crate::state::sentence::Sentence;

/// The section.
pub fn attention_panel(page: Page) -> El {
    let part = move || {
        Place::ATTENTIONS
            .iter()
            .position(|place| *place == page.part.get())
    };
    let has_part = move || page.shown_attention(page.part.get(), |_| ()).is_some();
    // Scores aren't recorded, and nothing can be asked of a recording.
    let is_live = move || page.attention(page.part.get(), |_| ()).is_some();
    // The last of the three stages is what the head does.
    let softmax = || canvas_at(".stages figure:last-child canvas");
    let [copy_link, said] = link(page);
    let source = move || {
        let text = match page.part.get() {
            Place::Bert => page.sentence.with(Sentence::masked),
            _ => page.writing.draft.with(|draft| draft.source.clone()),
        };
        Some(text)
    };
    let lens = move || page.lens(page.part.get());
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
        // What "Embed this view" reads.
        .live_attr("data-place", move || Some(page.part.get().name().into()))
        .live_attr("data-model", move || {
            Some(match page.part.get() {
                Place::Bert => page.bert.name.get(),
                _ => page.bart.name.get(),
            })
        })
        .live_attr("data-text", source)
        .live_attr("data-layer", move || Some((lens().layer.get() + 1).to_string()))
        .live_attr("data-head", move || {
            Some(match lens().head.get() {
                Head::Mean => "mean".into(),
                Head::One(head) => (head + 1).to_string(),
            })
        })
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
                        stages(page).shown(is_live),
                        ablation(page).shown(is_live),
                        el("h3").text("The same head as lines"),
                        lines_controls,
                        lines(page),
                        row("the lines").children([picture(
                            move || format!("{}-lines", page.part.now().name()),
                            || canvas_at(".lines canvas"),
                        ),
                        drawing_of_lines(page)]),
                        take_head(page, move || page.part.now(), softmax).shown(is_live),
                        el("div").class("controls").children([copy_link, said]),
                    ]),
                ]),
        ])
}

fn canvas_at(selector: &str) -> Option<HtmlCanvasElement> {
    document().query_selector(selector).ok()??.dyn_into().ok()
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
