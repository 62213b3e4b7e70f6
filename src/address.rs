//! The page's view in its address: taken from a link, kept up to date while the reader works, so that any view can be
//! linked. It stands in the fragment, which browsers send to nobody.

use std::time::Duration;

use js_sys::{Array, JsString};
use leptos::prelude::{TimeoutHandle, set_timeout_with_handle, window};
use wasm_bindgen::prelude::*;

use crate::page::{Lens, Page};
use crate::state::fields::{Choice, FIELDS, HERE, SCHOOLED, THERE};
use crate::state::sentence::Sentence;
use crate::state::view::View;
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
    let on_change = Closure::<dyn FnMut()>::new(move || {
        page.touring.put(false);
        restore(page);
    });
    window().set_onhashchange(Some(on_change.as_ref().unchecked_ref()));
    // The page listens as long as it lives.
    on_change.forget();

    let now = Derived::new(move || view(page));
    let opened = now.now();
    let waiting = Var::new(None::<TimeoutHandle>);
    effect(move || {
        // Before the reader has done anything, the address stays as it is: the page's own choices aren't news.
        if let Some(earlier) = waiting.now() {
            earlier.clear();
        }
        // The tour's steps are no views of the reader's.
        if page.touring.get() {
            return;
        }
        if !page.touched.get() || now.with(|now| *now == opened) && read_address().length() == 0 {
            return;
        }
        let write = move || {
            link(page);
        };
        waiting.set(set_timeout_with_handle(write, REST).ok());
    });
}

/// Puts the view into the address at once; the address, and whether there was room for every text in it.
pub fn link(page: Page) -> (String, bool) {
    let mut view = view(page);
    let whole = view.fit();
    let words = Array::new();
    for (name, value) in view.pairs() {
        words.push(&name.into());
        words.push(&value.into());
    }
    (write_address(&words), whole)
}

/// What the page shows (tracked), as far as it isn't how the page opens.
pub fn view(page: Page) -> View {
    let opening = Page::opening();
    let differs = page.sentence.with(|sentence| *sentence != opening);
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
        off: page.off.get(),
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
        rows: page.rows.get(),
        step: page.step.get(),
        held: page.pointer.get().filter(|pointer| pointer.locked),
        painting: page.painting.get(),
        texts: page.texts(),
        noise: page.noise.get(),
        compared: {
            let choices = page.compared.get();
            let texts = [page.fields[HERE].get(), page.fields[THERE].get()];
            std::array::from_fn(|at| choices[at].as_ref()?.of(&texts[at]))
        },
        layer: page.layer.get(),
        schooled: page
            .schooled
            .with(|choice| choice.as_ref()?.of(&page.fields[SCHOOLED].get())),
        drawn: Some(page.drawn.get()).filter(|&draw| draw != View::DRAWN),
        occluded: page.occluded.get(),
        open: page.open.get(),
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
    show(page, view);
}

/// Makes the page show a view.
pub fn show(page: Page, view: View) {
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
    page.off.put(view.off);
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
    page.linked.put(view.rows.is_some());
    page.rows.put(view.rows);
    page.step.put(view.step);
    page.pointer.put(view.held);
    page.painting.put(view.painting);
    for (at, text) in view.texts.into_iter().enumerate() {
        let text = text.unwrap_or_else(|| FIELDS[at].opening.to_owned());
        page.fields[at].put(text);
    }
    page.noise.put(view.noise);
    let choice = |field: usize, word: Option<usize>| {
        page.fields[field].peek(|text| Some(Choice::new(text, word?)))
    };
    let [left, right] = view.compared;
    page.compared
        .put([choice(HERE, left), choice(THERE, right)]);
    page.layer.put(view.layer);
    page.schooled.put(choice(SCHOOLED, view.schooled));
    page.drawn.put(view.drawn.unwrap_or(View::DRAWN));
    page.occluded.put(view.occluded);
    page.open.put(view.open);
    page.wanted.put(view.model);
    page.reader.put(view.reader);
    page.choose_reader();
    page.choose_writer();
}
