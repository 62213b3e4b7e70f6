//! The binding to the loading half of `unmask.js`: checkpoints described, brought in and kept.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use crate::engine::{Outcome, failure, understood};
use crate::js::{Misread, Reader, Writer};
use crate::state::library::{Choice, Description, Kept, Partial, Shelf};

#[wasm_bindgen(module = "/src/engine.js")]
extern "C" {
    #[wasm_bindgen(js_name = describe, catch)]
    async fn js_describe(source: &JsValue, options: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = bring, catch)]
    async fn js_bring(
        source: &JsValue,
        options: &JsValue,
        on_progress: &Closure<dyn FnMut(JsValue)>,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = discard, catch)]
    async fn js_discard(source: &JsValue, quantization: &str) -> Result<JsValue, JsValue>;

    /// Whether the reader has ever brought a model.
    #[wasm_bindgen(js_name = hasBrought)]
    pub fn has_brought() -> bool;

    #[wasm_bindgen(js_name = whenSeen)]
    fn js_when_seen(element: &web_sys::Element, act: &JsValue);

    #[wasm_bindgen(js_name = kept, catch)]
    async fn js_kept() -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = remove, catch)]
    async fn js_remove(id: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = save, catch)]
    async fn js_save(id: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = persist, catch)]
    async fn js_persist() -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = filesOf)]
    fn js_files_of(event: &web_sys::Event) -> Array;
}

/// Where a checkpoint comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// As `unmask.js` takes it: a text, or files.
    value: JsValue,
    /// In words.
    pub name: String,
}

impl Source {
    /// A hub's checkpoint or an address.
    pub fn text(source: &str) -> Self {
        Self {
            value: source.into(),
            name: source.to_owned(),
        }
    }

    /// Whether it is files, which a page cannot open again by itself.
    pub fn is_files(&self) -> bool {
        self.value.is_object()
    }

    /// The files that were dropped or chosen; none where there were none.
    pub fn files(event: &web_sys::Event) -> Option<Self> {
        let files = js_files_of(event);
        let name = match files.length() {
            0 => return None,
            1 => Reader(files.get(0)).text_if_any("name")?,
            count => format!("{count} files"),
        };
        Some(Self {
            value: files.into(),
            name,
        })
    }
}

/// How far an import is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// `download`, `file`, `verify` or `waiting`.
    pub phase: String,
    /// Bytes done.
    pub loaded: u64,
    /// Bytes in all; none while they aren't known.
    pub total: u64,
    /// Seconds left, where they can be told.
    pub seconds_left: Option<u64>,
}

/// What a checkpoint is.
pub async fn describe(source: &Source, signal: Option<AbortSignal>) -> Outcome<Description> {
    let options = Writer::new().set("signal", signal).done();
    let found = Reader(
        js_describe(&source.value, &options)
            .await
            .map_err(failure)?,
    );
    understood(description(&found))
}

/// Brings a checkpoint in. Stopped by its signal, it goes on from there when it is called again.
pub async fn bring(
    source: &Source,
    quantization: &str,
    signal: Option<AbortSignal>,
    mut on_progress: impl FnMut(Progress) + 'static,
) -> Outcome<Kept> {
    let options = Writer::new()
        .set("signal", signal)
        .text("quantization", Some(quantization));
    let on_progress = Closure::new(move |message| {
        let message = Reader(message);
        on_progress(Progress {
            phase: message.text_if_any("phase").unwrap_or_default(),
            loaded: whole(&message, "loaded"),
            total: whole(&message, "total"),
            seconds_left: message.number("secondsLeft").ok().map(|left| left as u64),
        });
    });
    let model = js_bring(&source.value, &options.done(), &on_progress).await;
    understood(kept_model(&Reader(model.map_err(failure)?)))
}

/// Forgets what has come of one.
pub async fn discard(source: &Source, quantization: &str) -> Outcome<()> {
    let discarded = js_discard(&source.value, quantization).await;
    discarded.map(drop).map_err(failure)
}

/// Acts once, when the element comes into view.
pub fn when_seen(element: &web_sys::Element, act: impl FnOnce() + 'static) {
    js_when_seen(element, &Closure::once_into_js(act));
}

/// What is kept.
pub async fn kept() -> Outcome<Shelf> {
    let shelf = Reader(js_kept().await.map_err(failure)?);
    let partial = |partial: &Reader| {
        Ok(Partial {
            id: partial.text("id")?,
            name: partial.text("name")?,
            source: partial.text_if_any("source").unwrap_or_default(),
            quantization: partial.text_if_any("quantization").unwrap_or_default(),
            loaded: whole(partial, "loaded"),
            total: whole(partial, "total"),
        })
    };
    Ok(Shelf {
        models: understood(shelf.list("models", kept_model))?,
        partial: understood(shelf.list("partial", partial))?,
        usage: whole(&shelf, "usage"),
        quota: whole(&shelf, "quota"),
        persisted: shelf.get("persisted").is_truthy(),
    })
}

/// Deletes a model, or forgets an import that was stopped.
pub async fn remove(id: &str) -> Outcome<()> {
    js_remove(id).await.map(drop).map_err(failure)
}

/// Hands a model's file to the reader.
pub async fn save(id: &str) -> Outcome<()> {
    js_save(id).await.map(drop).map_err(failure)
}

/// Asks the browser not to clear what is kept.
pub async fn persist() -> Outcome<()> {
    js_persist().await.map(drop).map_err(failure)
}

fn whole(object: &Reader, name: &str) -> u64 {
    object.number(name).unwrap_or(0.0) as u64
}

/// Names of heads, and of tasks behind them.
fn abilities(model: &Reader) -> Result<Vec<String>, Misread> {
    let mut names = model.list("heads", |head| head.text("name"))?;
    for task in model.texts("tasks")? {
        if !names.contains(&task) {
            names.push(task);
        }
    }
    Ok(names)
}

fn description(found: &Reader) -> Result<Description, Misread> {
    Ok(Description {
        name: found.text("name")?,
        architecture: found.text("architecture")?,
        model_type: found.text_if_any("modelType").unwrap_or_default(),
        license: found.text_if_any("license"),
        revision: found.text_if_any("revision"),
        parameters: whole(found, "parameters"),
        abilities: abilities(found)?,
        download: whole(found, "download"),
        files: found.list("files", |_| Ok(()))?.len(),
        choices: found.list("choices", |choice| {
            Ok(Choice {
                quantization: choice.text("quantization")?,
                bytes: whole(choice, "bytes"),
                memory: whole(choice, "memory"),
                stored: choice.get("stored").is_truthy(),
                fits: choice.get("fits").is_truthy(),
                why: choice.text_if_any("why"),
            })
        })?,
    })
}

fn kept_model(model: &Reader) -> Result<Kept, Misread> {
    Ok(Kept {
        id: model.text("id")?,
        name: model.text("name")?,
        architecture: model.text("architecture")?,
        quantization: model.text("quantization")?,
        bytes: whole(model, "bytes"),
        abilities: abilities(model)?,
        license: model.text_if_any("license"),
        source: model.text_if_any("source").unwrap_or_default(),
        origin: model.text_if_any("origin").unwrap_or_default(),
        imported: model.text_if_any("imported").unwrap_or_default(),
        last_used: model.text_if_any("lastUsed").unwrap_or_default(),
    })
}
