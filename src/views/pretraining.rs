//! What pre-training does with a chosen word: eight of ten are hidden, one is replaced, one is left; and what BERT says
//! stood there, in each of the three cases.

use unmask_protocol::Candidate;
use web_sys::AbortSignal;

use super::app::heading;
use super::error_note::trouble;
use super::heads::field::{asked, field};
use super::probability::probability_row;
use super::take_along::take_table;
use crate::dom::{El, button, el, p, value_of};
use crate::engine::{Model, Outcome};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::fields::{Choice, SCHOOLED};
use crate::state::format::{decimal, percent};
use crate::state::pretraining::{Chance, Treatment, single_tokens, treated};
use crate::state::sentence::{Word, words};
use crate::state::table::Table;
use crate::state::view::View;
use crate::var::Derived;

/// More than any vocabulary has: the mask's case asks for all of it, to draw another word from.
const WHOLE_VOCABULARY: usize = 1_000_000;
/// Candidates asked for in the other cases, so that the word that stood there can be found; and those shown.
const ASKED: usize = 500;
const SHOWN: usize = 3;

/// The word in question.
#[derive(Clone, PartialEq)]
struct Chosen {
    text: String,
    word: Word,
    /// Its token's place in the sequence, and in the vocabulary.
    position: usize,
    id: u32,
}

/// One of the three cases.
struct Case {
    treatment: Treatment,
    /// What stands in the word's place.
    instead: String,
    candidates: Vec<Candidate>,
    /// Probability of the word that stood there; none where it is less than that of all candidates.
    original: Option<f32>,
}

/// The section.
pub fn pretraining(page: Page) -> El {
    let text = page.fields[SCHOOLED];
    let (place, seed) = (page.schooled, page.drawn);
    let read = Latest::new(move || {
        let (model, text) = (page.bert.model()?, asked(text)?);
        Some(async move |signal| {
            let tokens = model.tokenize(&text, signal).await?;
            Ok((text, tokens.answer))
        })
    });
    // The reader's word where it is one token, or else the last that is.
    let chosen = Derived::new(move || {
        read.answer.with(|answer| {
            let (text, tokens) = answer.as_ref()?;
            let single = single_tokens(text, tokens);
            let all = words(text);
            let wanted = place
                .get()
                .and_then(|choice| all.get(choice.of(text)?).cloned());
            let found = single
                .iter()
                .find(|(word, _)| Some(word) == wanted.as_ref())
                .or(single.last())?
                .clone();
            Some(Chosen {
                text: text.clone(),
                word: found.0,
                position: found.1,
                id: tokens[found.1].id,
            })
        })
    });
    let cases = Latest::new(move || {
        let (model, chosen) = (page.bert.model()?, chosen.get()?);
        let chance = Chance::of(seed.get());
        Some(async move |signal| {
            let cases = judge(&model, &chosen, chance, signal).await?;
            Ok((chosen, chance, cases))
        })
    });
    let strip = el("p")
        .class("strip")
        .attr("role", "group")
        .attr("aria-label", "Words to choose")
        .live(move |strip| {
            read.answer.with(|answer| {
                let Some((text, tokens)) = answer else { return };
                let single = single_tokens(text, tokens);
                let mut copied = 0;
                for (index, word) in words(text).into_iter().enumerate() {
                    strip.append_text(&text[copied..word.range.start]);
                    let spelled = &text[word.range.clone()];
                    strip.append(match single.iter().any(|(one, _)| *one == word) {
                        false => el("span").text(spelled),
                        true => {
                            let (own, text) = (word.clone(), text.clone());
                            let choose = move || place.put(Some(Choice::new(&text, index)));
                            button(spelled, choose).class("word").live_attr(
                                "aria-pressed",
                                move || {
                                    let is = chosen.with(|chosen| {
                                        chosen.as_ref().is_some_and(|now| now.word == own)
                                    });
                                    Some(is.to_string())
                                },
                            )
                        }
                    });
                    copied = word.range.end;
                }
                strip.append_text(&text[copied..]);
            });
        });
    let seed_field = el("label").class("number-field").children([
        el("span").text("Seed"),
        el("input")
            .attr("type", "number")
            .attr("min", "0")
            .attr("max", &View::MOST_DRAWN.to_string())
            .live_value(move || seed.get().to_string())
            .on("input", move |event| {
                if let Ok(typed) = value_of(&event).parse::<u32>() {
                    seed.put(typed.min(View::MOST_DRAWN));
                }
            }),
    ]);
    let verdict = move || {
        let dice = Chance::of(seed.get()).dice;
        let rule = match Treatment::of(dice) {
            Treatment::Hidden => "below 80, so this time the word is hidden",
            Treatment::Replaced => "from 80 to 89, so this time another word comes in its place",
            Treatment::Kept => "from 90 on, so this time the word stays",
        };
        format!("Chance draws {dice} out of 0 to 99: {rule}.")
    };
    el("section")
        .class("pretraining")
        .attr("id", "pretraining")
        .attr("aria-labelledby", "pretraining-title")
        .shown(move || {
            let info = page.bert.info();
            info.is_none_or(|info| info.heads.iter().any(|head| head.kind == "masked-lm"))
        })
        .children([
            heading("h2", "pretraining-title", "How BERT was made to look at every word"),
            p(
                "prose",
                "Pre-training chooses 15 of 100 tokens and asks BERT what stood there. If it hid them all, BERT could \
                 trust every word that it sees, and would learn nothing about those. So of the chosen ones it hides \
                 eight of ten, puts any other word in the place of one, and leaves one as it is. BERT is not told \
                 which of the words in sight are in question: it has to doubt them all. Choose a word.",
            ),
            field("Text", text, 1),
            trouble(read.asking),
            strip,
            p(
                "note",
                "Only words that are one token can be chosen here; pre-training draws pieces of longer ones one by one.",
            ),
            el("div").class("controls").children([
                seed_field,
                button("Draw again", move || {
                    seed.update(|seed| *seed = (*seed + 1) % View::MOST_DRAWN);
                }),
                el("p")
                    .class("verdict-line")
                    .attr("aria-live", "polite")
                    .live_text(verdict),
            ]),
            trouble(cases.asking),
            el("div")
                .class("cases")
                .live_attr("aria-busy", move || {
                    Some(cases.asking.waiting.get().to_string())
                })
                .live(move |place| {
                    cases.answer.with(|answer| {
                        let Some((chosen, chance, cases)) = answer else {
                            return;
                        };
                        let drawn = Treatment::of(chance.dice);
                        for case in cases {
                            place.append(show(chosen, case, case.treatment == drawn));
                        }
                    });
                }),
            take_table("the guesses", "pre-training", move || {
                cases.answer.with(|answer| {
                    let (_, _, cases) = answer.as_ref()?;
                    let mut table = Table::new(&["case", "in_its_place", "guess", "probability"]);
                    for case in cases {
                        let name = case.treatment.name();
                        for candidate in &case.candidates {
                            table
                                .text(name)
                                .text(&case.instead)
                                .text(candidate.text.trim())
                                .share(candidate.probability);
                        }
                    }
                    Some(table)
                })
            }),
        ])
}

