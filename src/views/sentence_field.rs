//! The one text of the page, and the words of it that can be hidden.

use leptos::prelude::*;

use super::word_strip::WordStrip;
use crate::page::Page;
use crate::state::sentence::{Sentence, Word};

/// Sentences to start from, and the word that each hides.
const EXAMPLES: [(&str, &str, &str); 4] = [
    (
        "A book",
        "He opened the book and read the first chapter.",
        "book",
    ),
    (
        "A door",
        "He opened the door and walked into the house.",
        "door",
    ),
    (
        "A letter",
        "She wrote a letter and sent it to her mother.",
        "letter",
    ),
    ("A war", "The soldiers fought in the war and won.", "war"),
];
/// Text in, words out: typing in the field and clicking a word change the same sentence.
#[component]
pub fn SentenceField() -> impl IntoView {
    let sentence = Page::expect().sentence;
    let word = move |index: usize, word: Word, spelled: String| {
        let original = sentence.with_untracked(|sentence| {
            let mask = sentence.mask_index(index)?;
            sentence.original(mask).map(str::to_owned)
        });
        let label = match (&original, word.hidden) {
            (Some(original), _) => format!("{spelled}: show “{original}” again"),
            (None, true) => format!("{spelled}: a hidden word"),
            (None, false) => format!("hide “{spelled}”"),
        };
        view! {
            <button
                type="button"
                class="word"
                class:hidden-word=word.hidden
                aria-pressed=word.hidden.to_string()
                aria-label=label
                title=original
                on:click=move |_| sentence.update(|sentence| sentence.toggle(index))
            >
                {spelled}
            </button>
        }
        .into_any()
    };
    let example = move |(name, text, hidden): (&'static str, &'static str, &'static str)| {
        view! {
            <button
                type="button"
                class="quiet"
                on:click=move |_| sentence.set(Sentence::hiding(text, hidden))
            >
                {name}
            </button>
        }
    };
    view! {
        <section class="sentence" aria-labelledby="sentence-label">
            <label id="sentence-label" for="sentence">
                "Your sentence"
            </label>
            <textarea
                id="sentence"
                rows="2"
                spellcheck="false"
                autocomplete="off"
                aria-describedby="sentence-help"
                prop:value=move || sentence.with(|sentence| sentence.text().to_owned())
                on:input:target=move |event| {
                    sentence.update(|sentence| sentence.edit(event.target().value()));
                }
            ></textarea>
            <p id="sentence-help" class="note">
                "Click a word to hide it, and again to bring it back; or type " <code>"[MASK]"</code>
                " or " <code>"___"</code> " yourself."
            </p>
            <WordStrip label="Words to hide" word />
            <p class="examples">
                <span class="note">"Or start from:"</span>
                {EXAMPLES.map(example)}
            </p>
        </section>
    }
}
