//! Labelled stretches, marked in the text.

use leptos::prelude::*;
use unmask_protocol::HeadInfo;

use super::field::{Field, asked};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::format::percent;
use crate::state::marked::{Run, runs};
use crate::views::error_note::Trouble;

/// A token classification head.
#[component]
pub fn Entities(
    /// The head.
    head: HeadInfo,
) -> impl IntoView {
    let bert = Page::expect().bert;
    let text = RwSignal::new(
        "Ada Lovelace met Charles Babbage in London and wrote about his engine.".to_owned(),
    );
    let name = head.name.clone();
    let latest = Latest::new(move || {
        let (model, text, head) = (bert.model()?, asked(text)?, name.clone());
        Some(async move |signal| {
            let spans = model.label(&text, &head, signal).await?;
            Ok((text, spans))
        })
    });
    let run = |run: Run<(String, f32)>| match run.mark {
        None => run.text.into_any(),
        Some((label, probability)) => {
            let name = label.clone();
            view! {
                <mark data-label=name title=percent(probability)>
                    {run.text}
                    <small>{label}</small>
                </mark>
            }
            .into_any()
        }
    };
    let marked = move || {
        latest.answer.with(|answer| {
            let (text, spans) = answer.as_ref()?;
            let spans: Vec<_> = spans
                .iter()
                .map(|span| (span.start, span.end, (span.label.clone(), span.probability)))
                .collect();
            Some(runs(text, &spans).into_iter().map(run).collect_view())
        })
    };
    view! {
        <article class="panel" data-head=head.name.clone() aria-label=head.name.clone()>
            <h3>"Named entities"</h3>
            <Field label="Text" value=text rows=2 />
            <Trouble asking=latest.asking />
            <p class="marked" aria-live="polite">{marked}</p>
        </article>
    }
}
