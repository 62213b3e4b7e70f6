//! One head as lines between two columns of tokens: on the left who looks, on the right what is looked at.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, HtmlCanvasElement, KeyboardEvent, MouseEvent};

use super::canvas::{Surface, draw_behind};
use super::measure::width_of;
use super::sheet::{click, here, hide, hide_button, let_go, point_softly, walk};
use super::take_along::save_file;
use crate::dom::{El, button, el};
use crate::page::Page;
use crate::state::export::lines_svg;
use crate::state::geometry::{LABEL_SIZE, row_room, shortened};
use crate::state::grid::{Cell, Grid};
use crate::state::links::Marks;
use crate::state::summary::describe;
use crate::var::Derived;

/// Widest that the picture gets.
const WIDEST: f64 = 560.0;

/// The picture, and what it says in words.
pub fn lines(page: Page) -> El {
    let figure = el("figure").class("matrix lines");
    let width = width_of(&figure);
    let grid = Derived::new(move || {
        let part = page.part.get();
        let grid = page.grid(part).or_else(|| page.recorded_grid(part));
        grid.map(|grid| page.display.apply(grid))
            .unwrap_or_else(|| Grid {
                rows: Vec::new(),
                columns: Vec::new(),
                allowed: Vec::new(),
                weights: None,
            })
    });
    let layout = Derived::new(move || {
        grid.with(|grid| {
            let most = grid.rows.len().max(grid.columns.len());
            Layout {
                width: width.get().min(WIDEST),
                left: row_room(&grid.rows),
                right: row_room(&grid.columns),
                line: if most > 60 { 14.0 } else { 21.0 },
                rows: grid.rows.len(),
                columns: grid.columns.len(),
            }
        })
    });
    let hit = move |event: &Event| {
        let event: &MouseEvent = event.unchecked_ref();
        layout
            .now()
            .hit(f64::from(event.offset_x()), f64::from(event.offset_y()))
    };
    let part = move || page.part.now();
    let canvas = el("canvas")
        .attr("tabindex", "0")
        .attr("role", "application")
        .attr("aria-roledescription", "attention as lines")
        .attr("aria-describedby", "lines-reading")
        .live_attr("aria-label", move || {
            Some(format!(
                "{} as lines. Arrow keys move over the tokens.",
                page.part.get().title()
            ))
        })
        .live_style("width", move || format!("{}px", layout.get().width as u32))
        .live_style("height", move || {
            format!("{}px", layout.get().height() as u32)
        })
        .on("mousemove", move |event| {
            point_softly(page, part(), hit(&event))
        })
        .on("mouseleave", move |_| let_go(page, part()))
        .on("blur", move |_| let_go(page, part()))
        .on("click", move |event| click(page, part(), hit(&event)))
        .on("dblclick", move |event| {
            hide(page, part(), grid, hit(&event))
        })
        .on("keydown", move |event| {
            let key = event.unchecked_ref::<KeyboardEvent>().key();
            if matches!(&*key, "m" | "M") {
                let marks = here(page, part()).map(|here| here.marks);
                hide(page, part(), grid, marks);
            } else {
                let size = grid.peek(|grid| (grid.rows.len(), grid.columns.len()));
                walk(page, part(), size, &event);
            }
        });
    let marks = Derived::new(move || {
        let pointer = page.pointer.get();
        pointer.map_or_else(Marks::default, |pointer| pointer.marks_in(page.part.get()))
    });
    let drawn: HtmlCanvasElement = canvas.node();
    let seen = move || {
        page.scheme.get();
        let threshold = page.display.threshold.get() as f32 / 100.0;
        let silent = page.silent(page.part.get());
        (layout.get(), marks.get(), threshold, silent)
    };
    let reads = move || {
        grid.with(|_| ());
        seen();
    };
    draw_behind(reads, move || {
        let (layout, marks, threshold, silent) = seen();
        grid.with(|grid| {
            // A canvas that cannot be drawn on leaves the words below it.
            let _ = draw(&drawn, grid, &layout, marks, threshold, silent);
        });
    });
    let reading = move || {
        grid.with(|grid| describe(grid, marks.get())).unwrap_or_else(|| {
            "Point at a token on the left for what it looks at, on the right for who looks at it. A click \
             holds it; a double click, or M, hides it from BERT."
                .into()
        })
    };
    let shown = move || {
        let threshold = page.display.threshold.get() as f32 / 100.0;
        let marks = marks.get();
        grid.with(|grid| drawn_lines(grid, marks, threshold).count())
    };
    figure
        .live_attr("data-lines", move || Some(shown().to_string()))
        .children([
            canvas,
            el("p")
                .class("reading")
                .attr("id", "lines-reading")
                .live_text(reading),
            hide_button(page, move || page.part.get(), grid),
        ])
}

