//! A matrix on a canvas: cells from one small image, hatching through one clip, labels, and marks on top.

use leptos::prelude::document;
use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use super::canvas::Surface;
use crate::state::geometry::{Geometry, LABEL_SIZE, shortened, upright};
use crate::state::grid::{Cell, Grid, Label};
use crate::state::links::Marks;
use crate::state::ramp::{Scheme, colour};

/// Distance of the hatching's lines, in CSS pixels.
const HATCH: f64 = 5.0;
/// Cells at least this large are set apart by lines.
const SPACED_CELL: f64 = 8.0;

/// Draws `grid`, shaded from value to place on the ramp by `shade`, and `marks`, in the colours that the page's style
/// gives the canvas; a `silent` head's is struck out. The canvas is resized to fit, in device pixels.
pub fn paint(
    canvas: &HtmlCanvasElement,
    grid: &Grid,
    geometry: Geometry,
    marks: Marks,
    silent: bool,
    scheme: Scheme,
    shade: fn(f32) -> f32,
) -> Result<(), JsValue> {
    let (rows, columns) = (grid.rows.len(), grid.columns.len());
    let (width, height) = (geometry.width(columns), geometry.height(rows));
    let Some(surface) = Surface::of(canvas, width, height)? else {
        return Ok(());
    };
    let painter = Painter {
        surface,
        grid,
        geometry,
        marks,
    };
    if rows > 0 && columns > 0 {
        painter.cells(scheme, shade)?;
        painter.hatching()?;
        painter.lines()?;
        if silent {
            painter.strike();
        }
    }
    painter.labels()?;
    painter.marks()
}

struct Painter<'a> {
    surface: Surface,
    grid: &'a Grid,
    geometry: Geometry,
    marks: Marks,
}

