//! The masks and the weights under them: BERT's encoder; BART's encoder, decoder and cross-attention, set so that
//! the same token stands in the same column or row.

use std::time::Duration;

use leptos::prelude::{IntervalHandle, set_interval_with_handle};

use super::app::heading;
use super::choice::{choice, toggle};
use super::error_note::trouble;
use super::legend::legend;
use super::matrix::matrix;
use super::measure::width_of;
use crate::dom::{El, button, el, p, value_of};
use crate::latest::Latest;
use crate::page::{Lens, MOST_WORDS, Page};
use crate::slot::Slot;
use crate::state::attention::{Attention, Attentions, Head};
use crate::state::geometry::{Geometry, column_room, row_room};
use crate::state::grid::{Grid, Label};
use crate::state::links::Place;
use crate::state::shapes::{Sight, bracketed, cross_attention, self_attention};
use crate::var::{Derived, Var, effect};
use crate::writing::Stage;

/// From this width on, BART's three matrices stand side by side.
const TRIPTYCH: f64 = 500.0;
/// Space between them.
const GAP: f64 = 28.0;
/// Time for a token when the writing is played back.
const BEAT: Duration = Duration::from_millis(500);

/// How tokens are shown in all matrices.
#[derive(Clone, Copy)]
struct Display {
    /// Word pieces put back together.
    whole_words: Var<bool>,
    /// Without `[CLS]`, `[SEP]` and their like.
    written_only: Var<bool>,
}

impl Display {
    fn apply(self, grid: Grid) -> Grid {
        let grid = match self.whole_words.get() {
            true => grid.merged(),
            false => grid,
        };
        match self.written_only.get() {
            true => grid.without_special(),
            false => grid,
        }
    }
}

/// All matrices, with what they have in common.
pub fn mask_panel(page: Page) -> El {
    let display = Display {
        whole_words: Var::new(false),
        written_only: Var::new(false),
    };
    let switch =
        |label, value: Var<bool>| toggle(label, move || value.get(), move |on| value.set(on));
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
                el("div").class("toggles").children([
                    switch("put word pieces together", display.whole_words),
                    switch("leave out special tokens", display.written_only),
                ]),
            ]),
            el("div")
                .class("figures")
                .children([bert(page, display), bart(page, display)]),
        ])
}