/// A button that saves the picture as a drawing.
pub fn drawing_of_lines(page: Page) -> El {
    let act = move || {
        let part = page.part.now();
        let grid =
            leptos::prelude::untrack(|| page.grid(part).map(|grid| page.display.apply(grid)));
        if let Some(grid) = grid {
            let threshold = page.display.threshold.now() as f32 / 100.0;
            let marks = page.pointer.now().map(|pointer| pointer.marks_in(part));
            let drawn = drawn_lines(&grid, marks.unwrap_or_default(), threshold);
            let title = format!("{} as lines", part.title());
            let drawing = lines_svg(&title, &grid, drawn);
            save_file(
                &format!("{}-lines.svg", part.name()),
                "image/svg+xml",
                &drawing,
            );
        }
    };
    button("SVG", act).class("quiet")
}

/// Lengths in CSS pixels.
#[derive(Clone, Copy, PartialEq)]
struct Layout {
    width: f64,
    left: f64,
    right: f64,
    line: f64,
    rows: usize,
    columns: usize,
}

impl Layout {
    fn height(&self) -> f64 {
        self.line * self.rows.max(self.columns) as f64 + 4.0
    }

    fn y(&self, index: usize) -> f64 {
        (index as f64 + 0.5) * self.line + 2.0
    }

    fn hit(&self, x: f64, y: f64) -> Option<Marks> {
        let index = (y / self.line).max(0.0) as usize;
        match x < self.width / 2.0 {
            true => (index < self.rows).then_some(Marks {
                row: Some(index),
                column: None,
            }),
            false => (index < self.columns).then_some(Marks {
                row: None,
                column: Some(index),
            }),
        }
    }
}

/// Query, key and weight of every line: all above the threshold, or those of what is marked.
fn drawn_lines(
    grid: &Grid,
    marks: Marks,
    threshold: f32,
) -> impl Iterator<Item = (usize, usize, f32)> {
    let (rows, columns) = (grid.rows.len(), grid.columns.len());
    (0..rows).flat_map(move |row| {
        (0..columns).filter_map(move |column| {
            let wanted = marks.row.is_none_or(|marked| marked == row)
                && marks
                    .column
                    .is_none_or(|marked| marked == column || marks.row.is_some());
            match grid.cell(row, column) {
                Cell::Weight(weight) if wanted && weight >= threshold && weight > 0.0 => {
                    Some((row, column, weight))
                }
                _ => None,
            }
        })
    })
}

/// Lines and labels; those of a `silent` head are dashed.
fn draw(
    canvas: &HtmlCanvasElement,
    grid: &Grid,
    layout: &Layout,
    marks: Marks,
    threshold: f32,
    silent: bool,
) -> Result<(), JsValue> {
    let Some(surface) = Surface::of(canvas, layout.width, layout.height())? else {
        return Ok(());
    };
    let context = &surface.context;
    let (from, to) = (layout.left, layout.width - layout.right);
    let bend = (to - from) * 0.45;
    surface.stroke("--accent", 1.0);
    if silent {
        context.set_line_dash(&js_sys::Array::of2(&2.into(), &4.into()))?;
    }
    for (row, column, weight) in drawn_lines(grid, marks, threshold) {
        context.set_global_alpha(f64::from(0.08 + 0.92 * weight));
        context.set_line_width(f64::from(0.6 + 3.4 * weight));
        context.begin_path();
        let (y1, y2) = (layout.y(row), layout.y(column));
        context.move_to(from, y1);
        context.bezier_curve_to(from + bend, y1, to - bend, y2, to, y2);
        context.stroke();
    }
    context.set_global_alpha(1.0);
    context.set_text_baseline("middle");
    let family = surface.variable("--mono");
    let label = |text: &str, special: bool, marked: bool, x: f64, y: f64| {
        let weight = if marked { "bold " } else { "" };
        context.set_font(&format!("{weight}{}px {family}", LABEL_SIZE as u32));
        surface.fill(match (marked, special) {
            (true, _) => "--accent",
            (false, true) => "--faint",
            (false, false) => "--ink",
        });
        context.fill_text(&shortened(text), x, y)
    };
    context.set_text_align("right");
    for (row, token) in grid.rows.iter().enumerate() {
        let marked = marks.row == Some(row);
        label(
            &token.text,
            token.special,
            marked,
            from - 7.0,
            layout.y(row),
        )?;
    }
    context.set_text_align("left");
    for (column, token) in grid.columns.iter().enumerate() {
        let marked = marks.column == Some(column);
        label(
            &token.text,
            token.special,
            marked,
            to + 7.0,
            layout.y(column),
        )?;
    }
    Ok(())
}
