//! The same text by the same model in four quantizations: what changes in its distributions and its attention, and what it costs.

use js_sys::Math;

use super::app::heading;
use super::choice::choice;
use super::error_note::trouble;
use super::measure::width_of;
use super::sheet::{Sheet, marks_in, sheet};
use crate::dom::{El, button, el, p};
use crate::engine::{Model, Outcome};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::attention::Attention;
use crate::state::draft::Stage;
use crate::state::format::{bytes, decimal, small};
use crate::state::geometry::{Geometry, column_room, row_room};
use crate::state::grid::Cell;
use crate::state::links::{Marks, Place};
use crate::state::quantizations::{
    ALL, AttentionDifference, Divergence, Logits, Maths, TOP, attention_difference,
    difference_grid, divergence, fits, source_of,
};
use crate::state::ramp::position;
use crate::state::sentence::Sentence;
use crate::var::{Derived, Var};

/// The browser's own functions.
const MATHS: Maths = Maths {
    exp: Math::exp,
    ln: Math::log,
};

/// One model's run.
struct Run {
    quantization: &'static str,
    bytes: u64,
    milliseconds: f64,
    logits: Logits,
    attention: Attention,
}

/// What is asked of every run.
#[derive(Clone, PartialEq)]
struct Question {
    /// The files of one checkpoint: what the page calls each, and its quantization.
    files: Vec<(String, String)>,
    parameters: u64,
    text: String,
    target: Option<String>,
    task: Option<String>,
}

/// All runs, the most exact first, and what was left out because it is too large.
struct Comparison {
    runs: Vec<Run>,
    left_out: Vec<&'static str>,
}

impl Comparison {
    fn reference(&self) -> Option<&Run> {
        self.runs.first()
    }

    fn of(&self, run: usize) -> Option<(Divergence, AttentionDifference)> {
        let (reference, other) = (self.reference()?, self.runs.get(run)?);
        Some((
            divergence(MATHS, &reference.logits, &other.logits),
            attention_difference(&reference.attention, &other.attention)?,
        ))
    }
}

/// The section.
pub fn quantizations(page: Page) -> El {
    let of_bart = Var::new(false);
    let asked = Var::new(None::<Question>);
    let shown = Var::new(0_usize);
    let now = Derived::new(move || question(page, of_bart.get()));
    let compared = Latest::new(move || {
        // What was compared stays until the reader compares again, or the text is another one.
        let question = asked
            .get()
            .filter(|asked| now.with(|now| now.as_ref() == Some(asked)))?;
        Some(async move |signal| question.answer(signal).await)
    });
    let is_current = move || asked.with(|asked| asked.is_some() && now.with(|now| now == asked));
    let source = move || {
        now.with(|now| match now {
            None => String::new(),
            Some(question) => note(question),
        })
    };
    el("section")
        .class("quantization")
        .attr("id", "quantization")
        .attr("aria-labelledby", "quantization-title")
        .live_attr("aria-busy", move || Some(compared.asking.waiting.get().to_string()))
        .children([
            heading("h2", "quantization-title", "What fewer bits change"),
            p(
                "prose",
                "A weight takes 32 bits as it was trained, 16 in half precision, about 8½ as Q8_0 and 4½ as Q4_0. Here the \
                 same text goes through one model in all four: how far its probabilities move from those of the most exact, \
                 how far its attention does, and what it costs.",
            ),
            choice(
                "Model",
                || ["BERT", "BART"].map(str::to_owned).to_vec(),
                move || Some(usize::from(of_bart.get())),
                move |index| of_bart.put(index == 1),
            ),
            p("note", "").live_text(move || {
                match (now.with(Option::is_some), of_bart.get()) {
                    (true, _) => source(),
                    (false, true) => "BART has to have written something first.".into(),
                    (false, false) => "Hide a word above: what is compared is what BERT thinks of it.".into(),
                }
            }),
            el("div").class("controls").children([
                button("Compare", move || {
                    shown.put(0);
                    asked.set(now.now());
                })
                .live_attr("disabled", move || {
                    (now.with(Option::is_none) || is_current()).then(String::new)
                }),
            ]),
            p("note", "Four models are loaded one after the other; each gives its memory back.")
                .attr("role", "status")
                .shown(move || compared.asking.waiting.get()),
            trouble(compared.asking),
            el("div").class("compared").live(move |place| {
                compared.answer.with(|comparison| {
                    if let Some(comparison) = comparison {
                        table(place, comparison);
                    }
                });
            }),
            differences(page, compared, shown),
        ])
}

