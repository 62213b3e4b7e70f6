//! What BERT puts in the hidden words' places.

use unmask_protocol::{FilledMask, Truncation};

use super::choice::choice;
use super::error_note::trouble;
use super::loading::loading;
use super::mask_panel::recording_note;
use super::probability::probability_row;
use super::sight::in_words;
use super::take_along::take_table;
use crate::dom::{El, el, p};
use crate::page::Page;
use crate::state::links::Place;
use crate::state::sentence::Sentence;
use crate::state::table::Table;
use crate::var::Derived;

/// BERT's side of the page.
pub fn bert_panel(page: Page) -> El {
    let fills = page.fills;
    let nothing_hidden = move || page.sentence.with(|sentence| sentence.hidden_count() == 0);
    let guesses = el("div").class("guesses").live(move |place| {
        let live = fills
            .answer
            .with(|answer| Some(answer.as_ref()?.answer.clone()));
        let masks = live.or_else(|| page.recorded_fills()).unwrap_or_default();
        if masks.is_empty() {
            return;
        }
        let sentence = page.sentence.now();
        place.append(completed(&sentence, &masks));
        for (index, mask) in masks.iter().enumerate() {
            if masks.len() > 1 {
                place.append(el("h4").text(&format!("Gap {}", index + 1)));
            }
            place.append(candidates(index, mask, sentence.original(index)));
        }
    });
    el("article")
        .class("panel")
        .attr("id", "bert")
        .attr("aria-labelledby", "bert-title")
        .live_attr("aria-busy", move || {
            Some(fills.asking.waiting.get().to_string())
        })
        .children([
            el("h3")
                .attr("id", "bert-title")
                .text("BERT ")
                .child(el("span").class("aside").text("fills the gap")),
            loading(page, page.bert, "BERT"),
            readers(page),
            trouble(fills.asking),
            recording_note(page, Place::Bert, "BERT"),
            guesses,
            take_table("the guesses", "bert-guesses", move || {
                fills.answer.with(|answer| {
                    let sentence = page.sentence.get();
                    let mut table = Table::new(&["gap", "guess", "probability", "hidden_word"]);
                    for (gap, mask) in answer.as_ref()?.answer.iter().enumerate() {
                        for candidate in &mask.candidates {
                            table
                                .count(gap + 1)
                                .text(candidate.text.trim())
                                .share(candidate.probability);
                            match sentence.original(gap) {
                                Some(original) => table.text(original),
                                None => table.none(),
                            };
                        }
                    }
                    Some(table)
                })
            }),
            p(
                "note",
                "No word is hidden. Hide one above, and BERT will guess it.",
            )
            .shown(nothing_hidden),
            p(
                "note",
                "This model has no head that guesses words. What it can tell stands further below; its attention does too.",
            )
            .shown(move || page.bert.model().is_some_and(|model| !model.fills())),
            p("note", "").live_text(move || {
                page.sight.with(|sight| match sight.as_trained() {
                    true => String::new(),
                    false => format!("{} The mask is set below.", in_words(sight)),
                })
            }),
            p("note", "").live_text(move || {
                page.unread.answer.with(|cut| {
                    let cut = cut.as_ref().and_then(Option::as_ref);
                    cut.map(|cut| unread("BERT", cut)).unwrap_or_default()
                })
            }),
        ])
}

/// The site's own BERT, and those that this machine keeps.
fn readers(page: Page) -> El {
    let readers = Derived::new(move || {
        let mut readers = vec![(None, "the page’s own".to_owned())];
        page.shelf.with(|shelf| {
            let brought = shelf.brought("bert").into_iter();
            readers.extend(brought.map(|kept| (Some(kept.address()), kept.title())));
        });
        readers
    });
    choice(
        "Model",
        move || readers.with(|readers| readers.iter().map(|(_, title)| title.clone()).collect()),
        move || {
            let now = page.bert.name.get();
            let chosen = |(name, _): &(Option<String>, String)| name.as_ref() == Some(&now);
            readers.with(|readers| readers.iter().position(chosen).or(Some(0)))
        },
        move |index| {
            if let Some((name, _)) = readers.peek(|readers| readers.get(index).cloned()) {
                page.reader.set(name);
                page.choose_reader();
            }
        },
    )
}

/// What of a long text a model has not read.
pub fn unread(model: &str, truncation: &Truncation) -> String {
    format!(
        "The text is longer than {model} reads: it took the first {} tokens and left the last {} out.",
        truncation.kept, truncation.dropped
    )
}

/// The sentence with the first candidates in place.
fn completed(sentence: &Sentence, masks: &[FilledMask]) -> El {
    let text = sentence.text();
    let line = el("p").class("completed");
    let mut copied = 0;
    let words = sentence.words();
    for (word, mask) in words.iter().filter(|word| word.hidden).zip(masks) {
        line.append_text(&text[copied..word.range.start]);
        let guess = mask
            .candidates
            .first()
            .map_or("", |guess| guess.text.trim());
        line.append(el("mark").class("filled").text(guess));
        copied = word.range.end;
    }
    line.text(&text[copied..])
}

/// The candidates for the mask at `index`, most probable first; the word that it hides is marked.
fn candidates(index: usize, mask: &FilledMask, original: Option<&str>) -> El {
    let list = el("ol")
        .class("candidates")
        .attr("data-mask", &index.to_string());
    for candidate in &mask.candidates {
        let text = candidate.text.trim();
        let right = original.is_some_and(|original| original.eq_ignore_ascii_case(text));
        let remark = right.then_some(" the hidden word");
        list.append(probability_row(text, remark, candidate.probability));
    }
    list
}
