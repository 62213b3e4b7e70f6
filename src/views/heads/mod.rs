//! BERT's further heads, each shown where the loaded model has it: one representation, many tasks.

mod answer;
mod classification;
mod entities;
pub mod field;
mod next_sentence;
mod occlusion;
mod zero_shot;

use super::app::heading;
use crate::dom::{El, el, p};
use crate::page::Page;
use crate::var::Derived;

/// One panel per head other than the masked language model's.
pub fn heads(page: Page) -> El {
    let heads = Derived::new(move || {
        let info = page.bert.info();
        let mut heads = info.map(|info| info.heads.clone()).unwrap_or_default();
        heads.retain(|head| has_panel(&head.kind));
        heads
    });
    let panels = el("div").class("panels").live(move |place| {
        for head in heads.get() {
            place.append(match head.kind.as_str() {
                "next-sentence" => next_sentence::panel(page),
                "sequence-classification" => classification::panel(page, &head),
                "token-classification" => entities::panel(page, &head),
                _ => answer::panel(page),
            });
            if classification::is_entailment(&head) {
                place.append(zero_shot::panel(page, &head.name));
            }
        }
    });
    el("section")
        .class("heads")
        .attr("aria-labelledby", "heads-title")
        .shown(move || heads.with(|heads| !heads.is_empty()))
        .children([
            heading("h2", "heads-title", "What else BERT can tell"),
            p(
                "prose",
                "BERT’s encoder turns every token into a vector that has seen its whole surroundings. A \
                 small layer on top, a head, reads those vectors for one purpose. Filling gaps is one head; \
                 these are others, on the same encoder.",
            ),
            panels,
        ])
}

fn has_panel(kind: &str) -> bool {
    matches!(
        kind,
        "next-sentence" | "sequence-classification" | "token-classification" | "question-answering"
    )
}