/// The question that the page as it is gives (tracked).
fn question(page: Page, of_bart: bool) -> Option<Question> {
    let slot = if of_bart { page.bart } else { page.bert };
    let (name, info) = (slot.name.get(), slot.info()?);
    let files = page.shelf.with(|shelf| match shelf.model(&name) {
        Some(kept) => {
            let all = shelf.siblings(kept).into_iter();
            all.map(|kept| (kept.address(), kept.quantization.clone()))
                .collect()
        }
        None => vec![(name.clone(), info.quantization.clone())],
    });
    let (text, target, task) = match of_bart {
        false => {
            slot.model().filter(Model::fills)?;
            (page.sentence.with(Sentence::masked_if_any)?, None, None)
        }
        true => page.writing.draft.with(|draft| {
            let done = matches!(draft.stage, Stage::Finished | Stage::Stopped);
            (done && !draft.text().is_empty()).then(|| {
                let (target, task) = (draft.text().to_owned(), draft.controls.task.clone());
                (draft.source.clone(), Some(target), task)
            })
        })?,
    };
    Some(Question {
        files,
        parameters: info.parameters,
        text,
        target,
        task,
    })
}

/// What the comparison can show with the files that there are.
fn note(question: &Question) -> String {
    let quantizations: Vec<String> = question
        .files
        .iter()
        .map(|(_, name)| name.clone())
        .collect();
    let of = quantizations.join(", ");
    match quantizations.iter().any(|name| name == "F32") {
        true => {
            format!("Of this checkpoint, {of} is kept; the others are made of F32 as it loads.")
        }
        false => format!(
            "Of this checkpoint, {of} is here. The others are made of it as it loads, and what it has lost does not come back: \
             F32 and F16 show only what the engine’s rounding of activations costs, and fewer bits than the file’s are a \
             second rounding."
        ),
    }
}

impl Question {
    async fn answer(self, signal: Option<web_sys::AbortSignal>) -> Outcome<Comparison> {
        let (mut runs, mut left_out) = (Vec::new(), Vec::new());
        let quantizations: Vec<String> = self.files.iter().map(|(_, name)| name.clone()).collect();
        for (quantization, bits) in ALL {
            let Some((file, anew)) = source_of(quantization, &quantizations) else {
                continue;
            };
            if !fits(self.parameters, bits) {
                left_out.push(quantization);
                continue;
            }
            let name = &self.files[file].0;
            let model = Model::variant(name, anew.then_some(quantization), signal.clone()).await?;
            let run = self.run(&model, quantization, signal.clone()).await;
            model.dispose().await;
            runs.push(run?);
        }
        Ok(Comparison { runs, left_out })
    }

    async fn run(
        &self,
        model: &Model,
        quantization: &'static str,
        signal: Option<web_sys::AbortSignal>,
    ) -> Outcome<Run> {
        let (target, task) = (self.target.as_deref(), self.task.as_deref());
        let (logits, milliseconds) = model
            .logits(&self.text, target, task, signal.clone())
            .await?;
        let attentions = model
            .attention(&self.text, target, task, None, signal)
            .await?;
        Ok(Run {
            quantization,
            bytes: model.info.bytes,
            milliseconds,
            logits,
            // Where BART looks in the source is what its words rest on.
            attention: attentions.cross.unwrap_or(attentions.encoder),
        })
    }
}

