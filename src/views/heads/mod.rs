//! BERT's further heads, each shown where the loaded model has it: one representation, many tasks.

mod answer;
mod classification;
mod entities;
mod field;
mod next_sentence;

use leptos::prelude::*;
use unmask_protocol::HeadInfo;

use self::answer::Passage;
use self::classification::Classification;
use self::entities::Entities;
use self::next_sentence::NextSentence;
use crate::page::Page;

/// One panel per head other than the masked language model's.
#[component]
pub fn Heads() -> impl IntoView {
    let page = Page::expect();
    let heads = Memo::new(move |_| {
        let heads = page.bert.model().map(|model| model.info.heads);
        let mut heads = heads.unwrap_or_default();
        heads.retain(|head| panel_kind(&head.kind));
        heads
    });
    let panel = |head: HeadInfo| match head.kind.as_str() {
        "next-sentence" => view! { <NextSentence /> }.into_any(),
        "sequence-classification" => view! { <Classification head /> }.into_any(),
        "token-classification" => view! { <Entities head /> }.into_any(),
        _ => view! { <Passage /> }.into_any(),
    };
    view! {
        <section class="heads" aria-labelledby="heads-title" hidden=move || {
            heads.with(Vec::is_empty)
        }>
            <h2 id="heads-title">"What else BERT can tell"</h2>
            <p class="prose">
                "BERT’s encoder turns every token into a vector that has seen its whole surroundings. A \
                small layer on top, a head, reads those vectors for one purpose. Filling gaps is one head; \
                these are others, on the same encoder."
            </p>
            <div class="panels">{move || heads.get().into_iter().map(panel).collect_view()}</div>
        </section>
    }
}

fn panel_kind(kind: &str) -> bool {
    matches!(
        kind,
        "next-sentence" | "sequence-classification" | "token-classification" | "question-answering"
    )
}