impl Painter<'_> {
    /// Every cell is one pixel of an image, drawn enlarged: the cost hardly grows with the matrix.
    fn cells(&self, scheme: Scheme, shade: fn(f32) -> f32) -> Result<(), JsValue> {
        let (rows, columns) = (self.grid.rows.len(), self.grid.columns.len());
        let mut pixels = Vec::with_capacity(rows * columns * 4);
        for row in 0..rows {
            for column in 0..columns {
                match self.grid.cell(row, column) {
                    Cell::Forbidden => pixels.extend([0; 4]),
                    Cell::Open => pixels.extend(opaque(colour(scheme, 0.0))),
                    Cell::Weight(weight) => {
                        pixels.extend(opaque(colour(scheme, shade(weight))));
                    }
                }
            }
        }
        let image =
            ImageData::new_with_u8_clamped_array(Clamped(pixels.as_slice()), columns as u32)?;
        let small: HtmlCanvasElement = document().create_element("canvas")?.unchecked_into();
        small.set_width(columns as u32);
        small.set_height(rows as u32);
        let Some(context) = small.get_context("2d")? else {
            return Ok(());
        };
        let context: CanvasRenderingContext2d = context.unchecked_into();
        context.put_image_data(&image, 0.0, 0.0)?;
        self.surface.context.set_image_smoothing_enabled(false);
        let Geometry { left, top, cell } = self.geometry;
        self.surface
            .context
            .draw_image_with_html_canvas_element_and_dw_and_dh(
                &small,
                left,
                top,
                cell * columns as f64,
                cell * rows as f64,
            )
    }

    /// Diagonal lines over all forbidden cells at once, so that they run on from cell to cell.
    fn hatching(&self) -> Result<(), JsValue> {
        if self.grid.forbidden() == 0 {
            return Ok(());
        }
        let (rows, columns) = (self.grid.rows.len(), self.grid.columns.len());
        let Geometry { left, top, cell } = self.geometry;
        self.surface.context.save();
        self.surface.context.begin_path();
        for row in 0..rows {
            let mut start = None;
            for column in 0..=columns {
                let forbidden = column < columns && self.grid.cell(row, column) == Cell::Forbidden;
                match (forbidden, start) {
                    (true, None) => start = Some(column),
                    (false, Some(first)) => {
                        self.surface.context.rect(
                            left + first as f64 * cell,
                            top + row as f64 * cell,
                            (column - first) as f64 * cell,
                            cell,
                        );
                        start = None;
                    }
                    _ => {}
                }
            }
        }
        self.surface.context.clip();
        let (width, height) = (cell * columns as f64, cell * rows as f64);
        self.surface.stroke("--hatch", 1.0);
        self.surface.context.begin_path();
        let mut offset = -height;
        while offset < width {
            self.surface.context.move_to(left + offset, top + height);
            self.surface.context.line_to(left + offset + height, top);
            offset += HATCH;
        }
        self.surface.context.stroke();
        self.surface.context.restore();
        Ok(())
    }

    /// Paper between the cells, and a frame around all.
    fn lines(&self) -> Result<(), JsValue> {
        let (rows, columns) = (self.grid.rows.len(), self.grid.columns.len());
        let Geometry { left, top, cell } = self.geometry;
        let (right, bottom) = (left + cell * columns as f64, top + cell * rows as f64);
        if cell >= SPACED_CELL {
            self.surface.stroke("--paper", 1.0);
            self.surface.context.begin_path();
            for row in 1..rows {
                let y = top + row as f64 * cell;
                self.surface.context.move_to(left, y);
                self.surface.context.line_to(right, y);
            }
            for column in 1..columns {
                let x = left + column as f64 * cell;
                self.surface.context.move_to(x, top);
                self.surface.context.line_to(x, bottom);
            }
            self.surface.context.stroke();
        }
        self.surface.stroke("--rule", 1.0);
        self.surface.context.stroke_rect(
            left - 0.5,
            top - 0.5,
            right - left + 1.0,
            bottom - top + 1.0,
        );
        Ok(())
    }

    /// A cross over all cells: nobody is told what this head gathers.
    fn strike(&self) {
        let (rows, columns) = (self.grid.rows.len(), self.grid.columns.len());
        let Geometry { left, top, cell } = self.geometry;
        let (right, bottom) = (left + cell * columns as f64, top + cell * rows as f64);
        // Paper under ink, so that it stands out from pale and dark cells alike.
        for (colour, width) in [("--paper", 5.0), ("--ink", 1.5)] {
            self.surface.stroke(colour, width);
            self.surface.context.begin_path();
            self.surface.context.move_to(left, top);
            self.surface.context.line_to(right, bottom);
            self.surface.context.move_to(left, bottom);
            self.surface.context.line_to(right, top);
            self.surface.context.stroke();
        }
    }

    /// Every label where there is room, the marked ones in any case.
    fn labels(&self) -> Result<(), JsValue> {
        let Geometry { left, top, cell } = self.geometry;
        self.surface.context.set_text_baseline("middle");
        for (row, label) in self.grid.rows.iter().enumerate() {
            let y = top + (row as f64 + 0.5) * cell;
            if self.label_style(label, self.marks.row == Some(row)) {
                self.surface.context.set_text_align("right");
                self.surface
                    .context
                    .fill_text(&shortened(&label.text), left - 6.0, y)?;
            }
        }
        for (column, label) in self.grid.columns.iter().enumerate() {
            let x = left + (column as f64 + 0.5) * cell;
            if self.label_style(label, self.marks.column == Some(column)) {
                if upright(&label.text) {
                    self.surface.context.set_text_align("center");
                    let y = top - 6.0 - LABEL_SIZE / 2.0;
                    self.surface.context.fill_text(&label.text, x, y)?;
                    continue;
                }
                self.surface.context.save();
                self.surface.context.translate(x, top - 6.0)?;
                self.surface.context.rotate(-std::f64::consts::FRAC_PI_2)?;
                self.surface.context.set_text_align("left");
                self.surface
                    .context
                    .fill_text(&shortened(&label.text), 0.0, 0.0)?;
                self.surface.context.restore();
            }
        }
        Ok(())
    }

    /// Sets type and ink for a label; false where it has no room.
    fn label_style(&self, label: &Label, marked: bool) -> bool {
        let weight = if marked { "bold " } else { "" };
        let family = self.surface.variable("--mono");
        self.surface
            .context
            .set_font(&format!("{weight}{}px {family}", LABEL_SIZE as u32));
        let ink = match (marked, label.special) {
            (true, _) => "--accent",
            (false, true) => "--faint",
            (false, false) => "--ink",
        };
        self.surface.fill(ink);
        marked || self.geometry.labelled()
    }

    /// The marked row and column in outline, the marked cell in a bolder one.
    fn marks(&self) -> Result<(), JsValue> {
        let (rows, columns) = (self.grid.rows.len(), self.grid.columns.len());
        let Geometry { left, top, cell } = self.geometry;
        let row = self.marks.row.filter(|&row| row < rows);
        let column = self.marks.column.filter(|&column| column < columns);
        let outline = |x: f64, y: f64, width: f64, height: f64| {
            self.surface
                .context
                .stroke_rect(x - 0.5, y - 0.5, width + 1.0, height + 1.0);
        };
        self.surface.stroke("--ink", 1.5);
        if let Some(row) = row {
            let y = top + row as f64 * cell;
            outline(left, y, cell * columns as f64, cell);
        }
        if let Some(column) = column {
            let x = left + column as f64 * cell;
            outline(x, top, cell, cell * rows as f64);
        }
        if let (Some(row), Some(column)) = (row, column) {
            self.surface.stroke("--ink", 3.0);
            outline(
                left + column as f64 * cell,
                top + row as f64 * cell,
                cell,
                cell,
            );
        }
        Ok(())
    }
}

fn opaque([red, green, blue]: [u8; 3]) -> [u8; 4] {
    [red, green, blue, 255]
}
