//! The masks and the weights under them: BERT's encoder; BART's encoder, decoder and cross-attention, set so that
//! the same token stands in the same column or row.

use std::time::Duration;

use leptos::prelude::{IntervalHandle, set_interval_with_handle};

use super::app::heading;
use super::attention_panel::toggles;
use super::choice::choice;
use super::error_note::trouble;
use super::legend::legend;
use super::matrix::matrix;
use super::measure::width_of;
use super::proof;
use super::sight::{in_words, sight};
use crate::dom::{El, button, el, p, value_of};
use crate::page::Page;
use crate::slot::Slot;
use crate::state::ablation::off_in;
use crate::state::attention::Head;
use crate::state::draft::Stage;
use crate::state::geometry::{Geometry, column_room, row_room};
use crate::state::grid::{Grid, Label};
use crate::state::links::Place;
use crate::state::sentence::{MOST_WORDS, Sentence, words};
use crate::state::shapes::{Rule, Sight, bracketed, cross_attention, self_attention};
use crate::var::{Derived, Var, effect};

/// From this width on, BART's three matrices stand side by side.
const TRIPTYCH: f64 = 500.0;
/// Space between them.
const GAP: f64 = 28.0;
/// Keys of padding that are shown: the difference to a longer text of the same batch.
const PADDING: usize = 4;
/// Time for a token when the writing is played back.
const BEAT: Duration = Duration::from_millis(500);

/// All matrices, with what they have in common.
pub fn mask_panel(page: Page) -> El {
    el("section")
        .class("masks")
        .attr("aria-labelledby", "masks-title")
        .children([
            heading("h2", "masks-title", "The masks, and the attention under them"),
            p(
                "prose",
                "Each row is a token that asks, each column a token that may answer. The mask says which \
                 questions are allowed at all; the model decides how much weight each allowed answer gets, \
                 and every row adds up to 100%. Point at a token to find it everywhere it occurs; click to \
                 hold it; or step in with the keyboard and walk with the arrow keys.",
            ),
            el("div").class("key").children([
                legend(page),
                toggles(page),
            ]),
            el("div")
                .class("figures")
                .children([bert(page), bart(page)]),
        ])
}

/// BERT's one matrix.
fn bert(page: Page) -> El {
    let display = page.display;
    let group = el("div").class("group");
    let width = width_of(&group);
    let grid = Derived::new(move || {
        let live = page
            .grid(Place::Bert)
            .or_else(|| page.recorded_grid(Place::Bert));
        let grid = display.apply(live.unwrap_or_else(|| bert_shape(page)));
        match display.padding.get() {
            true => grid.padded(PADDING),
            false => grid,
        }
    });
    let geometry = Derived::new(move || {
        grid.with(|grid| {
            let (left, top) = (row_room(&grid.rows), column_room(&grid.columns));
            Geometry::fit(width.get(), left, top, grid.columns.len())
        })
    });
    let too_long = Derived::new(move || {
        page.sentence
            .with(|sentence| sentence.words().len() > MOST_WORDS)
    });
    let rule = move || match too_long.get() {
        true => format!(
            "This text is too long to draw. The matrix is of its first {MOST_WORDS} words, read on their own."
        ),
        false => page.sight.with(in_words),
    };
    group.children([
        el("h3").text("BERT"),
        sight(page),
        lens_choice(page, Place::Bert, page.bert),
        trouble(page.bert_attention.asking),
        recording_note(page, Place::Bert, "BERT"),
        matrix(
            page,
            Place::Bert,
            "Encoder self-attention",
            rule,
            grid,
            geometry,
        ),
        proof::of_bert(page),
    ])
}

/// Says so where a recording stands in for a model.
pub fn recording_note(page: Page, place: Place, model: &str) -> El {
    p(
        "note recording",
        &format!("A recording of {model} on this very text, until the model has loaded."),
    )
    .shown(move || page.recorded(place, |_| ()).is_some())
}

