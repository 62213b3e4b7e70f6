//! A label for a whole text, or for a pair of texts.

use leptos::prelude::*;
use unmask_protocol::{HeadInfo, LabelScore};

use super::field::{Field, asked};
use crate::latest::Latest;
use crate::page::Page;
use crate::views::error_note::Trouble;
use crate::views::probability::ProbabilityRow;

/// Labels that are shown.
const SHOWN: usize = 5;

/// A sequence classification head. One with a label for entailment reads a premise and a hypothesis.
#[component]
pub fn Classification(
    /// The head.
    head: HeadInfo,
) -> impl IntoView {
    let bert = Page::expect().bert;
    let is_pair = head
        .labels
        .iter()
        .any(|label| label.eq_ignore_ascii_case("entailment"));
    let (title, label, opening) = match head.name.as_str() {
        _ if is_pair => (
            "Entailment",
            "Premise",
            "A man is playing a guitar on the stage.",
        ),
        "topic" => (
            "Topic",
            "Text",
            "The planets move around the sun because of gravity.",
        ),
        "sentiment" => (
            "Sentiment",
            "Text",
            "The film is warm, funny and beautifully acted.",
        ),
        other => (
            other,
            "Text",
            "The film is warm, funny and beautifully acted.",
        ),
    };
    let title = title.to_owned();
    let text = RwSignal::new(opening.to_owned());
    let pair = RwSignal::new("Somebody is making music.".to_owned());
    let name = head.name.clone();
    let latest = Latest::new(move || {
        let (model, text, head) = (bert.model()?, asked(text)?, name.clone());
        let pair = match is_pair {
            true => Some(asked(pair)?),
            false => None,
        };
        Some(async move |signal| model.classify(&text, pair.as_deref(), &head, signal).await)
    });
    let row = |score: LabelScore| {
        view! { <ProbabilityRow text=score.label probability=score.probability /> }
    };
    let labels = move || {
        let labels = latest.answer.get();
        labels
            .unwrap_or_default()
            .into_iter()
            .take(SHOWN)
            .map(row)
            .collect_view()
    };
    view! {
        <article class="panel" data-head=head.name.clone() aria-label=head.name.clone()>
            <h3>{title}</h3>
            <Field label value=text rows=2 />
            {is_pair.then(|| view! { <Field label="Hypothesis" value=pair /> })}
            <Trouble asking=latest.asking />
            <ol class="candidates" aria-live="polite">{labels}</ol>
        </article>
    }
}
