//! A text spoilt in the ways that BART was trained on, and what it makes of the ruin.

use unmask_protocol::GenerateOptions;

use super::app::heading;
use super::choice::choice;
use super::error_note::trouble;
use super::heads::field::{asked, field};
use super::take_along::take_table;
use crate::dom::{El, button, el, p, value_of};
use crate::engine::Model;
use crate::latest::Latest;
use crate::page::Page;
use crate::state::fields::SPOIL;
use crate::state::noise::{MASK, Noise, Settings, Spoilt, sentence_count, spoil};
use crate::state::repair::{Fate, compare};
use crate::state::table::Table;
use crate::var::{Derived, effect};

/// The task in which BART puts a text right.
const DENOISE: &str = "denoise";

/// The section.
pub fn noise_lab(page: Page) -> El {
    let (text, settings) = (page.fields[SPOIL], page.noise);
    let noise = move || settings.with(|settings| settings.noise);
    let spoilt = Derived::new(move || {
        let Settings { noise, share, seed } = settings.get();
        text.with(|text| spoil(text, noise, share as f32 / 100.0, seed))
    });
    let repaired = Latest::new(move || {
        let denoises = |model: &Model| model.info.tasks.iter().any(|task| task == DENOISE);
        let model = page.bart_model().filter(denoises)?;
        let (original, spoilt) = (asked(text)?, spoilt.get());
        (!spoilt.text.is_empty()).then_some(async move |signal| {
            let controls = GenerateOptions {
                task: Some(DENOISE.to_owned()),
                ..GenerateOptions::default()
            };
            let written = model
                .generate(&spoilt.text, &controls, signal, |_| ())
                .await?;
            Ok((original, spoilt, written.text))
        })
    });
    effect(move || {
        page.told
            .repaired
            .put(repaired.settled(|(original, spoilt, text)| {
                Some((original.clone(), spoilt.text.clone(), text.clone()))
            }));
    });
    let share_field = el("label")
        .class("number-field")
        .shown(move || noise().takes_words())
        .child(el("span").text("per cent of the words"))
        .child(
            el("input")
                .attr("type", "number")
                .attr("min", "1")
                .attr("max", &Settings::MOST.to_string())
                .live_value(move || settings.with(|settings| settings.share.to_string()))
                .on("input", move |event| {
                    if let Ok(typed) = value_of(&event).parse::<u32>() {
                        settings.update(|settings| settings.share = typed.clamp(1, Settings::MOST));
                    }
                }),
        );
    let alone = move || noise() == Noise::Permutation && text.with(|text| sentence_count(text) < 2);
    let controls = el("div").class("controls").children([
        choice(
            "Noise",
            || Noise::ALL.map(|noise| noise.name().to_owned()).to_vec(),
            move || Noise::ALL.iter().position(|&one| one == noise()),
            move |index| settings.update(|settings| settings.noise = Noise::ALL[index]),
        ),
        share_field,
        button("Draw again", move || {
            settings.update(|settings| settings.seed = settings.seed.wrapping_add(1));
        }),
    ]);
    let silent = move || {
        let model = page.bart.model();
        model.is_some_and(|model| model.info.tasks.iter().all(|task| task != DENOISE))
    };
    el("section")
        .class("noise")
        .attr("id", "noise")
        .attr("aria-labelledby", "noise-title")
        .children([
            heading("h2", "noise-title", "Spoil a text, and let BART put it right"),
            p(
                "prose",
                "BART has seen no labels while it was pre-trained: somebody spoilt a text, and BART had to write \
                 down what it was before. These are the five ways to spoil it.",
            ),
            field("Text", text, 2),
            controls,
            p("note", "One sentence alone cannot be put out of order.").shown(alone),
            el("div").class("panels").children([
                el("div").class("panel").children([
                    el("h3").text("What BART gets to see"),
                    el("p")
                        .class("marked spoilt")
                        .live(move |place| spoilt.with(|spoilt| show_spoilt(place, spoilt))),
                ]),
                el("div").class("panel").children([
                    el("h3").text("What it makes of it"),
                    p(
                        "note",
                        "The BART that is chosen above hasn’t learnt this. Choose the one named bart.",
                    )
                    .shown(silent),
                    trouble(repaired.asking),
                    el("p")
                        .class("marked repaired")
                        .attr("aria-live", "polite")
                        .live_attr("aria-busy", move || {
                            Some(repaired.asking.waiting.get().to_string())
                        })
                        .live(move |place| {
                            repaired.answer.with(|answer| {
                                if let Some((original, spoilt, text)) = answer {
                                    show_repaired(place, original, spoilt, text);
                                }
                            });
                        }),
                    el("p").class("note tally").live_text(move || {
                        repaired.answer.with(|answer| {
                            answer.as_ref().map_or_else(String::new, |(original, spoilt, text)| {
                                tally(original, spoilt, text)
                            })
                        })
                    }),
                    take_table("the texts", "noise", move || {
                        repaired.answer.with(|answer| {
                            let (original, spoilt, text) = answer.as_ref()?;
                            let mut table = Table::new(&["original", "spoilt", "restored"]);
                            table.text(original).text(&spoilt.text).text(text);
                            Some(table)
                        })
                    }),
                ]),
            ]),
        ])
}

fn show_spoilt(place: &El, spoilt: &Spoilt) {
    for word in spoilt.text.split(' ') {
        place.append(match word {
            MASK => el("mark").class("gap").text(MASK),
            word => el("span").text(word),
        });
        place.append_text(" ");
    }
}

fn show_repaired(place: &El, original: &str, spoilt: &Spoilt, text: &str) {
    for (word, fate) in compare(original, &spoilt.hidden, text) {
        let (tag, title) = match fate {
            Fate::Kept => ("span", ""),
            Fate::Restored => ("mark", "hidden, and brought back"),
            Fate::Guessed => ("em", "guessed; something else was hidden here"),
            Fate::Unasked => ("ins", "changed unasked"),
            Fate::Lost => ("del", "left out, though it could be seen"),
        };
        let shown = el(tag).text(word);
        place.append(match title {
            "" => shown,
            title => shown.attr("title", title),
        });
        place.append_text(" ");
    }
}

/// The same in numbers.
fn tally(original: &str, spoilt: &Spoilt, text: &str) -> String {
    let fates = compare(original, &spoilt.hidden, text);
    let count = |wanted: Fate| fates.iter().filter(|(_, fate)| *fate == wanted).count();
    let hidden = spoilt.hidden.iter().filter(|&&hidden| hidden).count();
    let (added, lost) = (count(Fate::Unasked), count(Fate::Lost));
    let unasked = match (added, lost) {
        (0, 0) => "nothing was changed unasked".to_owned(),
        _ => format!("unasked, {added} put in and {lost} left out"),
    };
    match (hidden, added + lost) {
        (0, 0) => "Every word is back in its place.".to_owned(),
        (0, _) => format!("No word was hidden; {unasked}."),
        _ => format!(
            "{} of {hidden} hidden words are back; {unasked}.",
            count(Fate::Restored)
        ),
    }
}