/// BART's three matrices, and the place in the writing at which they are shown.
fn bart(page: Page) -> El {
    let display = page.display;
    let group = el("div").class("group");
    let width = width_of(&group);
    let answers = page.bart_attention;
    let wide = Derived::new(move || width.get() >= TRIPTYCH);

    let source = Derived::new(move || bart_source(page));
    let encoder = Derived::new(move || {
        let live = page
            .settled_grid(Place::Encoder)
            .or_else(|| page.recorded_grid(Place::Encoder));
        display.apply(live.unwrap_or_else(|| self_attention(source.get(), &Sight::default())))
    });
    // Token by token, before pieces are put together: the rows that are shown are tokens.
    let all_decoder = Derived::new(move || {
        let live = page
            .settled_grid(Place::Decoder)
            .or_else(|| page.recorded_grid(Place::Decoder));
        live.unwrap_or_else(|| self_attention(bart_output(page), &Sight::of(Rule::Left)))
    });
    let whole_decoder = Derived::new(move || display.apply(all_decoder.get()));
    let written = Derived::new(move || all_decoder.with(|grid| grid.rows.len()));
    let decoder =
        Derived::new(move || display.apply(page.written(Place::Decoder, all_decoder.get())));
    let cross = Derived::new(move || {
        let live = page
            .settled_grid(Place::Cross)
            .or_else(|| page.recorded_grid(Place::Cross));
        let all = live.unwrap_or_else(|| cross_attention(bart_output(page), source.get()));
        display.apply(page.written(Place::Cross, all))
    });

    // Cells have one size and labels one room, so that columns and rows line up from matrix to matrix.
    let layout = Derived::new(move || {
        let output_room = whole_decoder.with(|grid| row_room(&grid.rows));
        let left = encoder.with(|grid| row_room(&grid.rows)).max(output_room);
        let top = encoder
            .with(|grid| column_room(&grid.columns))
            .max(whole_decoder.with(|grid| column_room(&grid.columns)));
        let columns = encoder.with(|grid| grid.columns.len());
        let output = whole_decoder.with(|grid| grid.rows.len());
        let width = width.get();
        let right = match wide.get() {
            true => {
                let room = width - output_room - GAP - 2.0;
                Geometry::fit(room, left, top, columns + output)
            }
            false => Geometry::fit(width, left, top, columns.max(output)),
        };
        let decoder = Geometry {
            left: if wide.get() { output_room } else { left },
            ..right
        };
        (right, decoder)
    });
    let right = Derived::new(move || layout.get().0);
    let left = Derived::new(move || layout.get().1);
    let columns = move || match wide.get() {
        true => {
            let output = whole_decoder.with(|grid| grid.rows.len());
            let width = left.get().width(output).max(150.0) as u32;
            format!("{width}px minmax(0, 1fr)")
        }
        false => String::new(),
    };
    let corner = el("div").class("corner").children([
        p(
            "note",
            "Columns on the right are what BART reads, rows below what it writes: the same token, \
             the same line.",
        ),
        stepper(page, written),
    ]);
    let triptych = el("div")
        .class("triptych")
        .live_class("wide", move || wide.get())
        .live_style("grid-template-columns", columns)
        .children([
            corner,
            matrix(
                page,
                Place::Encoder,
                "Encoder self-attention",
                || "Bidirectional: the source is read as a whole, like BERT reads.".into(),
                encoder,
                right,
            ),
            matrix(
                page,
                Place::Decoder,
                "Decoder self-attention",
                || {
                    "Causal: a token sees itself and what was written before. The future is hatched."
                        .into()
                },
                decoder,
                left,
            ),
            matrix(
                page,
                Place::Cross,
                "Cross-attention",
                || "No mask: every written token may look back at the whole source.".into(),
                cross,
                right,
            ),
        ]);
    group.children([
        el("h3").text("BART"),
        lens_choice(page, Place::Cross, page.bart),
        trouble(answers.asking),
        recording_note(page, Place::Encoder, "BART"),
        triptych,
        proof::of_decoder(page),
    ])
}

