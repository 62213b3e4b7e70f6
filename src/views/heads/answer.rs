//! A question, a passage, and the answer marked in it.

use leptos::prelude::*;

use super::field::{Field, asked};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::format::percent;
use crate::state::marked::{Run, runs};
use crate::views::error_note::Trouble;

/// The question answering head.
#[component]
pub fn Passage() -> impl IntoView {
    let bert = Page::expect().bert;
    let question = RwSignal::new("Where did the keys turn up?".to_owned());
    let passage = RwSignal::new(
        "Martha looked for her keys all morning. They turned up in the pocket of her raincoat."
            .to_owned(),
    );
    let latest = Latest::new(move || {
        let (model, question, passage) = (bert.model()?, asked(question)?, asked(passage)?);
        Some(async move |signal| {
            let answers = model.answer(&question, &passage, signal).await?;
            Ok((passage, answers))
        })
    });
    let run = |run: Run<f32>| match run.mark {
        None => run.text.into_any(),
        Some(probability) => view! {
            <mark title=percent(probability)>{run.text}</mark>
        }
        .into_any(),
    };
    let marked = move || {
        latest.answer.with(|answer| {
            let (passage, answers) = answer.as_ref()?;
            let best = answers.first()?;
            if best.text.is_empty() {
                return Some(
                    view! {
                        "BERT finds no answer in this passage ("
                        {percent(best.probability)}
                        ")."
                    }
                    .into_any(),
                );
            }
            let span = [(best.start, best.end, best.probability)];
            Some(
                view! {
                    {runs(passage, &span).into_iter().map(run).collect_view()}
                    <span class="number">" " {percent(best.probability)}</span>
                }
                .into_any(),
            )
        })
    };
    view! {
        <article class="panel" data-head="question-answering" aria-label="Question answering">
            <h3>"Question answering"</h3>
            <Field label="Question" value=question />
            <Field label="Passage" value=passage rows=3 />
            <Trouble asking=latest.asking />
            <p class="marked" aria-live="polite">{marked}</p>
        </article>
    }
}
