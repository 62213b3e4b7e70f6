//! The page from top to bottom; title and introduction stand in `index.html`, to be read before any of this runs.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlElement, MediaQueryList};

use super::bart_panel::BartPanel;
use super::bert_panel::BertPanel;
use super::heads::Heads;
use super::mask_panel::MaskPanel;
use super::sentence_field::SentenceField;
use crate::page::Page;
use crate::state::ramp::Scheme;

/// The element that the page fills: `#app`, or the body in a document without it.
pub fn root() -> HtmlElement {
    let document = document();
    document
        .get_element_by_id("app")
        .and_then(|element| element.dyn_into().ok())
        .or_else(|| document.body())
        .expect("a document that runs this has a body")
}

/// The live part of the page.
#[component]
pub fn App() -> impl IntoView {
    let page = Page::new();
    provide_context(page);
    follow_scheme(page.scheme);
    page.open(!saves_data());
    view! {
        <SentenceField />
        <section class="answers" aria-labelledby="answers-title">
            <h2 id="answers-title">"What each makes of it"</h2>
            <div class="pair">
                <BertPanel />
                <BartPanel />
            </div>
        </section>
        <MaskPanel />
        <Heads />
    }
}

/// Whether the browser was told to save data; such a reader is asked before models are fetched.
fn saves_data() -> bool {
    let connection = js_sys::Reflect::get(&window().navigator(), &"connection".into());
    connection
        .and_then(|connection| js_sys::Reflect::get(&connection, &"saveData".into()))
        .is_ok_and(|saves| saves.is_truthy())
}

/// Keeps `scheme` at what the reader's system asks for.
fn follow_scheme(scheme: RwSignal<Scheme>) {
    let Ok(Some(query)) = window().match_media("(prefers-color-scheme: dark)") else {
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