/// Asks what stood at the chosen place, in each of the three cases.
async fn judge(
    model: &Model,
    chosen: &Chosen,
    chance: Chance,
    signal: Option<AbortSignal>,
) -> Outcome<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    for (treatment, _) in Treatment::ALL {
        let instead = match treatment {
            // The mask's case comes first, and has the whole vocabulary.
            Treatment::Replaced => {
                let vocabulary = cases.first().map(|case| case.candidates.as_slice());
                let word = chance.word(vocabulary.unwrap_or_default(), chosen.id);
                match word {
                    Some(word) => word.to_owned(),
                    None => continue,
                }
            }
            Treatment::Hidden => crate::state::sentence::MASK.to_owned(),
            Treatment::Kept => chosen.text[chosen.word.range.clone()].to_owned(),
        };
        let text = treated(&chosen.text, &chosen.word, treatment, &instead);
        let asked = match treatment {
            Treatment::Hidden => WHOLE_VOCABULARY,
            _ => ASKED,
        };
        let candidates = model
            .fill_position(&text, chosen.position, asked, signal.clone())
            .await?;
        let original = candidates.iter().find(|one| one.id == chosen.id);
        cases.push(Case {
            treatment,
            instead,
            original: original.map(|found| found.probability),
            candidates,
        });
    }
    cases
        .iter_mut()
        .for_each(|case| case.candidates.truncate(SHOWN));
    Ok(cases)
}

fn show(chosen: &Chosen, case: &Case, drawn: bool) -> El {
    let percent_of = Treatment::ALL
        .iter()
        .find(|(one, _)| *one == case.treatment);
    let share = percent_of.map_or(0, |(_, percent)| *percent);
    let title = match case.treatment {
        Treatment::Hidden => format!("{share} of 100: hidden"),
        Treatment::Replaced => format!("{share} of 100: another word"),
        Treatment::Kept => format!("{share} of 100: left as it is"),
    };
    let range = &chosen.word.range;
    let original = &chosen.text[range.clone()];
    let sight = el("p")
        .class("marked")
        .text(&chosen.text[..range.start])
        .child(match case.treatment {
            Treatment::Hidden => el("mark").class("gap").text(&case.instead),
            Treatment::Replaced => el("ins").text(&case.instead),
            Treatment::Kept => el("em").text(&case.instead),
        })
        .text(&chosen.text[range.end..]);
    let list = el("ol").class("candidates");
    for candidate in &case.candidates {
        let remark = match candidate.id {
            id if id == chosen.id => Some(" stood there"),
            _ if candidate.token == case.instead => Some(" stands there"),
            _ => None,
        };
        list.append(probability_row(
            candidate.text.trim(),
            remark,
            candidate.probability,
        ));
    }
    let verdict = match case.original {
        Some(share) => p(
            "verdict-line",
            &format!("“{original}”, which stood there: {}", percent(share)),
        )
        .attr("data-probability", &decimal(share)),
        None => p(
            "verdict-line",
            &format!("“{original}”, which stood there, is not among the first {ASKED} guesses."),
        ),
    };
    let heading = el("h3").text(&title);
    if drawn {
        heading.append(el("span").class("aside").text(" this time"));
    }
    el("article")
        .class(if drawn { "case drawn" } else { "case" })
        .attr("data-case", case.treatment.name())
        .attr("aria-label", &title)
        .children([heading, sight, list, verdict])
}
