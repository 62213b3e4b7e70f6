//! Does the second sentence follow the first?

use leptos::prelude::*;

use super::field::{Field, asked};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::format::percent;
use crate::views::error_note::Trouble;
use crate::views::probability::Bar;

/// The next sentence head.
#[component]
pub fn NextSentence() -> impl IntoView {
    let bert = Page::expect().bert;
    let first = RwSignal::new("The company was founded by two brothers in 1920.".to_owned());
    let second = RwSignal::new("The company was sold in 1965.".to_owned());
    let latest = Latest::new(move || {
        let (model, a, b) = (bert.model()?, asked(first)?, asked(second)?);
        Some(async move |signal| model.next_sentence(&a, &b, signal).await)
    });
    let verdict = move || {
        let probability = latest.answer.get()?;
        let words = match probability {
            ..0.35 => "BERT doubts that the second follows the first",
            0.35..0.65 => "BERT cannot tell whether the second follows the first",
            _ => "BERT believes that the second follows the first",
        };

        Some(view! {
            <p class="verdict" data-probability=probability.to_string()>
                {words} ": " <strong class="number">{percent(probability)}</strong>
                <Bar probability />
            </p>
        })
    };
    view! {
        <article class="panel" data-head="next-sentence" aria-label="Next sentence">
            <h3>"Next sentence"</h3>
            <p class="note">
                "In training, BERT also saw pairs of sentences and had to say whether one came after the \
                other, or from somewhere else."
            </p>
            <Field label="First" value=first />
            <Field label="Second" value=second />
            <Trouble asking=latest.asking />
            <div aria-live="polite">{verdict}</div>
        </article>
    }
}
