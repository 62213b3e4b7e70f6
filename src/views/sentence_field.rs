//! The one text of the page, and the words of it that can be hidden.

use super::word_strip::word_strip;
use crate::dom::{El, button, el, value_of};
use crate::page::Page;
use crate::state::sentence::{Sentence, Word};

/// Texts to start from, and the word that each hides, if any: the last two are for BART, to put right and to shorten.
const EXAMPLES: [(&str, &str, &str); 6] = [
    ("A beach", "I want to go to the beach with you.", "go"),
    (
        "A door",
        "He opened the door and walked into the house.",
        "door",
    ),
    ("A head", "He shook his head and said nothing.", "head"),
    ("A sister", "My sister is two years older than me.", "older"),
    (
        "Out of order",
        "Then she went home. Mary was at school all day.",
        "",
    ),
    (
        "A tool",
        "A tool that checks whether the links in a web page still work.",
        "",
    ),
];

/// Text in, words out: typing in the field and clicking a word change the same sentence.
pub fn sentence_field(page: Page) -> El {
    let sentence = page.sentence;
    let word = move |index: usize, word: &Word, spelled: &str| {
        let original = sentence.peek(|sentence| {
            let mask = sentence.mask_index(index)?;
            sentence.original(mask).map(str::to_owned)
        });
        let label = match (&original, word.hidden) {
            (Some(original), _) => format!("{spelled}: show “{original}” again"),
            (None, true) => format!("{spelled}: a hidden word"),
            (None, false) => format!("hide “{spelled}”"),
        };
        let button = button(spelled, move || {
            sentence.update(|sentence| sentence.toggle(index))
        })
        .class(if word.hidden {
            "word hidden-word"
        } else {
            "word"
        })
        .attr("aria-pressed", if word.hidden { "true" } else { "false" })
        .attr("aria-label", &label);
        button.set_attr("title", original.as_deref());
        button
    };
    // Words that BERT reads, where there are more.
    let read = move |sentence: &Sentence| {
        page.unread.answer.with(|cut| {
            let from = cut.as_ref()?.as_ref()?.from;
            Some(sentence.words_before(from))
        })
    };
    let field = el("textarea")
        .attr("id", "sentence")
        .attr("rows", "2")
        .attr("spellcheck", "false")
        .attr("autocomplete", "off")
        .attr("aria-describedby", "sentence-help")
        .live_value(move || sentence.with(|sentence| sentence.text().to_owned()))
        .on("input", move |event| {
            sentence.update(|sentence| sentence.edit(value_of(&event)));
        });
    let help = el("p")
        .class("note")
        .attr("id", "sentence-help")
        .text("Click a word to hide it, and again to bring it back; or type ")
        .child(el("code").text("[MASK]"))
        .text(" or ")
        .child(el("code").text("___"))
        .text(" yourself.");
    let examples = el("p")
        .class("examples")
        .child(el("span").class("note").text("Or start from:"));
    for (name, text, hidden) in EXAMPLES {
        let start = move || sentence.set(Sentence::hiding(text, hidden));
        examples.append(button(name, start).class("quiet"));
    }
    el("section")
        .class("sentence")
        .attr("aria-labelledby", "sentence-label")
        .children([
            el("label")
                .attr("id", "sentence-label")
                .attr("for", "sentence")
                .text("Your sentence"),
            field,
            misread(page),
            help,
            word_strip(page, "Words to hide", word, read),
            examples,
        ])
}

/// What a link asked for and this page does not know.
fn misread(page: Page) -> El {
    el("p")
        .class("note")
        .attr("role", "status")
        .live_text(move || {
            page.misread.with(|names| match names.is_empty() {
                true => String::new(),
                false => format!(
                    "This link says something that this page does not understand ({}). The rest of it is shown.",
                    names.join(", ")
                ),
            })
        })
}
