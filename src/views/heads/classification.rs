//! A label for a whole text, or for a pair of texts.

use unmask_protocol::{HeadInfo, LabelScore};

use super::field::{asked, field};
use super::occlusion::occlusion;
use crate::dom::{El, el};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::fields::{HYPOTHESIS, LABELLED, PREMISE, SENTIMENT, TOPIC};
use crate::state::table::Table;
use crate::views::error_note::trouble;
use crate::views::probability::probability_row;
use crate::views::take_along::take_table;

/// Labels that are shown.
const SHOWN: usize = 5;

/// Whether a head judges if one text entails another.
pub fn is_entailment(head: &HeadInfo) -> bool {
    let says_so = |label: &String| label.eq_ignore_ascii_case("entailment");
    head.labels.iter().any(says_so)
}

/// Labels as data.
pub fn labels_table(latest: Latest<Vec<LabelScore>>) -> Option<Table> {
    let mut table = Table::new(&["label", "probability"]);
    latest.answer.with(|labels| {
        for score in labels.iter().flatten() {
            table.text(&score.label).share(score.probability);
        }
    });
    Some(table)
}

/// A sequence classification head. One with a label for entailment reads a premise and a hypothesis.
pub fn panel(page: Page, head: &HeadInfo) -> El {
    let is_pair = is_entailment(head);
    let (title, label, text) = match head.name.as_str() {
        _ if is_pair => ("Entailment", "Premise", PREMISE),
        "topic" => ("Topic", "Text", TOPIC),
        "sentiment" => ("Sentiment", "Text", SENTIMENT),
        other => (other, "Text", LABELLED),
    };
    let (text, pair) = (page.fields[text], page.fields[HYPOTHESIS]);
    let name = head.name.clone();
    let latest = Latest::new(move || {
        let (model, text, head) = (page.bert.model()?, asked(text)?, name.clone());
        let pair = match is_pair {
            true => Some(asked(pair)?),
            false => None,
        };
        Some(async move |signal| {
            model
                .classify(&text, pair.as_deref(), &head, None, signal)
                .await
        })
    });
    let labels = move |list: &El| {
        latest.answer.with(|labels| {
            for score in labels.iter().flatten().take(SHOWN) {
                list.append(probability_row(&score.label, None, score.probability));
            }
        });
    };
    let panel = el("article")
        .class("panel")
        .attr("data-head", &head.name)
        .attr("aria-label", &head.name)
        .children([el("h3").text(title), field(label, text, 2)]);
    if is_pair {
        panel.append(field("Hypothesis", pair, 1));
    }
    let panel = panel.children([
        trouble(latest.asking),
        el("ol")
            .class("candidates")
            .attr("aria-live", "polite")
            .live(labels),
        take_table("the labels", "labels", move || labels_table(latest)),
    ]);
    match is_pair {
        true => panel,
        false => panel.child(occlusion(page, text, head.name.clone())),
    }
}
