//! The page from top to bottom; title and introduction stand in `index.html`, to be read before any of this runs.

use leptos::prelude::{document, window};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlElement, MediaQueryList};

use super::ablation::off_note;
use super::attention_panel::attention_panel;
use super::bart_panel::bart_panel;
use super::bert_panel::bert_panel;
use super::contexts::contexts;
use super::differences::differences;
use super::heads::heads;
use super::library::library;
use super::mask_panel::mask_panel;
use super::noise_lab::noise_lab;
use super::pretraining::pretraining;
use super::quantizations::quantizations;
use super::sentence_field::sentence_field;
use super::tour::tour;
use crate::address;
use crate::dom::{El, el};
use crate::page::Page;
use crate::state::ramp::Scheme;
use crate::var::Var;

/// The element that the page fills: `#app`, or the body in a document without it.
pub fn root() -> HtmlElement {
    let document = document();
    document
        .get_element_by_id("app")
        .and_then(|element| element.dyn_into().ok())
        .or_else(|| document.body())
        .expect("a document that runs this has a body")
}

/// Fills `root` with the live part of the page.
pub fn app(root: &HtmlElement) {
    let page = Page::new();
    follow_scheme(page.scheme);
    notice_touch(root, page.touched);
    address::follow(page);
    page.open(!saves_data());
    let answers = el("section")
        .class("answers")
        .attr("aria-labelledby", "answers-title")
        .child(heading("h2", "answers-title", "What each makes of it"))
        .child(off_note(page))
        .child(
            el("div")
                .class("pair")
                .children([bert_panel(page), bart_panel(page)]),
        );
    let root = El::from_node(root.clone().into());
    let [door, dialog] = tour(page, &root);
    for section in [
        door,
        sentence_field(page),
        answers,
        differences(),
        mask_panel(page),
        attention_panel(page),
        noise_lab(page),
        pretraining(page),
        heads(page),
        contexts(page),
        quantizations(page),
        library(page),
        dialog,
    ] {
        root.append(section);
    }
}

/// Sets `touched` once the reader has pressed anything within `root`.
fn notice_touch(root: &HtmlElement, touched: Var<bool>) {
    let notice = Closure::<dyn FnMut()>::new(move || touched.put(true));
    for event in ["pointerdown", "keydown", "input"] {
        // Adding a listener to an element cannot fail.
        let _ = root.add_event_listener_with_callback(event, notice.as_ref().unchecked_ref());
    }
    // The page listens as long as it lives.
    notice.forget();
}

/// A heading that names what it stands above.
pub fn heading(tag: &str, id: &str, text: &str) -> El {
    el(tag).attr("id", id).text(text)
}

/// Whether the browser was told to save data; such a reader is asked before models are fetched.
fn saves_data() -> bool {
    let connection = js_sys::Reflect::get(&window().navigator(), &"connection".into());
    connection
        .and_then(|connection| js_sys::Reflect::get(&connection, &"saveData".into()))
        .is_ok_and(|saves| saves.is_truthy())
}

/// Keeps `scheme` at what the reader's system asks for; paper is light.
fn follow_scheme(scheme: Var<Scheme>) {
    let Ok(Some(query)) = window().match_media("screen and (prefers-color-scheme: dark)") else {
        return;
    };
    let read = |query: &MediaQueryList| match query.matches() {
        true => Scheme::Dark,
        false => Scheme::Light,
    };
    scheme.set(read(&query));
    let listened = query.clone();
    let on_change = Closure::<dyn FnMut()>::new(move || scheme.set(read(&listened)));
    query.set_onchange(Some(on_change.as_ref().unchecked_ref()));
    // The page listens as long as it lives.
    on_change.forget();
}
