//! One head in the three stages of attention: scores, mask, softmax.

use super::app::heading;
use super::matrix::off_remark;
use super::measure::width_of;
use super::sheet::{Sheet, marks_in, sheet};
use crate::dom::{El, el};
use crate::page::Page;
use crate::state::attention::Head;
use crate::state::format::percent;
use crate::state::geometry::{Geometry, column_room, row_room};
use crate::state::grid::{Cell, Grid};
use crate::state::links::{Marks, Place};
use crate::state::ramp::position;
use crate::var::Derived;

/// From this width on, the stages stand side by side.
const ABREAST: f64 = 620.0;
/// Space between them.
const GAP: f64 = 20.0;

/// The head that is chosen, step by step.
pub fn stages(page: Page) -> El {
    let place = Place::Stages;
    let frame = el("div").class("stages");
    let width = width_of(&frame);
    let scored = Derived::new(move || {
        let part = page.part.get();
        let lens = page.lens(part);
        page.attention(part, |attention| {
            let (grid, least, most) = attention.scores(lens.layer.get(), lens.head.get());
            (page.written(part, grid), least, most)
        })
        .unwrap_or_default()
    });
    let scores = Derived::new(move || scored.get().0);
    let weights = Derived::new(move || page.grid(page.part.get()).unwrap_or_default());
    let mask = Derived::new(move || Grid {
        weights: None,
        ..weights.get()
    });
    let geometry = Derived::new(move || {
        weights.with(|grid| {
            let room = match width.get() {
                width if width >= ABREAST => (width - 2.0 * GAP) / 3.0,
                width => width,
            };
            let (left, top) = (row_room(&grid.rows), column_room(&grid.columns));
            Geometry::fit(room, left, top, grid.columns.len())
        })
    });
    let marks = marks_in(page, place);
    let stage = move |title: &'static str, grid: Derived<Grid>, shade: fn(f32) -> f32| {
        let canvas = sheet(
            page,
            Sheet {
                place,
                title,
                reading: "stages-reading".into(),
                grid,
                geometry,
                shade,
            },
        );
        el("figure").class("matrix").children([
            el("figcaption").text(title),
            el("div").class("scroller").child(canvas),
        ])
    };
    let reading = move || {
        let Marks {
            row: Some(row),
            column: Some(column),
        } = marks.get()
        else {
            let [low, high] = page.scheme.get().ends();
            return scored.with(|(_, least, most)| {
                format!(
                    "Scores compare what a token asks with what another offers; here they run from {} ({low}) \
                     to {} ({high}). The mask takes some away. Softmax makes each row a hundred percent. Point \
                     at a cell.",
                    signed(*least),
                    signed(*most)
                )
            });
        };
        scored.with(|(scores, least, most)| {
            weights.with(|grid| {
                let (Some(query), Some(key)) = (grid.rows.get(row), grid.columns.get(column))
                else {
                    return String::new();
                };
                let raw = match scores.cell(row, column) {
                    Cell::Weight(share) => signed(least + share * (most - least)),
                    _ => String::new(),
                };
                let end = match grid.cell(row, column) {
                    Cell::Forbidden => "forbidden by the mask, so 0%".to_owned(),
                    Cell::Open => "allowed".to_owned(),
                    Cell::Weight(weight) => {
                        format!("allowed by the mask; after softmax {}", percent(weight))
                    }
                };
                format!("“{}” to “{}”: score {raw}; {end}.", query.text, key.text)
            })
        })
    };
    let title = move || {
        let part = page.part.get();
        let lens = page.lens(part);
        let layer = lens.layer.get() + 1;
        match lens.head.get() {
            Head::Mean => format!("Layer {layer}, the mean of all heads, in three stages"),
            Head::One(head) => format!("Layer {layer}, head {}, in three stages", head + 1),
        }
    };
    el("div")
        .child(
            heading("h3", "stages-title", "")
                .live_text(title)
                .child(off_remark(page, place)),
        )
        .child(frame.children([
            stage("1. Scores", scores, linear),
            stage("2. Mask", mask, linear),
            stage("3. Softmax", weights, position),
        ]))
        .child(
            el("p")
                .class("reading")
                .attr("id", "stages-reading")
                .attr("aria-live", "polite")
                .live_text(reading),
        )
}

fn linear(value: f32) -> f32 {
    value
}

/// A score with one decimal.
fn signed(score: f32) -> String {
    let tenths = (score * 10.0).round() as i64;
    let sign = if tenths < 0 { "−" } else { "" };
    format!("{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10)
}
