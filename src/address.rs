//! The page's view in its address: taken from a link, kept up to date while the reader works, so that any view can be
//! linked. It stands in the fragment, which browsers send to nobody.

use std::time::Duration;

use js_sys::{Array, JsString};
use leptos::prelude::{TimeoutHandle, set_timeout_with_handle, window};
use wasm_bindgen::prelude::*;

use crate::page::{Lens, Page};
use crate::state::sentence::Sentence;
use crate::state::view::{LONGEST_TEXT, View};
use crate::var::{Derived, Var, effect};

/// How long the view has to rest before the address follows it.
const REST: Duration = Duration::from_millis(400);

#[wasm_bindgen(module = "/src/share.js")]
extern "C" {
    #[wasm_bindgen(js_name = readAddress)]
    fn read_address() -> Array;

    #[wasm_bindgen(js_name = writeAddress)]
    fn write_address(words: &Array) -> String;
}

/// Shows what the address asks for, now and whenever another one is chosen, and lets the address follow the reader.
pub fn follow(page: Page) {
    restore(page);
    let on_change = Closure::<dyn FnMut()>::new(move || restore(page));
    window().set_onhashchange(Some(on_change.as_ref().unchecked_ref()));
    // The page listens as long as it lives.
    on_change.forget();

    let now = Derived::new(move || view(page));
    let opened = now.now();
    let waiting = Var::new(None::<TimeoutHandle>);
    effect(move || {
        // Before the reader has done anything, the address stays as it is: the page's own choices aren't news.
        if !page.touched.get() || now.with(|now| *now == opened) && read_address().length() == 0 {
            return;
        }
        if let Some(earlier) = waiting.now() {
            earlier.clear();
        }
        let write = move || {
            link(page);
        };
        waiting.set(set_timeout_with_handle(write, REST).ok());
    });
}

/// Puts the view into the address at once; the address, and whether the text was short enough to be in it.
pub fn link(page: Page) -> (String, bool) {
    let words = Array::new();
    for (name, value) in view(page).pairs() {
        words.push(&name.into());
        words.push(&value.into());
    }
    (write_address(&words), text_fits(page))
}

fn text_fits(page: Page) -> bool {
    page.sentence
        .with(|sentence| sentence.text().encode_utf16().count() <= LONGEST_TEXT)
}

/// What the page shows (tracked), as far as it isn't how the page opens.
fn view(page: Page) -> View {
    let opening = Page::opening();
    let differs = page.sentence.with(|sentence| *sentence != opening) && text_fits(page);
    let lens = |lens: Lens| {
        lens.chosen
            .get()
            .then(|| (lens.layer.get(), lens.head.get()))
    };
    let unlike = |value: usize, usual: usize| (value != usual).then_some(value);
    View {
        text: differs.then(|| page.sentence.with(|sentence| sentence.text().to_owned())),
        originals: match differs {
            true => page.sentence.with(|sentence| sentence.originals().to_vec()),
            false => Vec::new(),
        },
        sight: page.sight.get(),
        bert: lens(page.bert_lens),
        bart: lens(page.bart_lens),
        part: Some(page.part.get()).filter(|part| *part != Page::PART),
        whole_words: page.display.whole_words.get(),
        written_only: page.display.written_only.get(),
        padding: page.display.padding.get(),
        threshold: unlike(page.display.threshold.get(), Page::THRESHOLD),
        model: page.wanted.get(),
        reader: page.reader.get(),
        task: page.task.get(),
        beams: unlike(page.beams.get(), Page::BEAMS),
        decoding: page.decoding.get(),
        word: page.spoken.get(),
    }
}

/// Shows what the address asks for; what it doesn't mention is as the page opens.
fn restore(page: Page) {
    let words: Vec<String> = read_address()
        .iter()
        .map(|word| word.unchecked_into::<JsString>().into())
        .collect();
    if words.is_empty() {
        return;
    }
    let pairs = words.chunks_exact(2);
    let (view, unknown) = View::read(pairs.map(|pair| (pair[0].as_str(), pair[1].as_str())));
    page.misread.put(unknown);
    let sentence = match view.text {
        Some(text) => Sentence::restored(text, view.originals),
        None => Page::opening(),
    };
    page.sentence.put(sentence);
    page.sight.put(view.sight);
    for (lens, wanted) in [(page.bert_lens, view.bert), (page.bart_lens, view.bart)] {
        match wanted {
            Some((layer, head)) => lens.choose(layer, head),
            None => lens.chosen.put(false),
        }
    }
    page.part.put(view.part.unwrap_or(Page::PART));
    page.display.whole_words.put(view.whole_words);
    page.display.written_only.put(view.written_only);
    page.display.padding.put(view.padding);
    page.display
        .threshold
        .put(view.threshold.unwrap_or(Page::THRESHOLD));
    page.task.put(view.task);
    let beams = view.beams.filter(|beams| Page::ALL_BEAMS.contains(beams));
    page.beams.put(beams.unwrap_or(Page::BEAMS));
    page.decoding.put(view.decoding);
    page.spoken.put(view.word);
    page.wanted.put(view.model);
    page.reader.put(view.reader);
    page.choose_reader();
    page.choose_writer();
}
