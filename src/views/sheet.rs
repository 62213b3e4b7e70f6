//! A matrix to point at, to walk by keyboard and, where the reader may, to paint on: the canvas without the figure.

use std::rc::Rc;

use wasm_bindgen::JsCast;
use web_sys::{Event, HtmlCanvasElement, KeyboardEvent, MouseEvent};

use super::paint::paint;
use crate::dom::{El, el};
use crate::page::Page;
use crate::state::geometry::Geometry;
use crate::state::grid::{Cell, Grid};
use crate::state::links::{Marks, Place, Pointer};
use crate::var::{Derived, Var, effect};

/// What a sheet shows.
pub struct Sheet {
    /// Whose tokens label it.
    pub place: Place,
    /// What it is called.
    pub title: &'static str,
    /// Identifier of the element that reads its cells out.
    pub reading: String,
    /// The cells.
    pub grid: Derived<Grid>,
    /// Where they lie.
    pub geometry: Derived<Geometry>,
    /// Position on the colour ramp of a cell's value.
    pub shade: fn(f32) -> f32,
}

/// What is marked in `place`.
pub fn marks_in(page: Page, place: Place) -> Derived<Marks> {
    Derived::new(move || {
        let pointer = page.pointer.get();
        pointer.map_or_else(Marks::default, |pointer| pointer.marks_in(place))
    })
}

/// The canvas, drawn whenever something changes.
pub fn sheet(page: Page, sheet: Sheet) -> El {
    let Sheet {
        place,
        title,
        reading,
        grid,
        geometry,
        shade,
    } = sheet;
    let marks = marks_in(page, place);
    let size = move || grid.with(|grid| (grid.rows.len(), grid.columns.len()));
    let hit = Rc::new(move |event: &Event| {
        let event: &MouseEvent = event.unchecked_ref();
        let (rows, columns) = grid.peek(|grid| (grid.rows.len(), grid.columns.len()));
        let (x, y) = (f64::from(event.offset_x()), f64::from(event.offset_y()));
        geometry.now().hit(x, y, rows, columns)
    });
    // The cell at a place, whether it may be looked at now; none where nothing is painted.
    let under_brush = move |marks: Option<Marks>| {
        if place != Place::Bert || !page.painting.now() {
            return None;
        }
        let (row, column) = (marks?.row?, marks?.column?);
        let forbidden = grid.peek(|grid| grid.cell(row, column) == Cell::Forbidden);
        Some((row, column, !forbidden))
    };
    let paint_cell = move |row: usize, column: usize, allowed: bool| {
        page.sight.update(|sight| sight.paint(row, column, allowed));
    };
    // While the button is down: what it paints.
    let stroke = Var::new(None::<bool>);

    let canvas = el("canvas")
        .attr("tabindex", "0")
        .attr("role", "application")
        .attr("aria-roledescription", "attention matrix")
        .attr("aria-describedby", &reading)
        .live_style("width", move || {
            format!("{}px", geometry.get().width(size().1) as u32)
        })
        .live_style("height", move || {
            format!("{}px", geometry.get().height(size().0) as u32)
        })
        .live_attr("aria-label", move || {
            let (rows, columns) = size();
            Some(format!(
                "{title}: {rows} rows, {columns} columns. Arrow keys move over the cells."
            ))
        });
    let drawn: HtmlCanvasElement = canvas.node();
    effect(move || {
        let scheme = page.scheme.get();
        grid.with(|grid| {
            // A canvas that cannot be drawn on leaves the words beside it.
            let _ = paint(&drawn, grid, geometry.get(), marks.get(), scheme, shade);
        });
    });

    let (over, down, dblclick) = (hit.clone(), hit.clone(), hit.clone());
    canvas
        .on("mousemove", move |event| {
            let marks = over(&event);
            if let (Some(allowed), Some((row, column, now))) = (stroke.now(), under_brush(marks))
                && now != allowed
            {
                paint_cell(row, column, allowed);
            }
            point_softly(page, place, marks);
        })
        .on("mousedown", move |event| {
            if let Some((row, column, allowed)) = under_brush(down(&event)) {
                stroke.set(Some(!allowed));
                paint_cell(row, column, !allowed);
            }
        })
        .on("mouseup", move |_| stroke.set(None))
        .on("mouseleave", move |_| {
            stroke.set(None);
            let_go(page, place);
        })
        .on("blur", move |_| let_go(page, place))
        .on("click", move |event| {
            let marks = hit(&event);
            if under_brush(marks).is_none() {
                click(page, place, marks);
            }
        })
        .on("dblclick", move |event| {
            let marks = dblclick(&event);
            if under_brush(marks).is_none() {
                hide(page, place, grid, marks);
            }
        })
        .on("keydown", move |event| {
            let key = event.unchecked_ref::<KeyboardEvent>().key();
            let here = here(page, place).map(|here| here.marks);
            if let ("Enter" | " ", Some((row, column, allowed))) = (&*key, under_brush(here)) {
                paint_cell(row, column, !allowed);
                event.prevent_default();
            } else if matches!(&*key, "m" | "M") {
                hide(page, place, grid, here);
            } else {
                let size = grid.peek(|grid| (grid.rows.len(), grid.columns.len()));
                walk(page, place, size, &event);
            }
        })
}

