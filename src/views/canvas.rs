//! A canvas made ready to be drawn on: cleared, in device pixels, with the page's colours and types at hand.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::{request_animation_frame, set_timeout, untrack, window};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, CssStyleDeclaration, HtmlCanvasElement};

use crate::var::effect;

/// Draws what a reader need not see in the very frame in which it changes: `draw` is called, untracked, once a frame has
/// been shown since something changed that `reads` reads, however often it did. So the matrix that is typed at is shown
/// first, and the others follow.
pub fn draw_behind(reads: impl Fn() + 'static, draw: impl Fn() + 'static) {
    draw_behind_boxed(Box::new(reads), Rc::new(draw));
}

fn draw_behind_boxed(reads: Box<dyn Fn()>, draw: Rc<dyn Fn()>) {
    let waiting = Rc::new(Cell::new(false));
    effect(move || {
        reads();
        if waiting.replace(true) {
            return;
        }
        let (waiting, draw) = (waiting.clone(), draw.clone());
        request_animation_frame(move || {
            // This frame is still being made; a task of its own comes behind it.
            set_timeout(
                move || {
                    waiting.set(false);
                    untrack(|| draw());
                },
                Duration::ZERO,
            );
        });
    });
}

/// Where to draw, in CSS pixels.
pub struct Surface {
    /// Its context, scaled.
    pub context: CanvasRenderingContext2d,
    style: CssStyleDeclaration,
}

impl Surface {
    /// `canvas` in a new size, in CSS pixels; none where the browser has nothing to draw with.
    pub fn of(
        canvas: &HtmlCanvasElement,
        width: f64,
        height: f64,
    ) -> Result<Option<Self>, JsValue> {
        let ratio = window().device_pixel_ratio();
        canvas.set_width((width * ratio).ceil() as u32);
        canvas.set_height((height * ratio).ceil() as u32);
        let (Some(context), Some(style)) = (
            canvas.get_context("2d")?,
            window().get_computed_style(canvas)?,
        ) else {
            return Ok(None);
        };
        let context: CanvasRenderingContext2d = context.unchecked_into();
        context.scale(ratio, ratio)?;
        Ok(Some(Self { context, style }))
    }

    /// A custom property of the page's style; the context ignores what is empty.
    pub fn variable(&self, name: &str) -> String {
        self.style.get_property_value(name).unwrap_or_default()
    }

    /// Sets what lines are drawn with: a colour by its custom property, and a width.
    pub fn stroke(&self, variable: &str, width: f64) {
        self.context.set_stroke_style_str(&self.variable(variable));
        self.context.set_line_width(width);
    }

    /// Sets what areas and letters are filled with, by its custom property.
    pub fn fill(&self, variable: &str) {
        self.context.set_fill_style_str(&self.variable(variable));
    }
}
