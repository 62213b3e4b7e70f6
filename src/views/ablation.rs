//! A switch for the head that is shown, and what the model puts out without it: attention by itself explains nothing.

use unmask_protocol::{FilledMask, GenerateOptions, HeadsOff};

use super::error_note::trouble;
use crate::dom::{El, button, checked, el, p};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::ablation::{Off, in_words, shifts};
use crate::state::attention::Head;
use crate::state::draft::Written;
use crate::state::format::{decimal, percent};
use crate::state::links::Place;
use crate::state::sentence::Sentence;
use crate::var::{Derived, effect};

/// Candidates that are asked for, so that a word can be followed when it falls; and those shown of each side.
const ASKED: usize = 200;
const SHOWN: usize = 3;

/// What the model put out with every head, and without those that are off.
#[derive(Clone)]
enum Compared {
    Guesses(Vec<FilledMask>, Vec<FilledMask>),
    Texts(Written, Written),
}

/// The switch and its consequences.
pub fn ablation(page: Page) -> El {
    let off = page.off;
    // The heads that the switch is for: the one that is shown, or all of the layer where the mean is.
    let switched = Derived::new(move || -> Vec<Off> {
        let part = page.part.get();
        let lens = page.lens(part);
        let (layers, heads) = page
            .attention(part, |attention| (attention.layers(), attention.heads()))
            .unwrap_or((0, 0));
        let layer = lens.layer.get().min(layers.saturating_sub(1));
        match lens.head.get() {
            Head::Mean => (0..heads).map(|head| (part, layer, head)).collect(),
            Head::One(head) => vec![(part, layer, head.min(heads.saturating_sub(1)))],
        }
    });
    let is_off = move || {
        let heads = switched.get();
        off.with(|off| heads.iter().all(|head| off.contains(head)))
    };
    let turn = move |turn_off: bool| {
        let heads = switched.now();
        off.update(|off| {
            off.retain(|head| !heads.contains(head));
            if turn_off {
                off.extend(heads);
            }
        });
    };
    let told = Derived::new(move || page.heads_off(page.part.get()));
    // What BART writes from, and how; not how far it is.
    let written_from = Derived::new(move || {
        let draft = page.writing.draft;
        draft.with(|draft| (draft.source.clone(), draft.controls.clone()))
    });
    let compared = Latest::new(move || {
        let heads = told.get()?;
        let ask = question(page, heads, written_from)?;
        Some(async move |signal| ask.answer(signal).await)
    });
    effect(move || {
        page.told
            .silenced
            .put(compared.settled(|compared| match compared {
                Compared::Guesses(before, after) => Some([first(before)?, first(after)?]),
                Compared::Texts(..) => None,
            }));
    });
    let switch = el("label").class("toggle").children([
        el("input")
            .attr("type", "checkbox")
            .live_checked(is_off)
            .on("change", move |event| turn(checked(&event))),
        el("span").live_text(move || match switched.with(Vec::len) {
            1 => "turn this head off".into(),
            _ => "turn all heads of this layer off".into(),
        }),
    ]);
    let count = move || {
        told.with(|told| {
            let heads = told.as_ref()?;
            Some(heads.encoder.len() + heads.decoder.len() + heads.cross.len())
        })
    };
    let any = move || count().is_some();
    el("div")
        .class("ablation")
        .attr("data-ablation", "")
        .live_attr("data-off", move || Some(count().unwrap_or(0).to_string()))
        .live_attr("aria-busy", move || {
            Some(compared.asking.waiting.get().to_string())
        })
        .children([
            el("h3").text("What if this head were silent?"),
            p(
                "note",
                "Where a head looks is no proof that the answer rests on it. Turn it off, and what it gathers is not \
                 passed on, in all that is guessed, written and drawn on this page; only the panels under “What else \
                 BERT can tell” keep it.",
            ),
            el("div").class("lines-controls").children([
                switch,
                button("Turn all on again", move || off.update(Vec::clear))
                    .class("quiet")
                    .shown(any),
            ]),
            trouble(compared.asking),
            p("note", "No word is hidden above, so there is nothing to guess.").shown(move || {
                any() && page.part.get() == Place::Bert
                    && page.sentence.with(|sentence| sentence.hidden_count() == 0)
            }),
            el("div")
                .class("consequence")
                .attr("aria-live", "polite")
                .live(move |place| {
                    let Some(count) = count() else {
                        return;
                    };
                    compared.answer.with(|answer| match answer {
                        None => {}
                        Some(Compared::Guesses(before, after)) => {
                            guesses(place, before, after, count);
                        }
                        Some(Compared::Texts(before, after)) => texts(place, before, after, count),
                    });
                }),
        ])
}

/// Says which heads are off, whatever is shown, with the way to turn all of them on again.
pub fn off_note(page: Page) -> El {
    el("div")
        .class("off-note")
        .attr("role", "status")
        .live_attr("data-heads-off", move || {
            Some(page.off.with(Vec::len).to_string())
        })
        .live(move |place| {
            page.off.with(|off| {
                if !off.is_empty() {
                    place.append(p("note", &format!("Turned off: {}.", in_words(off))));
                    place.append(
                        button("Turn all heads on again", move || page.off.put(Vec::new()))
                            .class("quiet"),
                    );
                }
            });
        })
}

