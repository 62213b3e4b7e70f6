//! What sets the two models apart, in six cells; each leads to where it can be seen at work.

use leptos::prelude::document;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::app::heading;
use crate::dom::{El, button, el};

/// Row by row: what it is about, then BERT's and BART's cells with the selectors of the panels that show them.
const ROWS: [(&str, [(&str, &str); 2]); 3] = [
    (
        "Architecture",
        [
            (
                "an encoder: every token sees every token",
                ".masks .group:first-of-type",
            ),
            (
                "an encoder, and a decoder that sees only what it has written, and the whole source",
                ".triptych",
            ),
        ],
    ),
    (
        "Purpose",
        [
            ("understanding: moods, topics, names, answers", ".heads"),
            (
                "writing: restoring, shortening, answering in its own words",
                "#bart",
            ),
        ],
    ),
    (
        "Pre-training",
        [
            (
                "guess words that were hidden, and whether one text follows another",
                "#pretraining",
            ),
            (
                "undo noise: hidden, deleted and shuffled words and sentences",
                "#noise",
            ),
        ],
    ),
];

/// The table.
pub fn differences() -> El {
    let head = el("tr").children([
        el("td"),
        el("th").attr("scope", "col").text("BERT"),
        el("th").attr("scope", "col").text("BART"),
    ]);
    let body = el("tbody");
    for (about, cells) in ROWS {
        let row = el("tr").child(el("th").attr("scope", "row").text(about));
        for ((text, place), model) in cells.into_iter().zip(["BERT", "BART"]) {
            let cell = button(text, move || show(place)).class("plain");
            row.append(el("td").attr("data-model", model).child(cell));
        }
        body.append(row);
    }
    el("section")
        .class("differences")
        .attr("aria-labelledby", "differences-title")
        .children([
            heading("h2", "differences-title", "What sets them apart"),
            el("table").children([el("thead").child(head), body]),
        ])
}

/// Brings a panel into view and puts the keyboard there.
fn show(selector: &str) {
    let found = document().query_selector(selector);
    let Some(panel) = found.ok().flatten() else {
        return;
    };
    let panel: HtmlElement = panel.unchecked_into();
    panel.set_tab_index(-1);
    panel.scroll_into_view();
    // Focus can only fail on an element that is no longer there; the panel is in view all the same.
    let _ = panel.focus();
}
