//! All layers by all heads, each a thumbnail, on one canvas.

use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{
    CanvasRenderingContext2d, Event, HtmlCanvasElement, ImageData, KeyboardEvent, MouseEvent,
};

use leptos::prelude::window;

use super::canvas::{Surface, draw_behind};
use super::measure::width_of;
use super::take_along::{picture as take_picture, row};
use crate::dom::{El, el};
use crate::page::Page;
use crate::state::attention::{Attention, Head};
use crate::state::habits::habits;
use crate::state::links::Marks;
use crate::state::ramp::{Scheme, colour, position};
use crate::state::thumbnails::{Thumbnails, pixels};
use crate::var::Derived;

/// The grid of thumbnails, with a line that says what the chosen head does.
pub fn overview(page: Page) -> El {
    let figure = el("figure").class("overview");
    let width = width_of(&figure);
    let shape = Derived::new(move || {
        page.shown_attention(page.part.get(), |attention| {
            (attention.layers(), attention.heads())
        })
        .unwrap_or((0, 0))
    });
    let layout = Derived::new(move || Thumbnails::fit(width.get(), shape.get().0, shape.get().1));
    let chosen = move || {
        let (layers, heads) = shape.get();
        let (layer, head) = page.shown_lens(page.part.get());
        let head = match head {
            Head::Mean => None,
            Head::One(head) => Some(head.min(heads.saturating_sub(1))),
        };
        (layer.min(layers.saturating_sub(1)), head)
    };
    let choose = move |layer: usize, head: usize| {
        page.lens(page.part.now()).choose(layer, Head::One(head));
    };
    let canvas = el("canvas")
        .attr("tabindex", "0")
        .attr("role", "application")
        .attr("aria-roledescription", "grid of heads")
        .attr("aria-describedby", "overview-reading")
        .live_attr("aria-label", move || {
            let (layers, heads) = shape.get();
            Some(format!(
                "{layers} layers of {heads} heads. Arrow keys choose a head."
            ))
        })
        .live_style("width", move || {
            format!("{}px", layout.get().width() as u32)
        })
        .live_style("height", move || {
            format!("{}px", layout.get().height() as u32)
        })
        .on("click", move |event| {
            let event: &MouseEvent = event.unchecked_ref();
            let (x, y) = (f64::from(event.offset_x()), f64::from(event.offset_y()));
            if let Some((layer, head)) = layout.now().hit(x, y) {
                choose(layer, head);
            }
        })
        .on("keydown", move |event: Event| {
            let key = event.unchecked_ref::<KeyboardEvent>().key();
            let (layers, heads) = shape.now();
            let lens = page.lens(page.part.now());
            let from = Marks {
                row: Some(lens.layer.now()),
                column: match lens.head.now() {
                    Head::Mean => None,
                    Head::One(head) => Some(head),
                },
            };
            if let Some(Marks {
                row: Some(layer),
                column: Some(head),
            }) = Marks::walk(Some(from), &key, layers, heads)
            {
                event.prevent_default();
                choose(layer, head);
            }
        });
    // Those of the heads that are off which the model has.
    let off = Derived::new(move || {
        let (part, (layers, heads)) = (page.part.get(), shape.get());
        page.off.with(|off| {
            let here = off
                .iter()
                .filter(|&&(of, layer, head)| of == part && layer < layers && head < heads);
            here.map(|&(_, layer, head)| (layer, head))
                .collect::<Vec<_>>()
        })
    });
    // The thumbnails are drawn when weights come; choosing one only copies the picture.
    let drawn: HtmlCanvasElement = canvas.node();
    let saved = drawn.clone();
    let picture = Derived::new(move || {
        let (layout, scheme) = (layout.get(), page.scheme.get());
        let part = page.part.get();
        let extent = page.extent(part);
        page.shown_attention(part, |attention| draw(attention, extent, &layout, scheme))
            .flatten()
    });
    let reads = move || {
        let part = page.part.get();
        page.shown_attention(part, |_| ());
        page.extent(part);
        page.scheme.get();
        layout.with(|_| ());
        off.with(|_| ());
        chosen();
    };
    draw_behind(reads, move || {
        let (layer, head) = chosen();
        picture.with(|picture| {
            let (layout, off) = (layout.get(), off.get());
            // A canvas that cannot be drawn on leaves the words below it.
            let _ = show(&drawn, picture.as_ref(), &layout, layer, head, &off);
        });
    });
    let reading = move || {
        let (layer, head) = chosen();
        match head {
            None => format!("Layer {}, the mean over its heads.", layer + 1),
            Some(head) => {
                let habit = page.shown_attention(page.part.get(), |attention| {
                    let plane = layer * attention.heads() + head;
                    (plane < attention.planes()).then(|| habits(attention, plane))
                });
                let habit = habit.flatten().unwrap_or_default();
                let state = match off.with(|off| off.contains(&(layer, head))) {
                    true => " It is turned off.",
                    false => "",
                };
                format!("Layer {}, head {}.{state} {habit}", layer + 1, head + 1)
            }
        }
    };
    figure
        .live_attr("data-off", move || Some(off.with(Vec::len).to_string()))
        .live_attr("data-layer", move || Some((chosen().0 + 1).to_string()))
        .live_attr("data-head", move || {
            Some(
                chosen()
                    .1
                    .map_or("mean".into(), |head| (head + 1).to_string()),
            )
        })
        .children([
            el("figcaption").live_text(move || {
                format!(
                    "{}: layers downwards, heads across",
                    page.part.get().title()
                )
            }),
            canvas,
            el("p")
                .class("reading")
                .attr("id", "overview-reading")
                .attr("aria-live", "polite")
                .live_text(reading),
            row("all heads").child(take_picture(
                move || format!("{}-all-heads", page.part.now().name()),
                move || Some(saved.clone()),
            )),
        ])
}