/// The first guess for the first gap.
fn first(masks: &[FilledMask]) -> Option<(String, f32)> {
    let guess = masks.first()?.candidates.first()?;
    Some((guess.text.trim().to_owned(), guess.probability))
}

/// What is asked twice.
enum Question {
    Guess(
        crate::engine::Model,
        HeadsOff,
        crate::state::shapes::Sight,
        String,
    ),
    Write(crate::engine::Model, HeadsOff, GenerateOptions, String),
}

/// The question about what the page shows now (tracked).
fn question(
    page: Page,
    heads: HeadsOff,
    written_from: Derived<(String, GenerateOptions)>,
) -> Option<Question> {
    if page.part.get() == Place::Bert {
        let text = page.sentence.with(Sentence::masked_if_any)?;
        return Some(Question::Guess(
            page.bert.model()?,
            heads,
            page.sight.get(),
            text,
        ));
    }
    let (source, controls) = written_from.get();
    if source.is_empty() {
        return None;
    }
    Some(Question::Write(page.bart.model()?, heads, controls, source))
}

impl Question {
    async fn answer(
        self,
        signal: Option<web_sys::AbortSignal>,
    ) -> crate::engine::Outcome<Compared> {
        match self {
            Self::Guess(model, heads, sight, text) => {
                let mask = model.mask(&sight, &text, signal.clone()).await?;
                let mask = mask.as_ref();
                let before = model.fill_mask(&text, ASKED, mask, signal.clone()).await?;
                let less = model.without(heads);
                let after = less.fill_mask(&text, ASKED, mask, signal).await?;
                Ok(Compared::Guesses(before.answer, after.answer))
            }
            Self::Write(model, heads, controls, source) => {
                let before = model
                    .generate(&source, &controls, signal.clone(), |_| ())
                    .await?;
                let less = model.without(heads);
                let after = less.generate(&source, &controls, signal, |_| ()).await?;
                Ok(Compared::Texts(before, after))
            }
        }
    }
}

/// How many heads are off, as a sentence has it.
fn without(count: usize) -> String {
    match count {
        1 => "without this one head".into(),
        count => format!("without these {count} heads"),
    }
}

fn guesses(place: &El, before: &[FilledMask], after: &[FilledMask], count: usize) {
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        if index > 0 {
            place.append(el("h4").text(&format!("Gap {}", index + 1)));
        }
        let first = |mask: &FilledMask| {
            let guess = mask.candidates.first();
            guess
                .map(|guess| guess.text.trim().to_owned())
                .unwrap_or_default()
        };
        let (was, is) = (first(before), first(after));
        place.append(p(
            "verdict-line",
            &match was == is {
                true => format!("BERT’s first guess stays “{was}” {}.", without(count)),
                false => format!(
                    "BERT’s first guess was “{was}”; {} it is “{is}”.",
                    without(count)
                ),
            },
        ));
        let head = el("tr").children([
            el("th").attr("scope", "col").text("Guess"),
            el("th").attr("scope", "col").text("with all heads"),
            el("th").attr("scope", "col").text(&without(count)),
        ]);
        let body = el("tbody");
        for shift in shifts(&before.candidates, &after.candidates, SHOWN) {
            let cell = |share: Option<f32>, all: &FilledMask| {
                let least = all.candidates.last().map_or(0.0, |last| last.probability);
                let cell = el("td").class("number");
                match share {
                    Some(share) => cell
                        .attr("data-probability", &decimal(share))
                        .text(&percent(share)),
                    None => cell.text(&format!("below {}", percent(least))),
                }
            };
            body.append(el("tr").children([
                el("th").attr("scope", "row").text(&shift.text),
                cell(shift.before, before),
                cell(shift.after, after),
            ]));
        }
        place.append(
            el("table")
                .class("shifts")
                .children([el("thead").child(head), body]),
        );
    }
}

fn texts(place: &El, before: &Written, after: &Written, count: usize) {
    place.append(p(
        "verdict-line",
        &match before.text == after.text {
            true => format!("BART writes the same {}.", without(count)),
            false => format!("BART writes something else {}.", without(count)),
        },
    ));
    for (name, written, words) in [
        ("before", before, "With all heads: ".to_owned()),
        (
            "after",
            after,
            format!("{}: ", sentence_case(&without(count))),
        ),
    ] {
        let sure: f32 = written
            .tokens
            .iter()
            .map(|token| token.probability)
            .product();
        place.append(
            el("p")
                .attr("data-written", name)
                .attr("data-probability", &decimal(sure))
                .children([
                    el("span").class("aside").text(&words),
                    el("output").text(&written.text),
                    el("span")
                        .class("aside")
                        .text(&format!(" ({} for the whole)", percent(sure))),
                ]),
        );
    }
}

fn sentence_case(words: &str) -> String {
    words.replacen('w', "W", 1)
}
