//! A matrix to point at, to walk by keyboard and, where the reader may, to paint on: the canvas without the figure.

use std::rc::Rc;

use wasm_bindgen::JsCast;
use web_sys::{Event, HtmlCanvasElement, KeyboardEvent, MouseEvent, PointerEvent};

use super::canvas::draw_behind;
use super::paint::paint;
use crate::dom::{El, button, el};
use crate::page::Page;
use crate::state::geometry::Geometry;
use crate::state::grid::{Cell, Grid};
use crate::state::links::{Marks, Place, Pointer};
use crate::state::shapes::stroke;
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
        // Behind the tokens stands padding, which is not the reader's to paint.
        let (forbidden, tokens) =
            grid.peek(|grid| (grid.cell(row, column) == Cell::Forbidden, grid.rows.len()));
        (column < tokens).then_some(((row, column), !forbidden))
    };
    let paint_cells = move |cells: &[(usize, usize)], allowed: bool| {
        page.sight.update(|sight| {
            for &(row, column) in cells {
                sight.paint(row, column, allowed);
            }
        });
    };
    // While the pen is down: what it paints, and where it was last.
    let pen = Var::new(None::<(bool, (usize, usize))>);

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
        .live_class("painted-on", move || {
            place == Place::Bert && page.painting.get()
        })
        .live_attr("aria-label", move || {
            let (rows, columns) = size();
            Some(format!(
                "{title}: {rows} rows, {columns} columns. Arrow keys move over the cells."
            ))
        });
    let drawn: HtmlCanvasElement = canvas.node();
    let seen = move || {
        (
            geometry.get(),
            marks.get(),
            page.silent(place),
            page.scheme.get(),
        )
    };
    let draw = move || {
        let (geometry, marks, silent, scheme) = seen();
        grid.with(|grid| {
            // A canvas that cannot be drawn on leaves the words beside it.
            let _ = paint(&drawn, grid, geometry, marks, silent, scheme, shade);
        });
    };
    match place {
        Place::Stages => draw_behind(
            move || {
                grid.with(|_| ());
                seen();
            },
            draw,
        ),
        _ => effect(draw),
    }

    let (over, down, dblclick) = (hit.clone(), hit.clone(), hit.clone());
    let captor: HtmlCanvasElement = canvas.node();
    canvas
        .on("pointermove", move |event| {
            let marks = over(&event);
            if let (Some((allowed, last)), Some((cell, _))) = (pen.now(), under_brush(marks))
                && cell != last
            {
                pen.set(Some((allowed, cell)));
                paint_cells(&stroke(last, cell), allowed);
            }
            point_softly(page, place, marks);
        })
        .on("pointerdown", move |event| {
            if let Some((cell, allowed)) = under_brush(down(&event))
                && event.unchecked_ref::<MouseEvent>().button() == 0
            {
                // A whole stroke is one step to take back, and stays this canvas's wherever the hand goes.
                page.keep_sight();
                pen.set(Some((!allowed, cell)));
                paint_cells(&[cell], !allowed);
                // Fails only for a pointer that has gone already.
                let pointer = event.unchecked_ref::<PointerEvent>().pointer_id();
                let _ = captor.set_pointer_capture(pointer);
            }
        })
        .on("pointerup", move |_| pen.set(None))
        .on("pointercancel", move |_| pen.set(None))
        .on("pointerleave", move |_| {
            pen.set(None);
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
            let pressed = event.unchecked_ref::<KeyboardEvent>();
            let key = pressed.key();
            let here = here(page, place).map(|here| here.marks);
            if place == Place::Bert && (pressed.ctrl_key() || pressed.meta_key()) {
                match (&*key, pressed.shift_key()) {
                    ("z" | "Z", false) => page.undo(),
                    ("z" | "Z", true) | ("y" | "Y", _) => page.redo(),
                    _ => return,
                }
                event.prevent_default();
            } else if let ("Enter" | " ", Some((cell, allowed))) = (&*key, under_brush(here)) {
                page.keep_sight();
                paint_cells(&[cell], !allowed);
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
    let start = grid.peek(|grid| start_of(grid, marks?));
    if let Some(start) = start.filter(|_| of_bert) {
        page.hide_token(start);
    }
}

/// Where the marked token begins in the text: of a cell, the query's.
fn start_of(grid: &Grid, marks: Marks) -> Option<usize> {
    let label = match marks {
        Marks { row: Some(row), .. } => grid.rows.get(row),
        Marks {
            column: Some(column),
            ..
        } => grid.columns.get(column),
        _ => None,
    };
    label?.start
}

/// A button that hides BERT's token that is held, or brings it back: what a double click does, for fingers and for
/// whoever cannot click twice. `place` says where it may be held (tracked).
pub fn hide_button(
    page: Page,
    place: impl Fn() -> Place + Copy + 'static,
    grid: Derived<Grid>,
) -> El {
    let held = Derived::new(move || {
        let pointer = page.pointer.get()?;
        if !pointer.locked || pointer.place != Place::Bert || place() != Place::Bert {
            return None;
        }
        let start = grid.with(|grid| start_of(grid, pointer.marks))?;
        page.sentence.with(|sentence| {
            let index = sentence.word_at(start)?;
            let word = sentence.words().get(index)?.clone();
            let words = match word.hidden {
                true => format!(
                    "Show “{}” again",
                    sentence.original(sentence.mask_index(index)?)?
                ),
                false => format!("Hide “{}” from BERT", &sentence.text()[word.range]),
            };
            Some((start, words))
        })
    });
    button("", move || {
        if let Some((start, _)) = held.now() {
            page.hide_token(start);
        }
    })
    .class("quiet hide-token")
    .live_text(move || held.get().map(|(_, words)| words).unwrap_or_default())
    .shown(move || held.with(Option::is_some))
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
