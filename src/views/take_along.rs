//! What a reader takes along: a link to the view, a matrix or another picture as a file, and what a panel found as data.

use std::rc::Rc;

use wasm_bindgen::prelude::*;
use web_sys::HtmlCanvasElement;

use crate::address;
use crate::dom::{El, button, el};
use crate::latest::spawn;
use crate::page::Page;
use crate::state::export::{Source, csv, json, svg};
use crate::state::grid::Grid;
use crate::state::links::Place;
use crate::state::table::Table;
use crate::var::Var;

#[wasm_bindgen(module = "/src/share.js")]
extern "C" {
    async fn copy(text: &str) -> JsValue;

    fn save(name: &str, kind: &str, content: &str);

    #[wasm_bindgen(js_name = savePicture)]
    fn save_picture(name: &str, canvas: &HtmlCanvasElement);
}

/// Hands a text to the reader as a file.
pub fn save_file(name: &str, kind: &str, content: &str) {
    save(name, kind, content);
}

/// The button that copies a link to the view, and a line that says what came of it.
pub fn link(page: Page) -> [El; 2] {
    let status = Var::new(String::new());
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
                words.push_str(" It has no room for every text; the longest are not in it.");
            }
            status.set(words);
        });
    };
    let said = el("p")
        .class("note")
        .attr("role", "status")
        .live_text(move || status.get());
    [button("Copy a link to this view", copy_link), said]
}

/// Buttons that save a picture; `canvas` finds it, `name` names the file, without an ending.
pub fn picture(
    name: impl Fn() -> String + 'static,
    canvas: impl Fn() -> Option<HtmlCanvasElement> + 'static,
) -> El {
    let save = move || {
        if let Some(canvas) = canvas() {
            save_picture(&format!("{}.png", name()), &canvas);
        }
    };
    button("PNG", save).class("quiet")
}

/// Buttons that save one attention's shown head, token by token, however it is shown; `canvas` finds its picture.
pub fn take_head(
    page: Page,
    place: impl Fn() -> Place + Copy + 'static,
    canvas: impl Fn() -> Option<HtmlCanvasElement> + 'static,
) -> El {
    let source = move || {
        let place = place();
        let lens = page.lens(place);
        Source {
            place,
            layer: lens.layer.now(),
            head: lens.head.now(),
        }
    };
    let saves =
        move |words: &str, ending: &'static str, kind, make: fn(Source, &Grid) -> String| {
            let act = move || {
                let source = source();
                if let Some(grid) = page.grid(source.place) {
                    let name = format!("{}.{ending}", source.file_name());
                    save(&name, kind, &make(source, &grid));
                }
            };
            button(words, act).class("quiet")
        };
    let drawing = |source: Source, grid: &Grid| {
        let title = format!("{}, {}", source.place.title(), source.file_name());
        svg(&title, grid)
    };
    row("this head").children([
        picture(move || source().file_name(), canvas),
        saves("SVG", "svg", "image/svg+xml", drawing),
        saves("JSON", "json", "application/json", json),
        saves("CSV", "csv", "text/csv", |_, grid| csv(grid)),
    ])
}

/// Buttons that save what a panel found; shown while there is anything. `name` is the file's, without an ending.
pub fn take_table(
    what: &str,
    name: &'static str,
    table: impl Fn() -> Option<Table> + 'static,
) -> El {
    take_boxed(what, name, Rc::new(table))
}

fn take_boxed(what: &str, name: &'static str, table: Rc<dyn Fn() -> Option<Table>>) -> El {
    let found = table.clone();
    let saves = move |words: &str, ending: &'static str, kind, make: fn(&Table) -> String| {
        let table = table.clone();
        let act = move || {
            if let Some(table) = table() {
                save(&format!("{name}.{ending}"), kind, &make(&table));
            }
        };
        button(words, act).class("quiet")
    };
    row(what)
        .shown(move || found().is_some_and(|table| !table.is_empty()))
        .children([
            saves("JSON", "json", "application/json", Table::json),
            saves("CSV", "csv", "text/csv", Table::csv),
        ])
}

/// A line for buttons that save `what`.
pub fn row(what: &str) -> El {
    el("div")
        .class("take-along")
        .attr("role", "group")
        .attr("aria-label", &format!("Save {what}"))
        .child(el("span").class("note").text(&format!("Save {what}:")))
}
