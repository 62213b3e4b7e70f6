//! One attention matrix as a figure: its sheet, its reading, and every row in words.

use web_sys::HtmlCanvasElement;

use super::disclosure::{disclosure, is_open};
use super::sheet::{Sheet, hide_button, marks_in, sheet};
use super::take_along::take_head;
use crate::dom::{El, el};
use crate::page::Page;
use crate::state::attention::Head;
use crate::state::geometry::Geometry;
use crate::state::grid::Grid;
use crate::state::links::Place;
use crate::state::ramp::position;
use crate::state::summary::{describe, row_summary};
use crate::var::Derived;

/// A figure of the attention at `place`. `rule` says what the mask allows, while nothing is pointed at.
pub fn matrix(
    page: Page,
    place: Place,
    title: &'static str,
    rule: impl Fn() -> String + 'static,
    grid: Derived<Grid>,
    geometry: Derived<Geometry>,
) -> El {
    let pointer = page.pointer;
    let marks = marks_in(page, place);
    let size = move || grid.with(|grid| (grid.rows.len(), grid.columns.len()));
    let pointed_at = move || pointer.get().is_some_and(|pointer| pointer.place == place);
    let reading = move || {
        let mut marks = marks.get();
        // Elsewhere the token counts, not the cell where it meets itself.
        if !pointed_at() && marks.row.is_some() {
            marks.column = None;
        }
        grid.with(|grid| describe(grid, marks))
            .unwrap_or_else(&rule)
    };
    let reading_id = format!("{}-reading", place.name());
    let canvas = sheet(
        page,
        Sheet {
            place,
            title,
            reading: reading_id.clone(),
            grid,
            geometry,
            shade: position,
        },
    );
    let saved: HtmlCanvasElement = canvas.node();
    let hook = |value: usize| Some(value.to_string());
    el("figure")
        .class("matrix")
        .attr("data-matrix", place.name())
        .live_attr("data-rows", move || hook(size().0))
        .live_attr("data-columns", move || hook(size().1))
        .live_attr("data-forbidden", move || hook(grid.with(Grid::forbidden)))
        .live_attr("data-weights", move || {
            let filled = grid.with(|grid| grid.weights.is_some());
            Some(match page.recorded(place, |_| ()) {
                Some(()) => "recorded".into(),
                None => filled.to_string(),
            })
        })
        .live_attr("data-off", move || hook(page.off_at(place).0.len()))
        .live_attr("data-row", move || marks.get().row.and_then(hook))
        .live_attr("data-column", move || marks.get().column.and_then(hook))
        .live_attr("data-locked", move || {
            let locked = pointer.get().is_some_and(|pointer| pointer.locked);
            Some(locked.to_string())
        })
        .children([
            el("figcaption").text(title).child(off_remark(page, place)),
            el("div").class("scroller").child(canvas),
            // Of linked matrices, only the one in hand speaks.
            el("p")
                .class("reading")
                .attr("id", &reading_id)
                .live_attr("aria-live", move || {
                    Some(if pointed_at() { "polite" } else { "off" }.to_owned())
                })
                .live_text(reading),
            hide_button(page, move || place, grid),
            rows_in_words(page, place, grid),
            disclosure(
                page,
                &format!("save-{}", place.name()),
                el("summary").text("Take it along"),
            )
            .shown(move || page.attention(place, |_| ()).is_some())
            .child(take_head(page, move || place, move || Some(saved.clone()))),
        ])
}

/// Says so where the head that is shown is off, or some of the layer whose mean is.
pub fn off_remark(page: Page, place: Place) -> El {
    el("span").class("aside").live_text(move || {
        let (off, heads) = page.off_at(place);
        match (page.silent(place), off.len()) {
            (true, _) => " turned off: nobody is told what it gathers".into(),
            (false, some @ 1..) if page.lens(page.attention_at(place)).head.get() == Head::Mean => {
                format!(" {some} of the {heads} heads are off")
            }
            _ => String::new(),
        }
    })
}

/// Every row's summary, for whoever would rather read than look; made only while it is open.
fn rows_in_words(page: Page, place: Place, grid: Derived<Grid>) -> El {
    let name = format!("rows-{}", place.name());
    let summary = el("summary").text("Row by row, in words");
    let details = disclosure(page, &name, summary);
    let rows = move |list: &El| {
        if is_open(page, &name) {
            grid.with(|grid| {
                for row in 0..grid.rows.len() {
                    list.append(el("li").text(&row_summary(grid, row)));
                }
            });
        }
    };
    details.child(el("ol").live(rows))
}
