//! How BERT may look: a rule to choose, cells to paint, padding to see; and what BERT says then.

use super::choice::{choice, toggle};
use crate::dom::{El, button, el, p, value_of};
use crate::page::Page;
use crate::state::format::percent;
use crate::state::history::History;
use crate::state::shapes::{Rule, Sight};

/// What a prefix and a window begin with, in tokens.
const PREFIX: usize = 4;
const RADIUS: usize = 2;
/// The largest number that a rule takes.
const LARGEST: usize = 512;

/// The choice of a mask, the brush, and BERT's first guess under it.
pub fn sight(page: Page) -> El {
    let rules = [
        Rule::Both,
        Rule::Left,
        Rule::Prefix(PREFIX),
        Rule::Near(RADIUS),
    ];
    let words = ["both ways", "left only", "a prefix", "a window"];
    let rule = move || page.sight.with(|sight| sight.rule);
    let chosen = move || {
        let now = std::mem::discriminant(&rule());
        rules
            .iter()
            .position(|rule| std::mem::discriminant(rule) == now)
    };
    let number = move || match rule() {
        Rule::Prefix(number) | Rule::Near(number) => Some(number),
        _ => None,
    };
    let set_number = move |typed: String| {
        let Ok(number) = typed.parse::<usize>() else {
            return;
        };
        let number = number.clamp(1, LARGEST);
        page.look(Sight::of(match page.sight.peek(|sight| sight.rule) {
            Rule::Prefix(_) => Rule::Prefix(number),
            Rule::Near(_) => Rule::Near(number),
            other => other,
        }));
    };
    let size = el("label")
        .class("number-field")
        .shown(move || number().is_some())
        .child(el("span").live_text(move || match rule() {
            Rule::Near(_) => "tokens on each side".into(),
            _ => "tokens that see each other".into(),
        }))
        .child(
            el("input")
                .attr("type", "number")
                .attr("min", "1")
                .attr("max", "512")
                .live_value(move || number().unwrap_or(1).to_string())
                .on("input", move |event| set_number(value_of(&event))),
        );
    let paint = move |on: bool| {
        page.painting.put(on);
        if on {
            // Painted cells are tokens', all of them.
            page.display.whole_words.put(false);
            page.display.written_only.put(false);
        }
    };
    let painted = move || page.sight.with(|sight| sight.painted.len());
    let sight = el("div")
        .class("sight")
        .live_class("painting", move || page.painting.get());
    sight.children([
        choice(
            "BERT may look",
            move || words.map(String::from).to_vec(),
            chosen,
            move |index| page.look(Sight::of(rules[index])),
        ),
        el("div").class("brush").children([
            size,
            toggle("paint single cells", move || page.painting.get(), paint),
            toggle(
                "show padding",
                move || page.display.padding.get(),
                move |on| page.display.padding.put(on),
            ),
            button("Wipe the paint off", move || {
                page.look(Sight::of(page.sight.peek(|sight| sight.rule)));
            })
            .class("quiet")
            .shown(move || page.painting.get() || painted() > 0),
            step("Undo", page, History::can_undo, Page::undo),
            step("Redo", page, History::can_redo, Page::redo),
        ]),
        p(
            "note",
            "Draw over the matrix with a finger, a pen or the mouse; Ctrl+Z takes a stroke back.",
        )
        .shown(move || page.painting.get()),
        el("p")
            .class("note verdict-line")
            .attr("aria-live", "polite")
            .live_text(move || consequence(page)),
    ])
}

/// A button that goes a step back or forth among the masks: there before the first stroke, which mustn't be moved from
/// under the hand, or once a mask was changed.
fn step(words: &str, page: Page, can: fn(&History<Sight>) -> bool, go: fn(Page)) -> El {
    button(words, move || go(page))
        .class("quiet")
        .live_attr("aria-disabled", move || {
            Some((!page.sights.with(can)).to_string())
        })
        .shown(move || {
            page.painting.get()
                || page
                    .sights
                    .with(|sights| sights.can_undo() || sights.can_redo())
        })
}

/// What the mask is, that BERT has not learnt to read so, and what it guesses now and guessed before.
fn consequence(page: Page) -> String {
    let mut words = page.sight.with(in_words);
    let first = |answer: &Option<crate::engine::Read<Vec<unmask_protocol::FilledMask>>>| {
        let guess = answer.as_ref()?.answer.first()?.candidates.first()?.clone();
        Some(format!(
            "“{}” ({})",
            guess.text.trim(),
            percent(guess.probability)
        ))
    };
    if let Some(now) = page.fills.answer.with(first) {
        let as_trained = page.reference.answer.with(first);
        words.push_str(&match as_trained {
            Some(before) => {
                format!(" Its first guess is {now}; looking both ways, it was {before}.")
            }
            None => format!(" Its first guess is {now}."),
        });
    }
    if page.display.padding.get() {
        words.push_str(
            " Padding fills a shorter text up to the longest of its batch. No token may look at it, \
             so it changes nothing: the other cells are the same with it and without.",
        );
    }
    words
}

/// The mask in words.
pub fn in_words(sight: &Sight) -> String {
    let rule = match sight.rule {
        Rule::Both => "every token may look at every token".to_owned(),
        Rule::Left => "a token sees itself and what stands before it".to_owned(),
        Rule::Prefix(length) => {
            format!(
                "the first {length} tokens see each other, later ones only what stands before them"
            )
        }
        Rule::Near(radius) => format!("a token sees itself and {radius} tokens on each side"),
    };
    match (sight.as_trained(), sight.painted.len()) {
        (true, _) => format!("As it was trained, {rule}."),
        (_, 0) => format!("Now {rule}. BERT was never trained to read like this."),
        (_, 1) => {
            format!("Now {rule}, but for 1 painted cell. BERT was never trained to read like this.")
        }
        (_, count) => {
            format!(
                "Now {rule}, but for {count} painted cells. BERT was never trained to read like this."
            )
        }
    }
}
