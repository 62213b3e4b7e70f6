//! The sentence with its words as buttons, punctuation between them as it was written.

use crate::dom::{El, el};
use crate::page::Page;
use crate::state::sentence::{MOST_WORDS, Word};

/// The reader's sentence; `word` makes the button of the word at an index, given its spelling.
pub fn word_strip(
    page: Page,
    label: &str,
    word: impl Fn(usize, &Word, &str) -> El + 'static,
) -> El {
    el("p")
        .class("strip")
        .attr("role", "group")
        .attr("aria-label", label)
        .live(move |strip| {
            let sentence = page.sentence.get();
            let text = sentence.text();
            let mut copied = 0;
            for (index, found) in sentence.words().iter().take(MOST_WORDS).enumerate() {
                strip.append_text(&text[copied..found.range.start]);
                strip.append(word(index, found, &text[found.range.clone()]));
                copied = found.range.end;
            }
            let rest: String = text[copied..].chars().take(200).collect();
            strip.append_text(&rest);
        })
}
