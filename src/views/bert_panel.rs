//! What BERT puts in the hidden words' places.

use unmask_protocol::FilledMask;

use super::choice::choice;
use super::error_note::trouble;
use super::loading::loading;
use super::probability::probability_row;
use crate::dom::{El, el, p};
use crate::page::Page;
use crate::state::format::percent;
use crate::state::sentence::Sentence;
use crate::state::shapes::Sight;

/// The ways of looking, and their words.
const SIGHTS: [(Sight, &str); 3] = [
    (Sight::Both, "both ways"),
    (Sight::Left, "left only"),
    (Sight::Near, "two tokens around"),
];

/// BERT's side of the page.
pub fn bert_panel(page: Page) -> El {
    let fills = page.fills;
    let nothing_hidden = move || page.sentence.with(|sentence| sentence.hidden_count() == 0);
    let sight = move || {
        let now = page.sight.get();
        SIGHTS.iter().position(|(sight, _)| *sight == now)
    };
    // What it said before the mask was changed, to compare.
    let as_trained = move || {
        page.reference.answer.with(|answer| {
            let guess = answer.as_ref()?.answer.first()?.candidates.first()?;
            let (text, share) = (guess.text.trim(), percent(guess.probability));
            Some(format!(
                "Looking both ways, its first guess was “{text}”, {share}."
            ))
        })
    };
    let untrained = move || match page.sight.get() {
        Sight::Both => "",
        Sight::Left => {
            "Now a word sees only what stands before it. BERT was never trained to read like this, \
             and everything to the right of the gap is lost to it. "
        }
        Sight::Near => {
            "Now a word sees two tokens on each side. BERT was never trained to read like this; \
             what lies further away reaches the gap only step by step, from layer to layer. "
        }
    };
    let guesses = el("div").class("guesses").live(move |place| {
        let masks = fills.answer.with(|answer| {
            let masks = answer.as_ref().map(|read| read.answer.clone());
            masks.unwrap_or_default()
        });
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
            trouble(fills.asking),
            guesses,
            p(
                "note",
                "No word is hidden. Hide one above, and BERT will guess it.",
            )
            .shown(nothing_hidden),
            choice(
                "BERT may look",
                || SIGHTS.map(|(_, words)| words.to_owned()).to_vec(),
                sight,
                move |index| page.sight.set(SIGHTS[index].0),
            ),
            el("p")
                .class("note")
                .attr("aria-live", "polite")
                .live_text(move || format!("{}{}", untrained(), as_trained().unwrap_or_default())),
        ])
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
