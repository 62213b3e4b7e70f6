//! The sentence with its words as buttons, punctuation between them as it was written.

use leptos::prelude::*;

use crate::page::{MOST_WORDS, Page};
use crate::state::sentence::Word;

/// The reader's sentence, each word a button.
#[component]
pub fn WordStrip(
    /// What the words are for, for those who cannot see it.
    label: &'static str,
    /// How one word is shown, given its index in the sentence.
    word: impl Fn(usize, Word, String) -> AnyView + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let page = Page::expect();
    let content = move || {
        let sentence = page.sentence.get();
        let text = sentence.text();
        let mut copied = 0;
        let mut parts = Vec::new();
        for (index, found) in sentence.words().into_iter().take(MOST_WORDS).enumerate() {
            let range = found.range.clone();
            let gap = text[copied..range.start].to_owned();
            copied = range.end;
            let spelled = text[range].to_owned();
            parts.push(view! {
                {gap}
                {word(index, found, spelled)}
            });
        }
        let rest: String = text[copied..].chars().take(200).collect();
        view! {
            {parts}
            {rest}
        }
    };
    view! {
        <p class="strip" role="group" aria-label=label>
            {content}
        </p>
    }
}
