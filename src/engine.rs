//! The binding to `unmask.js`, the one door to the engine; results come back as the protocol's types.

use js_sys::{Float32Array, Object, Reflect, Uint8Array};
use serde::{Serialize, de::DeserializeOwned};
use unmask_protocol::{
    Answer, AttentionHeader, ErrorBody, ErrorCode, FilledMask, GenerateOptions, LabelScore,
    LabelSpan, MaskPattern, MaskSpec, ModelInfo, Progress, Step,
};
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AbortSignal};

use crate::state::attention::{Attention, Attentions};
use crate::state::catalogue::Catalogue;

#[wasm_bindgen(module = "/src/engine.js")]
extern "C" {
    #[wasm_bindgen(js_name = catalogue, catch)]
    async fn js_catalogue() -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = load, catch)]
    async fn js_load(
        name: &str,
        on_progress: &Closure<dyn FnMut(JsValue)>,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = generate, catch)]
    async fn js_generate(
        model: &Handle,
        text: &str,
        options: &JsValue,
        on_step: &Closure<dyn FnMut(JsValue)>,
    ) -> Result<JsValue, JsValue>;

    /// A loaded model of `unmask.js`.
    #[derive(Clone)]
    type Handle;

    #[wasm_bindgen(method, getter)]
    fn info(this: &Handle) -> JsValue;

    #[wasm_bindgen(method, js_name = fillMask, catch)]
    async fn fill_mask(this: &Handle, text: &str, options: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, js_name = nextSentence, catch)]
    async fn next_sentence(
        this: &Handle,
        a: &str,
        b: &str,
        options: &JsValue,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn classify(this: &Handle, text: &str, options: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn label(this: &Handle, text: &str, options: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn answer(
        this: &Handle,
        question: &str,
        context: &str,
        options: &JsValue,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn attention(this: &Handle, text: &str, options: &JsValue) -> Result<JsValue, JsValue>;
}

/// Every call answers this; the error has a sentence for people and the next step.
pub type Outcome<T> = Result<T, ErrorBody>;

/// Stops the requests that carry its signal.
pub struct Abort(Option<AbortController>);

impl Abort {
    /// A new one; in a browser without `AbortController` it stops nothing.
    pub fn new() -> Self {
        Self(AbortController::new().ok())
    }

    /// To hand to requests.
    pub fn signal(&self) -> Option<AbortSignal> {
        self.0.as_ref().map(AbortController::signal)
    }

    /// Stops what carries the signal; once done, this does nothing.
    pub fn stop(&self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

/// Reads the site's catalogue of models.
pub async fn catalogue() -> Outcome<Catalogue> {
    read(js_catalogue().await)
}

/// A loaded model.
#[derive(Clone)]
pub struct Model {
    handle: Handle,
    /// What it is and can do.
    pub info: ModelInfo,
}

impl Model {
    /// Loads the model `name` of the catalogue, telling how many bytes have come.
    pub async fn load(
        name: &str,
        mut on_progress: impl FnMut(Progress) + 'static,
    ) -> Outcome<Self> {
        let on_progress = Closure::new(move |progress| {
            // Only a display: what cannot be read is not shown.
            if let Ok(progress) = serde_wasm_bindgen::from_value(progress) {
                on_progress(progress);
            }
        });
        let handle: Handle = js_load(name, &on_progress)
            .await
            .map_err(failure)?
            .unchecked_into();
        let info = read(Ok(handle.info()))?;
        Ok(Self { handle, info })
    }

    /// Candidates for every mask of `text`.
    pub async fn fill_mask(
        &self,
        text: &str,
        top_k: usize,
        mask: Option<MaskPattern>,
        signal: Option<AbortSignal>,
    ) -> Outcome<Vec<FilledMask>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Options {
            top_k: usize,
            mask: Option<MaskSpec>,
        }
        let mask = encoder_mask(mask);
        let options = options(&Options { top_k, mask }, signal);
        read(self.handle.fill_mask(text, &options).await)
    }

    /// Probability that `b` follows `a`.
    pub async fn next_sentence(
        &self,
        a: &str,
        b: &str,
        signal: Option<AbortSignal>,
    ) -> Outcome<f32> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct NextSentence {
            is_next: f32,
        }
        let options = options(&(), signal);
        let answer: NextSentence = read(self.handle.next_sentence(a, b, &options).await)?;
        Ok(answer.is_next)
    }

    /// Labels of `text` by the classification head `head`, highest first.
    pub async fn classify(
        &self,
        text: &str,
        pair: Option<&str>,
        head: &str,
        signal: Option<AbortSignal>,
    ) -> Outcome<Vec<LabelScore>> {
        #[derive(Serialize)]
        struct Options<'a> {
            head: &'a str,
            pair: Option<&'a str>,
        }
        let options = options(&Options { head, pair }, signal);
        read(self.handle.classify(text, &options).await)
    }

    /// Spans of `text` that the token classification head `head` marks.
    pub async fn label(
        &self,
        text: &str,
        head: &str,
        signal: Option<AbortSignal>,
    ) -> Outcome<Vec<LabelSpan>> {
        #[derive(Serialize)]
        struct Options<'a> {
            head: &'a str,
        }
        let options = options(&Options { head }, signal);
        read(self.handle.label(text, &options).await)
    }

    /// The best answers to `question` in `context`; an empty text is the refusal.
    pub async fn answer(
        &self,
        question: &str,
        context: &str,
        signal: Option<AbortSignal>,
    ) -> Outcome<Vec<Answer>> {
        let options = options(&(), signal);
        read(self.handle.answer(question, context, &options).await)
    }

    /// Generates from `text`, handing over every step.
    pub async fn generate(
        &self,
        text: &str,
        controls: &GenerateOptions,
        signal: Option<AbortSignal>,
        mut on_step: impl FnMut(Step) + 'static,
    ) -> Outcome<()> {
        let on_step = Closure::new(move |step| {
            if let Ok(step) = serde_wasm_bindgen::from_value(step) {
                on_step(step);
            }
        });
        let options = options(controls, signal);
        js_generate(&self.handle, text, &options, &on_step)
            .await
            .map(drop)
            .map_err(failure)
    }

    /// Mask and weights of every layer and head. BART decodes `target`, where it is given.
    pub async fn attention(
        &self,
        text: &str,
        target: Option<&str>,
        task: Option<&str>,
        mask: Option<MaskPattern>,
        signal: Option<AbortSignal>,
    ) -> Outcome<Attentions> {
        #[derive(Serialize)]
        struct Options<'a> {
            target: Option<&'a str>,
            task: Option<&'a str>,
            mask: Option<MaskSpec>,
        }
        let mask = encoder_mask(mask);
        let options = options(&Options { target, task, mask }, signal);
        let answer = self
            .handle
            .attention(text, &options)
            .await
            .map_err(failure)?;
        let encoder = attention_part(&answer, "encoder")?
            .ok_or_else(|| misread("The engine's answer has no encoder attention."))?;
        Ok(Attentions {
            encoder,
            decoder: attention_part(&answer, "decoder")?,
            cross: attention_part(&answer, "cross")?,
        })
    }
}

