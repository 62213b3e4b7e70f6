//! What a reader takes along: a link to the view, and the shown head as a picture or as data.

use wasm_bindgen::prelude::*;
use web_sys::HtmlCanvasElement;

use crate::address;
use crate::dom::{El, button, el};
use crate::latest::spawn;
use crate::page::Page;
use crate::state::export::{Source, csv, json, svg};
use crate::state::grid::Grid;
use crate::var::Var;

#[wasm_bindgen(module = "/src/share.js")]
extern "C" {
    async fn copy(text: &str) -> JsValue;

    fn save(name: &str, kind: &str, content: &str);

    #[wasm_bindgen(js_name = savePicture)]
    fn save_picture(name: &str, canvas: &HtmlCanvasElement);
}

/// Buttons for the head that is shown, and a line that says what came of them. `canvas` finds its picture.
pub fn take_along(page: Page, canvas: impl Fn() -> Option<HtmlCanvasElement> + 'static) -> El {
    let status = Var::new(String::new());
    let source = move || {
        let part = page.part.now();
        let lens = page.lens(part);
        Source {
            place: part,
            layer: lens.layer.now(),
            head: lens.head.now(),
        }
    };
    // What is saved is what was computed, token by token, however it is shown.
    let with_grid = move |ending: &str, act: &dyn Fn(&str, Source, &Grid)| {
        let source = source();
        if let Some(grid) = page.grid(source.place) {
            let name = format!("{}.{ending}", source.file_name());
            act(&name, source, &grid);
            status.set(format!("Saved as {name}."));
        }
    };
    let copy_link = move || {
        let (link, whole) = address::link(page);
        spawn(async move {
            let copied = copy(&link).await.is_truthy();
            let mut words = match copied {
                true => "The link is copied, and stands in the address bar.".to_owned(),
                false => {
                    "Copying isn’t allowed here; the link stands in the address bar.".to_owned()
                }
            };
            if !whole {
                words.push_str(" The text is too long for a link and isn’t in it.");
            }
            status.set(words);
        });
    };
    let picture = move || {
        if let Some(canvas) = canvas() {
            with_grid("png", &|name, _, _| save_picture(name, &canvas));
        }
    };
    let drawing = move || {
        with_grid("svg", &|name, source, grid| {
            let title = format!("{}, {}", source.place.title(), source.file_name());
            save(name, "image/svg+xml", &svg(&title, grid));
        });
    };
    let data = move || {
        with_grid("json", &|name, source, grid| {
            save(name, "application/json", &json(source, grid));
        });
    };
    let table = move || with_grid("csv", &|name, _, grid| save(name, "text/csv", &csv(grid)));
    el("div")
        .class("take-along")
        .attr("role", "group")
        .attr("aria-label", "Take it along")
        .children([
            button("Copy a link to this view", copy_link),
            button("Picture, PNG", picture).class("quiet"),
            button("Picture, SVG", drawing).class("quiet"),
            button("Data, JSON", data).class("quiet"),
            button("Data, CSV", table).class("quiet"),
            el("p")
                .class("note")
                .attr("role", "status")
                .live_text(move || status.get()),
        ])
}