/// What is pointed at, if it is in `place`.
pub fn here(page: Page, place: Place) -> Option<Pointer> {
    page.pointer.now().filter(|pointer| pointer.place == place)
}

fn locked(page: Page) -> bool {
    page.pointer.now().is_some_and(|pointer| pointer.locked)
}

fn point(page: Page, place: Place, marks: Option<Marks>, locked: bool) {
    page.pointer.put(marks.map(|marks| Pointer {
        place,
        marks,
        locked,
    }));
}

/// Points at what lies under the mouse, unless something is held.
pub fn point_softly(page: Page, place: Place, marks: Option<Marks>) {
    if !locked(page) {
        point(page, place, marks, false);
    }
}

/// Points at nothing any more, unless something is held.
pub fn let_go(page: Page, place: Place) {
    if !locked(page) && here(page, place).is_some() {
        point(page, place, None, false);
    }
}

/// Holds what is clicked, and lets it go when it is clicked again.
pub fn click(page: Page, place: Place, marks: Option<Marks>) {
    let again =
        here(page, place).is_some_and(|pointer| pointer.locked && Some(pointer.marks) == marks);
    point(page, place, marks, !again);
}

/// Hides the marked token in BERT's text, or brings it back: of a cell, the query's.
pub fn hide(page: Page, place: Place, grid: Derived<Grid>, marks: Option<Marks>) {
    let of_bert = match place {
        Place::Stages => page.part.now() == Place::Bert,
        place => place == Place::Bert,
    };
    let start = grid.peek(|grid| {
        let label = match marks? {
            Marks { row: Some(row), .. } => grid.rows.get(row),
            Marks {
                column: Some(column),
                ..
            } => grid.columns.get(column),
            _ => None,
        };
        label?.start
    });
    if let Some(start) = start.filter(|_| of_bert) {
        page.hide_token(start);
    }
}

/// Moves over a matrix of `size` (rows, columns), holds and lets go, as the pressed key says.
pub fn walk(page: Page, place: Place, size: (usize, usize), event: &Event) {
    let key = event.unchecked_ref::<KeyboardEvent>().key();
    let from = here(page, place).map(|here| here.marks);
    match Marks::walk(from, &key, size.0, size.1) {
        Some(marks) => {
            event.prevent_default();
            point(page, place, Some(marks), locked(page));
        }
        None => match key.as_str() {
            "Enter" | " " if from.is_some() => {
                point(page, place, from, !locked(page));
                event.prevent_default();
            }
            "Escape" => point(page, place, None, false),
            _ => {}
        },
    }
}
