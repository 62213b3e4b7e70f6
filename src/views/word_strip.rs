//! The sentence with its words as buttons, punctuation between them as it was written, and where a long one is cut.

use crate::dom::{El, el};
use crate::page::Page;
use crate::state::sentence::{MOST_WORDS, Sentence, Word};

/// Characters that are shown of a stretch without buttons.
const MOST_CHARACTERS: usize = 1_500;

/// The reader's sentence; `word` makes the button of the word at an index, given its spelling. `read` gives how many of
/// the words the model reads, where that isn't all.
pub fn word_strip(
    page: Page,
    label: &str,
    word: impl Fn(usize, &Word, &str) -> El + 'static,
    read: impl Fn(&Sentence) -> Option<usize> + 'static,
) -> El {
    el("p")
        .class("strip")
        .attr("role", "group")
        .attr("aria-label", label)
        .live(move |strip| {
            let sentence = page.sentence.get();
            let (text, words) = (sentence.text(), sentence.words());
            let read = read(&sentence).unwrap_or(words.len());
            let buttons = words.len().min(MOST_WORDS).min(read);
            let mut copied = 0;
            for (index, found) in words.iter().take(buttons).enumerate() {
                strip.append_text(&text[copied..found.range.start]);
                strip.append(word(index, found, &text[found.range.clone()]));
                copied = found.range.end;
            }
            let cut = words
                .get(read)
                .map_or(text.len(), |first| first.range.start);
            if buttons < words.len().min(read) {
                strip.append(cut_mark(&format!(
                    "the matrix ends here, after {MOST_WORDS} words; the model reads on"
                )));
            }
            strip.append_text(&shortened(&text[copied..cut]));
            if cut < text.len() {
                strip.append(cut_mark(&format!(
                    "the model stops reading here: {} words are left out",
                    words.len() - read
                )));
                strip.append(el("s").class("unread").text(&shortened(&text[cut..])));
            }
        })
}

/// Where a text is cut, in words.
fn cut_mark(words: &str) -> El {
    el("small").class("cut").text(words)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{} …", &text[..end]),
    }
}
