//! The checkpoint on the desk: what it is, what it can become and what that takes; then its way in.

use super::{Desk, Stage};
use crate::dom::{El, button, el, p};
use crate::state::catalogue::task_label;
use crate::state::format::{bytes, count};
use crate::state::library::{Choice, Description, Kept, contradiction, time_left};

/// The card, while there is something on the desk.
pub fn card(desk: Desk) -> El {
    let stage = desk.stage;
    let description = el("div").live(move |place| {
        desk.description.with(|found| {
            if let Some(found) = found {
                describe(desk, place, found);
            }
        });
    });
    el("div")
        .class("card")
        .shown(move || stage.get() != Stage::Empty)
        .children([
            description,
            way(desk).shown(move || matches!(stage.get(), Stage::Running | Stage::Paused)),
            buttons(desk),
            p("note", "")
                .attr("role", "status")
                .live_text(move || match stage.get() {
                    Stage::Looking => "Looking at it: its configuration, its tokenizer, and the first bytes of its weights.".into(),
                    Stage::Paused => "Stopped. What has come is kept, and it goes on from there.".into(),
                    Stage::Done => "It is here, and kept on this machine.".into(),
                    _ => String::new(),
                }),
        ])
}

fn describe(desk: Desk, place: &El, found: &Description) {
    place.append(el("h3").text(&found.name));
    let mut facts = vec![
        family(found).to_owned(),
        format!("{} parameters", count(found.parameters)),
    ];
    facts.push(match &found.license {
        Some(license) => format!("licence: {license}"),
        None => "no licence said".into(),
    });
    if let Some(revision) = &found.revision {
        facts.push(format!(
            "revision {}",
            revision.chars().take(12).collect::<String>()
        ));
    }
    place.append(p("facts", &facts.join(", ")));
    let abilities = found.abilities.iter().map(|ability| ability_label(ability));
    let abilities = abilities.collect::<Vec<_>>().join(", ");
    place.append(p(
        "note",
        &match abilities.is_empty() {
            true => "It has no head: it shows its attention, and nothing that it puts out.".into(),
            false => format!("What it can do: {abilities}."),
        },
    ));
    let source = desk
        .source
        .peek(|source| source.as_ref().map(|source| source.name.clone()));
    if let Some(words) = source.and_then(|source| contradiction(&source, found)) {
        place.append(p("note", &words).attr("data-contradiction", ""));
    }
    let files = match found.files {
        1 => "one file".to_owned(),
        files => format!("{files} files"),
    };
    place.append(p(
        "note",
        &format!(
            "To be read: {} in {files}. To be kept, as you choose:",
            bytes(found.download)
        ),
    ));
    place.append(choices(desk, &found.choices));
}

/// A line for each quantization.
fn choices(desk: Desk, choices: &[Choice]) -> El {
    let lines = el("fieldset")
        .class("quantizations")
        .child(el("legend").class("spoken-only").text("Quantization"));
    for (index, choice) in choices.iter().enumerate() {
        let input = el("input")
            .attr("type", "radio")
            .attr("name", "library-quantization")
            .attr("value", &choice.quantization)
            .live_checked(move || desk.choice.get() == index)
            .on("change", move |_| desk.choice.put(index));
        if !choice.fits {
            input.set_attr("disabled", Some(""));
        }
        let mut words = format!(
            "{} kept, {} in memory",
            bytes(choice.bytes),
            bytes(choice.memory)
        );
        if choice.stored {
            words.push_str("; here already");
        }
        if let Some(why) = choice.why.as_ref().filter(|_| !choice.fits) {
            words = format!("{words}. It does not fit: {why}");
        }
        lines.append(
            el("label")
                .children([input, el("b").text(&choice.quantization)])
                .text(" ")
                .child(el("span").text(&words)),
        );
    }
    lines
}

