//! What BART writes, token by token.

use super::beams::{alternatives, beam_tree, tokens};
use super::bert_panel::unread;
use super::choice::choice;
use super::decoding::decoding;
use super::error_note::error_note;
use super::loading::loading;
use super::mask_panel::recording_note;
use super::take_along::take_table;
use super::word_strip::word_strip;
use crate::dom::{El, button, el, p};
use crate::page::Page;
use crate::state::catalogue::task_label;
use crate::state::draft::Stage;
use crate::state::links::Place;
use crate::state::sentence::Word;
use crate::state::table::Table;
use crate::var::Derived;

/// BART's side of the page.
pub fn bart_panel(page: Page) -> El {
    let draft = page.writing.draft;
    let stage = Derived::new(move || draft.with(|draft| draft.stage));
    let tasks = Derived::new(move || page.tasks());
    let task_words = move || {
        tasks.with(|tasks| {
            let words = tasks.iter().map(|task| task_label(task).to_owned());
            words.collect()
        })
    };
    let task = move || {
        let now = page.current_task()?;
        tasks.with(|tasks| tasks.iter().position(|task| *task == now))
    };
    // The site's, then those that this machine keeps: by what the page calls them, and by what they are called.
    let writers = Derived::new(move || {
        let own = page.catalogue.with(|catalogue| catalogue.writers());
        let mut writers: Vec<_> = own.into_iter().map(|name| (name.clone(), name)).collect();
        page.shelf.with(|shelf| {
            let brought = shelf.brought("bart").into_iter();
            writers.extend(brought.map(|kept| (kept.address(), kept.title())));
        });
        writers
    });
    let titles =
        move || writers.with(|writers| writers.iter().map(|(_, title)| title.clone()).collect());
    let writer = move || {
        let now = page.bart.name.get();
        writers.with(|writers| writers.iter().position(|(name, _)| *name == now))
    };
    let choose_writer = move |index: usize| {
        if let Some((name, _)) = writers.peek(|names| names.get(index).cloned()) {
            // Another model has other heads.
            page.off
                .update(|off| off.retain(|(place, ..)| *place == Place::Bert));
            page.wanted.set(Some(name));
            page.choose_writer();
        }
    };
    let pronounces = Derived::new(move || page.pronounces());
    let controls = el("div").class("controls").children([
        choice(
            "Beams",
            || Page::ALL_BEAMS.map(|beams| beams.to_string()).to_vec(),
            move || {
                Page::ALL_BEAMS
                    .iter()
                    .position(|&beams| beams == page.beams.get())
            },
            move |index| page.beams.set(Page::ALL_BEAMS[index]),
        ),
        button("Stop", move || page.writing.stop()).shown(move || stage.get() == Stage::Running),
        button("Write again", move || restart(page))
            .shown(move || !matches!(stage.get(), Stage::Running | Stage::Idle)),
    ]);
    el("article")
        .class("panel")
        .attr("id", "bart")
        .attr("aria-labelledby", "bart-title")
        .children([
            el("h3")
                .attr("id", "bart-title")
                .text("BART ")
                .child(el("span").class("aside").text("writes from left to right")),
            loading(page, page.bart, "BART"),
            choice("Model", titles, writer, choose_writer),
            choice("Let it", task_words, task, move |index| {
                page.task.set(tasks.peek(|tasks| tasks.get(index).cloned()));
            }),
            spoken_word(page).shown(move || pronounces.get()),
            error_note(
                move || draft.with(|draft| draft.error.clone()),
                move || restart(page),
            ),
            recording_note(page, Place::Encoder, "BART"),
            written(page),
            p("note", "").live_text(move || {
                draft.with(|draft| {
                    let cut = draft.leading.truncation.as_ref();
                    cut.map(|cut| unread("BART", cut)).unwrap_or_default()
                })
            }),
            tokens(page),
            alternatives(page),
            take_table("the tokens", "bart-tokens", move || {
                let mut table = Table::new(&["place", "token", "probability", "taken"]);
                draft.with(|draft| {
                    for (place, written) in draft.leading.tokens.iter().enumerate() {
                        let mut add = |token: &str, share: f32, taken: usize| {
                            table.count(place + 1).text(token).share(share).count(taken);
                        };
                        add(&written.text, written.probability, 1);
                        let others = written.alternatives.iter();
                        for other in others.filter(|other| other.id != written.id) {
                            add(&other.token, other.probability, 0);
                        }
                    }
                });
                Some(table)
            }),
            el("p")
                .class("spoken-only")
                .attr("aria-live", "polite")
                .live_text(move || {
                    draft.with(|draft| match draft.stage {
                        Stage::Finished => format!("BART wrote: {}", draft.text()),
                        Stage::Stopped => format!("Stopped after: {}", draft.text()),
                        _ => String::new(),
                    })
                }),
            controls,
            decoding(page),
            beam_tree(page),
        ])
}

/// The one word that goes to a BART which knows nothing but words.
fn spoken_word(page: Page) -> El {
    let word = move |index: usize, word: &Word, spelled: &str| {
        let (hidden, spelled) = (word.hidden, spelled.to_owned());
        button("", move || page.spoken.set(Some(index)))
            .class(if hidden { "word guess" } else { "word" })
            .live_attr("aria-pressed", move || {
                Some((page.spoken_word() == Some(index)).to_string())
            })
            .live_text(move || match hidden {
                true => page.word_text(index).unwrap_or_else(|| "?".into()),
                false => spelled.clone(),
            })
    };
    el("div").children([
        p(
            "note",
            "This BART is a small one. It has learnt one thing: to read the letters of a word and write \
             down its sounds. The machinery is that of its larger sisters. Choose a word:",
        ),
        word_strip(page, "Word to pronounce", word, |_| None),
    ])
}

/// Source and output.
fn written(page: Page) -> El {
    let draft = page.writing.draft;
    let source = move || {
        let begun = draft.with(|draft| draft.source.clone());
        match begun.is_empty() {
            true => page.source().unwrap_or_default(),
            false => begun,
        }
    };
    el("p")
        .class("written")
        .live_attr("data-stage", move || {
            Some(draft.with(|draft| format!("{:?}", draft.stage)))
        })
        .children([
            el("span").class("source").live_text(source),
            el("span")
                .class("arrow")
                .attr("aria-hidden", "true")
                .text(" → "),
            el("output").live_text(move || page.shown_draft(|draft| draft.text().to_owned())),
        ])
}

/// Writes the same once more.
fn restart(page: Page) {
    let (source, controls) = page
        .writing
        .draft
        .peek(|draft| (draft.source.clone(), draft.controls.clone()));
    if let Some(model) = page.bart_model() {
        page.writing.start(model, source, controls);
    }
}