/// All thumbnails as one picture in device pixels.
fn draw(
    attention: &Attention,
    extent: (usize, usize),
    layout: &Thumbnails,
    scheme: Scheme,
) -> Option<HtmlCanvasElement> {
    let ratio = window().device_pixel_ratio();
    let palette: Vec<[u8; 3]> = (0..=255)
        .map(|step| colour(scheme, position((step as f32 / 255.0).powi(2))))
        .collect();
    let hatch = match scheme {
        Scheme::Light => [169, 159, 146],
        Scheme::Dark => [109, 98, 87],
    };
    let (width, height, pixels) = pixels(attention, extent, layout, ratio, &palette, hatch);
    if width == 0 || height == 0 {
        return None;
    }
    let canvas: HtmlCanvasElement = el("canvas").node();
    canvas.set_width(width as u32);
    canvas.set_height(height as u32);
    let image =
        ImageData::new_with_u8_clamped_array(Clamped(pixels.as_slice()), width as u32).ok()?;
    let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.unchecked_into();
    context.put_image_data(&image, 0.0, 0.0).ok()?;
    Some(canvas)
}

/// Copies the picture, writes layers and heads beside it, and frames the chosen one.
fn show(
    canvas: &HtmlCanvasElement,
    picture: Option<&HtmlCanvasElement>,
    layout: &Thumbnails,
    layer: usize,
    head: Option<usize>,
    off: &[(usize, usize)],
) -> Result<(), JsValue> {
    let Some(surface) = Surface::of(canvas, layout.width(), layout.height())? else {
        return Ok(());
    };
    let context = &surface.context;
    if let Some(picture) = picture {
        // In device pixels, as it was made.
        context.save();
        context.reset_transform()?;
        context.draw_image_with_html_canvas_element(picture, 0.0, 0.0)?;
        context.restore();
    }
    context.set_font(&format!("11px {}", surface.variable("--sans")));
    context.set_text_baseline("middle");
    context.set_text_align("center");
    for index in 0..layout.layers.max(layout.heads) {
        let text = (index + 1).to_string();
        let ink = |chosen: bool| if chosen { "--accent" } else { "--soft" };
        if index < layout.layers {
            let (_, y) = layout.corner(index, 0);
            surface.fill(ink(index == layer));
            context.fill_text(&text, Thumbnails::MARGIN / 2.0, y + layout.side / 2.0)?;
        }
        if index < layout.heads {
            let (x, _) = layout.corner(0, index);
            surface.fill(ink(head.is_none_or(|head| head == index)));
            context.fill_text(&text, x + layout.side / 2.0, Thumbnails::MARGIN / 2.0)?;
        }
    }
    // A cross over each head that is off, ink on paper.
    for (colour, width) in [("--paper", 4.0), ("--ink", 1.5)] {
        surface.stroke(colour, width);
        context.begin_path();
        for &(layer, head) in off {
            let ((left, top), side) = (layout.corner(layer, head), layout.side);
            context.move_to(left, top);
            context.line_to(left + side, top + side);
            context.move_to(left, top + side);
            context.line_to(left + side, top);
        }
        context.stroke();
    }
    surface.stroke("--accent", 2.0);
    let frames = match head {
        Some(head) => head..head + 1,
        None => 0..layout.heads,
    };
    for head in frames {
        let (x, y) = layout.corner(layer, head);
        context.stroke_rect(x - 2.0, y - 2.0, layout.side + 4.0, layout.side + 4.0);
    }
    Ok(())
}
