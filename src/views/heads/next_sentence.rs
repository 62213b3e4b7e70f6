//! Does the second sentence follow the first?

use super::field::{asked, field};
use crate::dom::{El, el, p};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::fields::{FIRST, SECOND};
use crate::state::format::{decimal, percent};
use crate::var::effect;
use crate::views::error_note::trouble;
use crate::views::probability::bar;

/// The next sentence head.
pub fn panel(page: Page) -> El {
    let (first, second) = (page.fields[FIRST], page.fields[SECOND]);
    let latest = Latest::new(move || {
        let (model, a, b) = (page.bert.model()?, asked(first)?, asked(second)?);
        Some(async move |signal| model.next_sentence(&a, &b, signal).await)
    });
    effect(move || page.told.follows.put(latest.settled(|&share| Some(share))));
    let verdict = move |place: &El| {
        let Some(probability) = latest.answer.get() else {
            return;
        };
        let words = match probability {
            ..0.35 => "BERT doubts that the second follows the first: ",
            0.35..0.65 => "BERT cannot tell whether the second follows the first: ",
            _ => "BERT believes that the second follows the first: ",
        };
        let verdict = p("verdict", words)
            .attr("data-probability", &decimal(probability))
            .child(el("strong").class("number").text(&percent(probability)));
        place.append(verdict.child(bar(probability)));
    };
    el("article")
        .class("panel")
        .attr("data-head", "next-sentence")
        .attr("aria-label", "Next sentence")
        .children([
            el("h3").text("Next sentence"),
            p(
                "note",
                "In training, BERT also saw pairs of sentences and had to say whether one came after the \
                 other, or from somewhere else.",
            ),
            field("First", first, 1),
            field("Second", second, 1),
            trouble(latest.asking),
            el("div").attr("aria-live", "polite").live(verdict),
        ])
}