/// BERT's one matrix.
fn bert(page: Page, display: Display) -> El {
    let group = el("div").class("group");
    let width = width_of(&group);
    let lens = page.bert_lens;
    let grid = Derived::new(move || {
        let live = attention(page.bert_attention, |all| Some(&all.encoder), lens);
        display.apply(live.unwrap_or_else(|| bert_shape(page)))
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
    let rule = move || {
        let words = match page.sight.get() {
            _ if too_long.get() => {
                "This text is too long to draw: the matrix takes up to 120 words."
            }
            Sight::Both => "Bidirectional: every token may look at every token, left and right.",
            Sight::Left => "Causal: a token may look at itself and at what stands before it.",
            Sight::Near => "Window: a token may look at itself and two tokens on each side.",
        };
        words.to_owned()
    };
    group.children([
        el("h3").text("BERT"),
        lens_choice(page.bert, lens),
        trouble(page.bert_attention.asking),
        matrix(
            page,
            Place::Bert,
            "Encoder self-attention",
            rule,
            grid,
            geometry,
        ),
    ])
}

/// BART's three matrices, and the place in the writing at which they are shown.
fn bart(page: Page, display: Display) -> El {
    let group = el("div").class("group");
    let width = width_of(&group);
    let lens = page.bart_lens;
    let answers = page.bart_attention;
    let wide = Derived::new(move || width.get() >= TRIPTYCH);
    let shown = Var::new(None::<usize>);

    let source = Derived::new(move || bart_source(page));
    let encoder = Derived::new(move || {
        let live = attention(answers, |all| Some(&all.encoder), lens);
        display.apply(live.unwrap_or_else(|| self_attention(source.get(), Sight::Both)))
    });
    let whole_decoder = Derived::new(move || {
        let live = attention(answers, |all| all.decoder.as_ref(), lens);
        display.apply(live.unwrap_or_else(|| self_attention(bart_output(page), Sight::Left)))
    });
    let whole_cross = Derived::new(move || {
        let live = attention(answers, |all| all.cross.as_ref(), lens);
        display.apply(live.unwrap_or_else(|| cross_attention(bart_output(page), source.get())))
    });
    let written = Derived::new(move || whole_decoder.with(|grid| grid.rows.len()));
    let rows = move || shown.get().unwrap_or(usize::MAX);
    let decoder = Derived::new(move || whole_decoder.with(|grid| grid.corner(rows(), rows())));
    let cross = Derived::new(move || whole_cross.with(|grid| grid.corner(rows(), usize::MAX)));

    // Cells have one size and labels one room, so that columns and rows line up from matrix to matrix.
    let layout = Derived::new(move || {
        let output_room = whole_decoder.with(|grid| row_room(&grid.rows));
        let left = encoder.with(|grid| row_room(&grid.rows)).max(output_room);
        let top = encoder
            .with(|grid| column_room(&grid.columns))
            .max(whole_decoder.with(|grid| column_room(&grid.columns)));
        let columns = encoder.with(|grid| grid.columns.len());
        let width = width.get();
        let right = match wide.get() {
            true => {
                let room = width - output_room - GAP - 2.0;
                Geometry::fit(room, left, top, columns + written.get())
            }
            false => Geometry::fit(width, left, top, columns.max(written.get())),
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
            let width = left.get().width(written.get()).max(150.0) as u32;
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
        stepper(page, shown, written),
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
        lens_choice(page.bart, lens),
        trouble(answers.asking),
        triptych,
    ])
}

/// Steps through the writing: the triangle grows by a row a token, and the rows above never change. `shown` is the
/// number of rows that are shown (none shows all), of `written` there are.
fn stepper(page: Page, shown: Var<Option<usize>>, written: Derived<usize>) -> El {
    let draft = page.writing.draft;
    let playing = Var::new(None::<IntervalHandle>);
    let stop = move || {
        if let Some(handle) = playing.now() {
            handle.clear();
            playing.set(None);
        }
    };
    effect(move || {
        if draft.with(|draft| draft.stage == Stage::Running) {
            stop();
            shown.put(None);
        }
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
    let range = el("input")
        .attr("type", "range")
        .attr("min", "1")
        .live_attr("max", move || Some(written.get().to_string()))
        .live_value(move || position().to_string())
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

/// Layer and head of a model.
fn lens_choice(model: Slot, lens: Lens) -> El {
    let layers = move || {
        let layers = model.info().map_or(0, |info| info.layers);
        (1..=layers).map(|layer| layer.to_string()).collect()
    };
    // The mean stands first; head n follows in place n + 1.
    let heads = move || {
        let heads = model.info().map_or(0, |info| info.attention_heads);
        let each = (1..=heads).map(|head| head.to_string());
        let mean = (heads > 1).then(|| "mean".to_owned());
        mean.into_iter().chain(each).collect()
    };
    let head = move || match lens.head.get() {
        Head::Mean => 0,
        Head::One(head) => head + 1,
    };
    let choose_head = move |place: usize| {
        lens.head
            .set(place.checked_sub(1).map_or(Head::Mean, Head::One));
    };
    el("div").class("lens").children([
        choice(
            "Layer",
            layers,
            move || Some(lens.layer.get()),
            move |layer| lens.layer.set(layer),
        ),
        choice("Head", heads, move || Some(head()), choose_head),
    ])
}

/// The live matrix of one part, where it is known (tracked).
fn attention(
    answers: Latest<Attentions>,
    part: impl Fn(&Attentions) -> Option<&Attention>,
    lens: Lens,
) -> Option<Grid> {
    answers.answer.with(|answer| {
        let part = part(answer.as_ref()?)?;
        Some(part.grid(lens.layer.get(), lens.head.get()))
    })
}

/// BERT's mask over the sentence's words, before its tokens are known.
fn bert_shape(page: Page) -> Grid {
    let labels = page.sentence.with(|sentence| {
        let words = sentence.words();
        if words.is_empty() || words.len() > MOST_WORDS {
            return Vec::new();
        }
        let text = sentence.text();
        bracketed(
            "[CLS]",
            words.into_iter().map(|word| &text[word.range]),
            "[SEP]",
        )
    });
    self_attention(labels, page.sight.get())
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
    let label = |text: &str, special| Label {
        text: text.replace('Ġ', ""),
        special,
        continues: false,
    };
    let start = std::iter::once(label("<s>", true));
    page.writing.draft.with(|draft| match draft.stage {
        Stage::Idle => {
            let blanks = bart_source(page).len().saturating_sub(2);
            start
                .chain((0..blanks).map(|_| label("·", false)))
                .collect()
        }
        _ => {
            let written = draft.steps.iter().map(|step| label(&step.token, false));
            start.chain(written).collect()
        }
    })
}
