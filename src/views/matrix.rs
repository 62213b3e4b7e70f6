//! One attention matrix: a canvas that can be pointed at, walked by keyboard, and heard.

use wasm_bindgen::JsCast;
use web_sys::{Event, HtmlCanvasElement, HtmlDetailsElement, KeyboardEvent, MouseEvent};

use super::paint::paint;
use crate::dom::{El, el};
use crate::page::Page;
use crate::state::geometry::Geometry;
use crate::state::grid::Grid;
use crate::state::links::{Marks, Place, Pointer};
use crate::state::summary::{describe, row_summary};
use crate::var::{Derived, Var, effect};

/// A figure with its matrix, its reading, and every row in words. `rule` says what the mask allows, while nothing is
/// pointed at.
pub fn matrix(
    page: Page,
    place: Place,
    title: &'static str,
    rule: impl Fn() -> String + 'static,
    grid: Derived<Grid>,
    geometry: Derived<Geometry>,
) -> El {
    let pointer = page.pointer;
    let marks = Derived::new(move || {
        let pointer = pointer.get();
        pointer.map_or_else(Marks::default, |pointer| pointer.marks_in(place))
    });
    let size = Derived::new(move || grid.with(|grid| (grid.rows.len(), grid.columns.len())));
    let here = move || pointer.now().filter(|pointer| pointer.place == place);
    let locked = move || pointer.now().is_some_and(|pointer| pointer.locked);
    let point = move |marks: Option<Marks>, locked: bool| {
        pointer.put(marks.map(|marks| Pointer {
            place,
            marks,
            locked,
        }));
    };
    let hit = move |event: &Event| {
        let event: &MouseEvent = event.unchecked_ref();
        let (rows, columns) = size.now();
        let (x, y) = (f64::from(event.offset_x()), f64::from(event.offset_y()));
        geometry.now().hit(x, y, rows, columns)
    };
    let let_go = move |_: Event| {
        if !locked() && here().is_some() {
            point(None, false);
        }
    };
    let on_click = move |event: Event| {
        let marks = hit(&event);
        let again = here().is_some_and(|pointer| pointer.locked && Some(pointer.marks) == marks);
        point(marks, !again);
    };
    let on_key = move |event: Event| {
        let key = event.unchecked_ref::<KeyboardEvent>().key();
        let (rows, columns) = size.now();
        let from = here().map(|here| here.marks);
        let Some(marks) = Marks::walk(from, &key, rows, columns) else {
            match key.as_str() {
                "Enter" | " " if here().is_some() => {
                    point(here().map(|here| here.marks), !locked());
                    event.prevent_default();
                }
                "Escape" => point(None, false),
                _ => {}
            }
            return;
        };
        event.prevent_default();
        point(Some(marks), locked());
    };
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
    let width = move || format!("{}px", geometry.get().width(size.get().1) as u32);
    let height = move || format!("{}px", geometry.get().height(size.get().0) as u32);
    let reading_id = format!("{}-reading", place.name());
    let canvas = el("canvas")
        .attr("tabindex", "0")
        .attr("role", "application")
        .attr("aria-roledescription", "attention matrix")
        .attr("aria-describedby", &reading_id)
        .live_style("width", width)
        .live_style("height", height)
        .live_attr("aria-label", move || {
            let (rows, columns) = size.get();
            Some(format!(
                "{title}: {rows} rows, {columns} columns. Arrow keys move over the cells."
            ))
        })
        .on("mousemove", move |event| {
            if !locked() {
                point(hit(&event), false);
            }
        })
        .on("mouseleave", let_go)
        .on("blur", let_go)
        .on("click", on_click)
        .on("keydown", on_key);
    let drawn: HtmlCanvasElement = canvas.node();
    effect(move || {
        let scheme = page.scheme.get();
        grid.with(|grid| {
            // A canvas that cannot be drawn on leaves the words beside it.
            let _ = paint(&drawn, grid, geometry.get(), marks.get(), scheme);
        });
    });
    let hook = |value: usize| Some(value.to_string());
    el("figure")
        .class("matrix")
        .attr("data-matrix", place.name())
        .live_attr("data-rows", move || hook(size.get().0))
        .live_attr("data-columns", move || hook(size.get().1))
        .live_attr("data-forbidden", move || hook(grid.with(Grid::forbidden)))
        .live_attr("data-weights", move || {
            Some(grid.with(|grid| grid.weights.is_some()).to_string())
        })
        .live_attr("data-row", move || marks.get().row.and_then(hook))
        .live_attr("data-column", move || marks.get().column.and_then(hook))
        .live_attr("data-locked", move || {
            Some(
                pointer
                    .get()
                    .is_some_and(|pointer| pointer.locked)
                    .to_string(),
            )
        })
        .children([
            el("figcaption").text(title),
            el("div").class("scroller").child(canvas),
            // Of linked matrices, only the one in hand speaks.
            el("p")
                .class("reading")
                .attr("id", &reading_id)
                .live_attr("aria-live", move || {
                    Some(if pointed_at() { "polite" } else { "off" }.to_owned())
                })
                .live_text(reading),
            rows_in_words(grid),
        ])
}

/// Every row's summary, for whoever would rather read than look; made only while it is open.
fn rows_in_words(grid: Derived<Grid>) -> El {
    let open = Var::new(false);
    let details = el("details");
    let node: HtmlDetailsElement = details.node();
    let rows = move |list: &El| {
        if open.get() {
            grid.with(|grid| {
                for row in 0..grid.rows.len() {
                    list.append(el("li").text(&row_summary(grid, row)));
                }
            });
        }
    };
    details
        .on("toggle", move |_| open.put(node.open()))
        .children([
            el("summary").text("Row by row, in words"),
            el("ol").live(rows),
        ])
}
