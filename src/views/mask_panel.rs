//! The masks and the weights under them: BERT's encoder; BART's encoder, decoder and cross-attention, set so that
//! the same token stands in the same column or row.

use std::time::Duration;

use leptos::html::Div;
use leptos::prelude::*;

use super::choice::Choice;
use super::error_note::Trouble;
use super::legend::Legend;
use super::matrix::Matrix;
use super::measure::width_of;
use crate::latest::Latest;
use crate::page::{Lens, MOST_WORDS, Page};
use crate::slot::Slot;
use crate::state::attention::{Attention, Attentions, Head};
use crate::state::geometry::{Geometry, column_room, row_room};
use crate::state::grid::{Grid, Label};
use crate::state::links::Place;
use crate::state::shapes::{Sight, bracketed, cross_attention, self_attention};
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
    whole_words: RwSignal<bool>,
    /// Without `[CLS]`, `[SEP]` and their like.
    written_only: RwSignal<bool>,
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
#[component]
pub fn MaskPanel() -> impl IntoView {
    let display = Display {
        whole_words: RwSignal::new(false),
        written_only: RwSignal::new(false),
    };
    view! {
        <section class="masks" aria-labelledby="masks-title">
            <h2 id="masks-title">"The masks, and the attention under them"</h2>
            <p class="prose">
                "Each row is a token that asks, each column a token that may answer. The mask says which \
                questions are allowed at all; the model decides how much weight each allowed answer gets, \
                and every row adds up to 100%. Point at a token to find it everywhere it occurs; click to \
                hold it; or step in with the keyboard and walk with the arrow keys."
            </p>
            <div class="key">
                <Legend />
                <div class="toggles">
                    <Toggle label="put word pieces together" value=display.whole_words />
                    <Toggle label="leave out special tokens" value=display.written_only />
                </div>
            </div>
            <div class="figures">
                <Bert display />
                <Bart display />
            </div>
        </section>
    }
}

/// A check box with its words.
#[component]
fn Toggle(
    /// What it turns on.
    label: &'static str,
    /// Whether it is on.
    value: RwSignal<bool>,
) -> impl IntoView {
    view! {
        <label class="toggle">
            <input
                type="checkbox"
                prop:checked=value
                on:change:target=move |event| value.set(event.target().checked())
            />
            {label}
        </label>
    }
}

/// BERT's one matrix.
#[component]
fn Bert(
    /// How tokens are shown.
    display: Display,
) -> impl IntoView {
    let page = Page::expect();
    let lens = page.bert_lens;
    let element = NodeRef::<Div>::new();
    let width = width_of(element);
    let grid = Memo::new(move |_| {
        let live = attention(page.bert_attention, |all| Some(&all.encoder), lens);
        display.apply(live.unwrap_or_else(|| bert_shape(page)))
    });
    let geometry = Memo::new(move |_| {
        grid.with(|grid| {
            let (left, top) = (row_room(&grid.rows), column_room(&grid.columns));
            Geometry::fit(width.get(), left, top, grid.columns.len())
        })
    });
    let too_long = Memo::new(move |_| {
        page.sentence
            .with(|sentence| sentence.words().len() > MOST_WORDS)
    });
    let rule = move || match page.sight.get() {
        _ if too_long.get() => "This text is too long to draw: the matrix takes up to 120 words.",
        Sight::Both => "Bidirectional: every token may look at every token, left and right.",
        Sight::Left => "Causal: a token may look at itself and at what stands before it.",
        Sight::Near => "Window: a token may look at itself and two tokens on each side.",
    };
    view! {
        <div class="group" node_ref=element>
            <h3>"BERT"</h3>
            <LensChoice model=page.bert lens />
            <Trouble asking=page.bert_attention.asking />
            <Matrix
                place=Place::Bert
                title="Encoder self-attention"
                rule=Signal::derive(rule)
                grid
                geometry
            />
        </div>
    }
}

