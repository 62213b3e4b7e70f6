//! What BERT puts in the hidden words' places.

use leptos::prelude::*;
use unmask_protocol::{Candidate, FilledMask};

use super::choice::Choice;
use super::error_note::Trouble;
use super::loading::Loading;
use super::probability::ProbabilityRow;
use crate::page::Page;
use crate::state::format::percent;
use crate::state::shapes::Sight;

/// The ways of looking, and their words.
const SIGHTS: [(Sight, &str); 3] = [
    (Sight::Both, "both ways"),
    (Sight::Left, "left only"),
    (Sight::Near, "two tokens around"),
];

/// BERT's side of the page.
#[component]
pub fn BertPanel() -> impl IntoView {
    let page = Page::expect();
    let fills = page.fills;
    let masks = Memo::new(move |_| fills.answer.get().unwrap_or_default());
    let nothing_hidden = move || page.sentence.with(|sentence| sentence.hidden_count() == 0);
    let sight = move || {
        let now = page.sight.get();
        SIGHTS.iter().position(|(sight, _)| *sight == now)
    };
    // What it said before the mask was changed, to compare.
    let as_trained = move || {
        page.reference.answer.with(|answer| {
            let guess = answer.as_ref()?.first()?.candidates.first()?;
            let (text, share) = (guess.text.trim(), percent(guess.probability));
            Some(format!(
                "Looking both ways, its first guess was “{text}”, {share}."
            ))
        })
    };
    let untrained = move || match page.sight.get() {
        Sight::Both => None,
        Sight::Left => Some(
            "Now a word sees only what stands before it. BERT was never trained to read like this, \
             and everything to the right of the gap is lost to it.",
        ),
        Sight::Near => Some(
            "Now a word sees two tokens on each side. BERT was never trained to read like this; \
             what lies further away reaches the gap only step by step, from layer to layer.",
        ),
    };
    view! {
        <article class="panel" aria-labelledby="bert-title" aria-busy=move || {
            fills.asking.waiting.get().to_string()
        }>
            <h3 id="bert-title">
                "BERT " <span class="aside">"fills the gap"</span>
            </h3>
            <Loading model=page.bert label="BERT" />
            <Trouble asking=fills.asking />
            {move || {
                (!masks.with(Vec::is_empty)).then(|| view! { <Completed masks /> })
            }}
            {move || masks.get().into_iter().enumerate().map(|(index, mask)| {
                view! { <Candidates index count=masks.with(Vec::len) mask /> }
            }).collect_view()}
            <p class="note" hidden=move || !nothing_hidden()>
                "No word is hidden. Hide one above, and BERT will guess it."
            </p>
            <Choice
                legend="BERT may look"
                options=SIGHTS.map(|(_, words)| words.to_owned()).to_vec()
                value=Signal::derive(sight)
                choose=move |index: usize| page.sight.set(SIGHTS[index].0)
            />
            <p class="note" aria-live="polite">
                {untrained} " " {as_trained}
            </p>
        </article>
    }
}

/// The sentence with the first candidates in place.
#[component]
fn Completed(
    /// BERT's answer.
    masks: Memo<Vec<FilledMask>>,
) -> impl IntoView {
    let page = Page::expect();
    move || {
        let sentence = page.sentence.get();
        let text = sentence.text();
        let masks = masks.get();
        let mut copied = 0;
        let mut parts = Vec::new();
        let hidden = sentence.words().into_iter().filter(|word| word.hidden);
        for (word, mask) in hidden.zip(&masks) {
            let guess = mask.candidates.first();
            parts.push(view! {
                {text[copied..word.range.start].to_owned()}
                <mark class="filled">{guess.map(|guess| guess.text.trim().to_owned())}</mark>
            });
            copied = word.range.end;
        }
        view! {
            <p class="completed">
                {parts}
                {text[copied..].to_owned()}
            </p>
        }
    }
}

/// The candidates for one mask, most probable first.
#[component]
fn Candidates(
    /// Which mask, counted from 0.
    index: usize,
    /// How many masks there are.
    count: usize,
    /// Its candidates.
    mask: FilledMask,
) -> impl IntoView {
    let original = Page::expect()
        .sentence
        .with_untracked(|sentence| sentence.original(index).map(str::to_owned));
    let heading = (count > 1).then(|| view! { <h4>{format!("Gap {}", index + 1)}</h4> });
    let row = move |candidate: Candidate| {
        let text = candidate.text.trim().to_owned();
        let right = original
            .as_ref()
            .is_some_and(|original| original.eq_ignore_ascii_case(&text));
        let remark = right.then_some(" the hidden word");
        view! { <ProbabilityRow text remark probability=candidate.probability /> }
    };
    view! {
        {heading}
        <ol class="candidates" data-mask=index>
            {mask.candidates.into_iter().map(row).collect_view()}
        </ol>
    }
}