fn table(place: &El, comparison: &Comparison) {
    let Some(reference) = comparison.reference() else {
        return;
    };
    let positions = reference.logits.positions();
    let columns = [
        "Quantization",
        "File",
        "Time",
        "Divergence",
        "First choice",
        "First five",
        "Attention: most, mean",
    ];
    let head = el("tr");
    for words in columns {
        head.append(el("th").attr("scope", "col").text(words));
    }
    let body = el("tbody");
    for (index, run) in comparison.runs.iter().enumerate() {
        let Some((distance, attention)) = comparison.of(index) else {
            continue;
        };
        let row = el("tr")
            .attr("data-quantization", run.quantization)
            .attr("data-divergence", &decimal(distance.mean as f32))
            .attr("data-attention", &decimal(attention.largest));
        row.append(el("th").attr("scope", "row").text(run.quantization));
        let changed = |count: usize, of: usize, what: &str| match count {
            0 => "the same".to_owned(),
            count => format!("{count} of {of} {what}"),
        };
        let mut cells = vec![
            bytes(run.bytes),
            format!("{} ms", small(run.milliseconds, 1)),
        ];
        match index {
            0 => cells.push("the reference".into()),
            _ => cells.extend([
                format!("{} nats", small(distance.mean, 5)),
                changed(distance.first_changed, positions, "another"),
                changed(distance.left_the_top, positions * TOP, "gone"),
                format!(
                    "{}, {}",
                    small(f64::from(attention.largest), 4),
                    small(f64::from(attention.mean), 5)
                ),
            ]),
        }
        // On a phone the columns' names stand in the cells.
        for (name, words) in columns[1..].iter().zip(&cells) {
            row.append(el("td").attr("data-name", name).text(words));
        }
        body.append(row);
    }
    place.append(
        el("table")
            .class("shifts")
            .children([el("thead").child(head), body]),
    );
    for quantization in &comparison.left_out {
        place.append(p(
            "note",
            &format!(
                "{quantization} would take more memory than a page should ask for, and is left out."
            ),
        ));
    }
    place.append(p(
        "note",
        "Divergence is Kullback and Leibler’s, from the reference’s distribution over the whole vocabulary, as a mean of the \
         positions. Time is the best of three runs.",
    ));
}

/// Where one run's attention differs most, as a matrix.
fn differences(page: Page, compared: Latest<Comparison>, shown: Var<usize>) -> El {
    let frame = el("div").class("difference");
    let width = width_of(&frame);
    // The reference is no choice.
    let others = move || {
        compared.answer.with(|comparison| {
            let runs = comparison
                .iter()
                .flat_map(|comparison| comparison.runs.iter().skip(1));
            runs.map(|run| run.quantization.to_owned())
                .collect::<Vec<_>>()
        })
    };
    let found = Derived::new(move || {
        compared.answer.with(|comparison| {
            let comparison = comparison.as_ref()?;
            let run = shown.get() + 1;
            let (_, difference) = comparison.of(run)?;
            let (reference, other) = (comparison.reference()?, comparison.runs.get(run)?);
            let (grid, largest) =
                difference_grid(&reference.attention, &other.attention, difference.place);
            Some((page.display.apply(grid), largest, difference.place))
        })
    });
    let grid = Derived::new(move || {
        found.with(|found| {
            found
                .as_ref()
                .map(|(grid, ..)| grid.clone())
                .unwrap_or_default()
        })
    });
    let geometry = Derived::new(move || {
        grid.with(|grid| {
            let (left, top) = (row_room(&grid.rows), column_room(&grid.columns));
            Geometry::fit(width.get(), left, top, grid.columns.len())
        })
    });
    let marks = marks_in(page, Place::Difference);
    let reading = move || {
        let [low, high] = page.scheme.get().ends();
        found.with(|found| {
            let Some((grid, largest, (layer, head))) = found else {
                return String::new();
            };
            let here = match marks.get() {
                Marks { row: Some(row), column: Some(column) } => {
                    let (query, key) = (grid.rows.get(row), grid.columns.get(column));
                    query.zip(key).zip((row < grid.rows.len()).then(|| grid.cell(row, column)))
                }
                _ => None,
            };
            match here {
                Some(((query, key), Cell::Weight(share))) => format!(
                    "“{}” at “{}”: the weight differs by {}.",
                    query.text,
                    key.text,
                    small(f64::from(share * largest), 4)
                ),
                _ => format!(
                    "Layer {}, head {}, where the attention differs most: from no difference ({low}) to {} ({high}).",
                    layer + 1,
                    head + 1,
                    small(f64::from(*largest), 4)
                ),
            }
        })
    };
    let canvas = sheet(
        page,
        Sheet {
            place: Place::Difference,
            title: "Differences of attention",
            reading: "difference-reading".into(),
            grid,
            geometry,
            shade: position,
        },
    );
    frame.shown(move || found.with(Option::is_some)).children([
        el("h3").text("Where the attention differs"),
        choice(
            "Of",
            others,
            move || Some(shown.get()),
            move |index| shown.put(index),
        ),
        el("figure").class("matrix").children([
            el("div").class("scroller").child(canvas),
            p("reading", "")
                .attr("id", "difference-reading")
                .live_text(reading),
        ]),
    ])
}