/// BART's three matrices, and the place in the writing at which they are shown.
#[component]
fn Bart(
    /// How tokens are shown.
    display: Display,
) -> impl IntoView {
    let page = Page::expect();
    let lens = page.bart_lens;
    let answers = page.bart_attention;
    let element = NodeRef::<Div>::new();
    let width = width_of(element);
    let wide = Memo::new(move |_| width.get() >= TRIPTYCH);
    let shown = RwSignal::new(None::<usize>);

    let source = Memo::new(move |_| bart_source(page));
    let encoder = Memo::new(move |_| {
        let live = attention(answers, |all| Some(&all.encoder), lens);
        display.apply(live.unwrap_or_else(|| self_attention(source.get(), Sight::Both)))
    });
    let whole_decoder = Memo::new(move |_| {
        let live = attention(answers, |all| all.decoder.as_ref(), lens);
        display.apply(live.unwrap_or_else(|| self_attention(bart_output(page), Sight::Left)))
    });
    let whole_cross = Memo::new(move |_| {
        let live = attention(answers, |all| all.cross.as_ref(), lens);
        display.apply(live.unwrap_or_else(|| cross_attention(bart_output(page), source.get())))
    });
    let written = Memo::new(move |_| whole_decoder.with(|grid| grid.rows.len()));
    let rows = move || shown.get().unwrap_or(usize::MAX);
    let decoder = Memo::new(move |_| whole_decoder.with(|grid| grid.corner(rows(), rows())));
    let cross = Memo::new(move |_| whole_cross.with(|grid| grid.corner(rows(), usize::MAX)));

    // Cells have one size and labels one room, so that columns and rows line up from matrix to matrix.
    let layout = Memo::new(move |_| {
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
    let right = Signal::derive(move || layout.get().0);
    let left = Signal::derive(move || layout.get().1);
    let columns = move || {
        wide.get().then(|| {
            format!(
                "{}px minmax(0, 1fr)",
                left.get().width(written.get()).max(150.0) as u32
            )
        })
    };
    view! {
        <div class="group" node_ref=element>
            <h3>"BART"</h3>
            <LensChoice model=page.bart lens />
            <Trouble asking=answers.asking />
            <div class="triptych" class:wide=wide style:grid-template-columns=columns>
                <div class="corner">
                    <p class="note">
                        "Columns on the right are what BART reads, rows below what it writes: the same token, \
                        the same line."
                    </p>
                    <Stepper shown written=written.into() />
                </div>
                <Matrix
                    place=Place::Encoder
                    title="Encoder self-attention"
                    rule="Bidirectional: the source is read as a whole, like BERT reads."
                    grid=encoder
                    geometry=right
                />
                <Matrix
                    place=Place::Decoder
                    title="Decoder self-attention"
                    rule="Causal: a token sees itself and what was written before. The future is hatched."
                    grid=decoder
                    geometry=left
                />
                <Matrix
                    place=Place::Cross
                    title="Cross-attention"
                    rule="No mask: every written token may look back at the whole source."
                    grid=cross
                    geometry=right
                />
            </div>
        </div>
    }
}

/// Steps through the writing: the triangle grows by a row a token, and the rows above never change.
#[component]
fn Stepper(
    /// Rows that are shown; none shows all.
    shown: RwSignal<Option<usize>>,
    /// Rows there are.
    written: Signal<usize>,
) -> impl IntoView {
    let draft = Page::expect().writing.draft;
    let playing = StoredValue::new(None::<IntervalHandle>);
    let is_playing = RwSignal::new(false);
    let stop = move || {
        is_playing.set(false);
        if let Some(handle) = playing.try_update_value(Option::take).flatten() {
            handle.clear();
        }
    };
    Effect::new(move || {
        if draft.with(|draft| draft.stage == Stage::Running) {
            stop();
            shown.set(None);
        }
    });
    let play = move |_| {
        if is_playing.get_untracked() {
            return stop();
        }
        shown.set(Some(1));
        is_playing.set(true);
        let beat = move || {
            let next = shown.get_untracked().map_or(1, |rows| rows + 1);
            if next < written.get_untracked() {
                shown.set(Some(next));
            } else {
                shown.set(None);
                stop();
            }
        };
        playing.set_value(set_interval_with_handle(beat, BEAT).ok());
    };
    let position = move || {
        shown
            .get()
            .unwrap_or_else(|| written.get())
            .min(written.get())
    };
    view! {
        <div class="stepper" hidden=move || written.get() < 2>
            <label>
                <span>"Tokens written: " {position} " of " {written}</span>
                <input
                    type="range"
                    min="1"
                    max=written
                    prop:value=position
                    on:input:target=move |event| {
                        stop();
                        let rows = event.target().value().parse().ok();
                        shown.set(rows.filter(|&rows: &usize| rows < written.get_untracked()));
                    }
                />
            </label>
            <button type="button" class="quiet" on:click=play>
                {move || if is_playing.get() { "Pause" } else { "Play it slowly" }}
            </button>
            <p class="note">
                "Each token adds a row. The rows above stay as they are: nobody looks into the future."
            </p>
        </div>
    }
}

/// Layer and head of a model.
#[component]
fn LensChoice(
    /// The model.
    model: Slot,
    /// What is chosen.
    lens: Lens,
) -> impl IntoView {
    let layers = move || {
        let layers = model.model().map_or(0, |ready| ready.info.layers);
        (1..=layers)
            .map(|layer| layer.to_string())
            .collect::<Vec<_>>()
    };
    // The mean stands first; head n follows in place n + 1.
    let heads = move || {
        let heads = model.model().map_or(0, |ready| ready.info.attention_heads);
        let each = (1..=heads).map(|head| head.to_string());
        let mean = (heads > 1).then(|| "mean".to_owned());
        mean.into_iter().chain(each).collect::<Vec<_>>()
    };
    let head = move || match lens.head.get() {
        Head::Mean => 0,
        Head::One(head) => head + 1,
    };
    let choose_head = move |place: usize| {
        lens.head
            .set(place.checked_sub(1).map_or(Head::Mean, Head::One));
    };
    view! {
            <div class="lens">
                <Choice
                    legend="Layer"
                    options=Signal::derive(layers)
                    value=Signal::derive(move || Some(lens.layer.get()))
                    choose=move |layer: usize| lens.layer.set(layer)
                />
                <Choice
                    legend="Head"
                    options=Signal::derive(heads)
                    value=Signal::derive(move || Some(head()))
                    choose=choose_head
                />
    </div>
        }
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