/// Bytes so far.
fn way(desk: Desk) -> El {
    let progress = desk.progress;
    let number = |value: u64| Some(value.to_string());
    el("div").class("loading").children([
        el("progress")
            .attr("aria-label", "Bringing it in")
            .live_attr("max", move || {
                let total = progress.with(|progress| progress.total);
                (total > 0).then(|| total.to_string())
            })
            .live_attr("value", move || {
                progress.with(|progress| (progress.total > 0).then(|| number(progress.loaded))?)
            }),
        p("note", "").live_text(move || {
            progress.with(|progress| {
                let verb = match progress.phase.as_str() {
                    "waiting" => return "Another tab is bringing this in, or the server asks for patience: waiting.".into(),
                    "verify" => "Checking",
                    "file" => "Reading",
                    _ => "Fetching",
                };
                let mut words = match progress.total {
                    0 => format!("{verb}: {}", bytes(progress.loaded)),
                    total => format!("{verb}: {} of {}", bytes(progress.loaded), bytes(total)),
                };
                if let Some(left) = progress.seconds_left {
                    words = format!("{words}, {}", time_left(left));
                }
                words
            })
        }),
    ])
}

fn buttons(desk: Desk) -> El {
    let stage = desk.stage;
    let at = move |wanted: Stage| move || stage.get() == wanted;
    let chosen = move || {
        desk.description.with(|found| {
            let found = found.as_ref()?;
            Some((
                found.choices.get(desk.choice.get())?.clone(),
                found.download,
            ))
        })
    };
    let begin = button("", move || desk.begin())
        .live_text(move || match chosen() {
            Some((choice, _)) if choice.stored => "Take the one that is here".into(),
            Some((choice, download)) => {
                format!("Read {}, keep {}", bytes(download), bytes(choice.bytes))
            }
            None => String::new(),
        })
        .live_attr("disabled", move || {
            chosen()
                .is_none_or(|(choice, _)| !choice.fits)
                .then(String::new)
        });
    el("div").class("controls").children([
        begin.shown(at(Stage::Described)),
        button("Pause", move || desk.pause()).shown(at(Stage::Running)),
        button("Go on", move || desk.begin()).shown(at(Stage::Paused)),
        button("Use it", move || {
            if let Some(kept) = desk.brought.now() {
                use_it(desk, &kept);
            }
        })
        .shown(move || {
            stage.get() == Stage::Done
                && desk.brought.with(|kept| kept.as_ref().is_some_and(usable))
        }),
        button("Cancel", move || desk.cancel())
            .shown(move || matches!(stage.get(), Stage::Running | Stage::Paused)),
        button("Put it away", move || desk.clear())
            .class("quiet")
            .shown(move || matches!(stage.get(), Stage::Looking | Stage::Described | Stage::Done)),
    ])
}

/// Whether the page has a place for it: a BART that only classifies has none.
pub fn usable(kept: &Kept) -> bool {
    kept.architecture == "bert"
        || kept
            .abilities
            .iter()
            .any(|ability| !ability.contains("classification"))
}

/// Puts a model in the place of the page's own.
pub fn use_it(desk: Desk, kept: &Kept) {
    let page = desk.page;
    match kept.architecture.as_str() {
        "bert" => {
            page.reader.set(Some(kept.address()));
            page.choose_reader();
        }
        _ => {
            page.wanted.set(Some(kept.address()));
            page.choose_writer();
        }
    }
}

fn family(found: &Description) -> &str {
    match (found.model_type.as_str(), found.architecture.as_str()) {
        ("distilbert", _) => "a DistilBERT, which reads",
        ("mbart", _) => "an mBART, which writes",
        (_, "bert") => "a BERT, which reads",
        _ => "a BART, which writes",
    }
}

/// A head or task in plain words.
pub fn ability_label(name: &str) -> &str {
    match name {
        "masked-lm" => "fill gaps",
        "next-sentence" => "tell whether one sentence follows another",
        "sequence-classification" => "label a text",
        "token-classification" => "mark words",
        "question-answering" => "find an answer in a text",
        "generate" => "write",
        name => task_label(name),
    }
}
