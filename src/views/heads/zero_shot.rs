//! The reader's own labels, judged by the head that knows entailment.

use super::classification::labels_table;
use super::field::{asked, field};
use crate::dom::{El, el, p};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::fields::{JUDGED, LABELS};
use crate::views::error_note::trouble;
use crate::views::probability::probability_row;
use crate::views::take_along::take_table;

/// What the text has to entail for a label to fit.
const HYPOTHESIS: &str = "This is about {}.";
/// Labels that are judged at most: each costs a reading.
const MOST: usize = 20;

/// A text and labels, for the entailment head `head`.
pub fn panel(page: Page, head: &str) -> El {
    let (text, labels) = (page.fields[JUDGED], page.fields[LABELS]);
    let name = head.to_owned();
    let latest = Latest::new(move || {
        let (model, text, head) = (page.bert.model()?, asked(text)?, name.clone());
        let labels = labels.with(|typed| split(typed));
        (!labels.is_empty()).then_some(async move |signal| {
            let own = Some((labels.as_slice(), HYPOTHESIS));
            model.classify(&text, None, &head, own, signal).await
        })
    });
    el("article")
        .class("panel")
        .attr("data-head", "zero-shot")
        .attr("aria-label", "Labels of your own")
        .children([
            el("h3").text("Labels of your own"),
            p(
                "note",
                "No head was trained for these. The one for entailment is asked of each whether the text entails \
                 “This is about” it, and the labels share the probability.",
            ),
            field("Text", text, 2),
            field("Labels, with commas between them", labels, 1),
            trouble(latest.asking),
            el("ol")
                .class("candidates")
                .attr("aria-live", "polite")
                .live(move |list| {
                    latest.answer.with(|labels| {
                        for score in labels.iter().flatten() {
                            list.append(probability_row(&score.label, None, score.probability));
                        }
                    });
                }),
            take_table("the labels", "own-labels", move || labels_table(latest)),
        ])
}

/// Labels that stand between commas, each once.
fn split(typed: &str) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for label in typed.split([',', '\n']).map(str::trim) {
        if !label.is_empty() && labels.len() < MOST && !labels.iter().any(|one| one == label) {
            labels.push(label.to_owned());
        }
    }
    labels
}