fn encoder_mask(pattern: Option<MaskPattern>) -> Option<MaskSpec> {
    pattern.map(|pattern| MaskSpec {
        encoder: Some(pattern),
        ..MaskSpec::default()
    })
}

/// One attention of the answer: header and tensors of the property `name`, where it has one.
fn attention_part(answer: &JsValue, name: &str) -> Outcome<Option<Attention>> {
    let part = property(answer, name);
    if part.is_undefined() || part.is_null() {
        return Ok(None);
    }
    let header: AttentionHeader = read(Ok(part.clone()))?;
    let mask = property(&part, "mask").dyn_into::<Uint8Array>();
    let weights = property(&part, "weights").dyn_into::<Float32Array>();
    let (Ok(mask), Ok(weights)) = (mask, weights) else {
        return Err(misread("The engine's attention came without its tensors."));
    };
    Attention::new(header, mask.to_vec(), weights.to_vec())
        .map(Some)
        .map_err(|message| misread(&message))
}

/// A call's options: `fields` and the signal. `None` fields are left out, as JavaScript expects.
fn options(fields: &impl Serialize, signal: Option<AbortSignal>) -> JsValue {
    let object = serde_wasm_bindgen::to_value(fields)
        .ok()
        .filter(JsValue::is_object)
        .unwrap_or_else(|| Object::new().into());
    if let Some(signal) = signal {
        // Setting a property of a plain object cannot fail.
        let _ = Reflect::set(&object, &"signal".into(), &signal);
    }
    object
}

fn read<T: DeserializeOwned>(answer: Result<JsValue, JsValue>) -> Outcome<T> {
    serde_wasm_bindgen::from_value(answer.map_err(failure)?)
        .map_err(|error| misread(&format!("The engine's answer cannot be read: {error}.")))
}

fn misread(message: &str) -> ErrorBody {
    ErrorBody {
        code: ErrorCode::Engine,
        message: message.to_owned(),
        next_step: "Reload the page, so that page and engine are of one version.".into(),
    }
}

/// An `UnmaskError` as it is; anything else that was thrown, in words.
fn failure(error: JsValue) -> ErrorBody {
    let text = |name| property(&error, name).as_string();
    let code = serde_wasm_bindgen::from_value(property(&error, "code"));
    match (code, text("nextStep")) {
        (Ok(code), Some(next_step)) => ErrorBody {
            code,
            message: text("message").unwrap_or_default(),
            next_step,
        },
        _ => ErrorBody {
            code: ErrorCode::Network,
            message: format!(
                "Something the page needs could not be fetched ({}).",
                text("message").unwrap_or_else(|| "no reason given".into())
            ),
            next_step: "Check the connection, then try again.".into(),
        },
    }
}

fn property(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}