/// Steps through the writing: the triangle grows by a row a token, of those `written`, wherever the decoder is shown,
/// and the rows above never change.
fn stepper(page: Page, written: Derived<usize>) -> El {
    let shown = page.rows;
    let draft = page.writing.draft;
    let playing = Var::new(None::<IntervalHandle>);
    let stop = move || {
        if let Some(handle) = playing.now() {
            handle.clear();
            playing.set(None);
        }
    };
    effect(move || match draft.with(|draft| draft.stage) {
        Stage::Running => {
            stop();
            // A link's rows wait for the first writing that comes to its end: one before it may be given up.
            if !page.linked.now() {
                shown.put(None);
            }
        }
        Stage::Finished => page.linked.put(false),
        _ => {}
    });
    let play = move || {
        if playing.peek(Option::is_some) {
            return stop();
        }
        shown.set(Some(1));
        let beat = move || {
            let next = shown.now().map_or(1, |rows| rows + 1);
            if next < written.now() {
                shown.set(Some(next));
            } else {
                shown.set(None);
                stop();
            }
        };
        playing.set(set_interval_with_handle(beat, BEAT).ok());
    };
    let position = move || shown.get().unwrap_or(usize::MAX).min(written.get());
    let range = el("input").attr("type", "range").attr("min", "1");
    let bounded = range.clone();
    let range = range
        .live_value(move || {
            // Before the value, which a browser cuts down to the bound that it finds.
            bounded.set_attr("max", Some(&written.get().to_string()));
            position().to_string()
        })
        .on("input", move |event| {
            stop();
            let rows = value_of(&event).parse().ok();
            shown.set(rows.filter(|&rows: &usize| rows < written.now()));
        });
    let words = move || format!("Tokens written: {} of {}", position(), written.get());
    el("div")
        .class("stepper")
        .shown(move || written.get() >= 2)
        .children([
            el("label").children([el("span").live_text(words), range]),
            button("", play).class("quiet").live_text(move || {
                let words = match playing.with(Option::is_some) {
                    true => "Pause",
                    false => "Play it slowly",
                };
                words.into()
            }),
            p(
                "note",
                "Each token adds a row. The rows above stay as they are: nobody looks into the future.",
            ),
        ])
}

/// Layer and head of a model; those of BERT that are off say so. (BART's lens is one for three attentions.)
fn lens_choice(page: Page, place: Place, model: Slot) -> El {
    let lens = page.lens(place);
    let layers = move || {
        let layers = model.info().map_or(0, |info| info.layers);
        (1..=layers).map(|layer| layer.to_string()).collect()
    };
    // The mean stands first; head n follows in place n + 1.
    let heads = move || {
        let heads = model.info().map_or(0, |info| info.attention_heads);
        let off = match place {
            Place::Bert => page.off.with(|off| off_in(off, place, lens.layer.get())),
            _ => Vec::new(),
        };
        let each = (0..heads).map(|head| match off.contains(&head) {
            true => format!("{} off", head + 1),
            false => (head + 1).to_string(),
        });
        let mean = (heads > 1).then(|| "mean".to_owned());
        mean.into_iter().chain(each).collect()
    };
    let head = move || match lens.head.get() {
        Head::Mean => 0,
        Head::One(head) => head + 1,
    };
    let choose_head = move |place: usize| {
        let head = place.checked_sub(1).map_or(Head::Mean, Head::One);
        lens.choose(lens.layer.now(), head);
    };
    el("div").class("lens").children([
        choice(
            "Layer",
            layers,
            move || Some(lens.layer.get()),
            move |layer| lens.choose(layer, lens.head.now()),
        ),
        choice("Head", heads, move || Some(head()), choose_head),
    ])
}

/// BERT's mask over the sentence's words, before its tokens are known.
fn bert_shape(page: Page) -> Grid {
    let text = page.sentence.with(Sentence::beginning).unwrap_or_default();
    let words = words(&text);
    let labels = match words.is_empty() {
        true => Vec::new(),
        false => bracketed(
            "[CLS]",
            words.into_iter().map(|word| &text[word.range]),
            "[SEP]",
        ),
    };
    page.sight.with(|sight| self_attention(labels, sight))
}

/// BART's source, before its tokens are known.
fn bart_source(page: Page) -> Vec<Label> {
    let source = page.source().unwrap_or_default();
    if page.pronounces() {
        let letters: Vec<String> = source.chars().map(String::from).collect();
        bracketed("<s>", letters.iter().map(String::as_str), "</s>")
    } else {
        bracketed("<s>", source.split_whitespace().take(MOST_WORDS), "</s>")
    }
}

/// What BART has written, behind the token that it starts from. Before it has begun, as many blanks as the source
/// has tokens, so that the mask's triangle can be seen.
fn bart_output(page: Page) -> Vec<Label> {
    let start = std::iter::once(Label::special("<s>"));
    page.writing.draft.with(|draft| match draft.stage {
        Stage::Idle => {
            let blanks = bart_source(page).len().saturating_sub(2);
            start
                .chain((0..blanks).map(|_| Label::written("·")))
                .collect()
        }
        _ => {
            let tokens = draft.leading.tokens.iter();
            let written = tokens.map(|token| Label::written(&token.text.replace('Ġ', "")));
            start.chain(written).collect()
        }
    })
}
