//! The binding to `unmask.js`, the one door to the engine; results come back as the protocol's types.

use std::rc::Rc;

use js_sys::{Array, Float32Array, Uint8Array};
use unmask_protocol::{
    Answer, AttentionHeader, Beam, Candidate, ErrorBody, ErrorCode, FilledMask, GenerateOptions,
    GeneratedToken, HeadInfo, HeadPlace, HeadsOff, LabelScore, LabelSpan, MaskPattern, ModelInfo,
    Phase, Progress, Step, Token, Truncation,
};
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AbortSignal};

use crate::js::{Misread, Reader, Writer};
use crate::state::attention::{Attention, Attentions};
use crate::state::catalogue::{Catalogue, Entry};
use crate::state::contexts::HiddenStates;
use crate::state::draft::{Draft, Written};
use crate::state::quantizations::Logits;
use crate::state::shapes::Sight;

#[wasm_bindgen(module = "/src/engine.js")]
extern "C" {
    #[wasm_bindgen(js_name = catalogue, catch)]
    async fn js_catalogue() -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = recording, catch)]
    async fn js_recording(name: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = load, catch)]
    async fn js_load(
        name: &str,
        signal: Option<AbortSignal>,
        on_progress: &Closure<dyn FnMut(JsValue)>,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = variant, catch)]
    async fn js_variant(name: &str, options: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = timedLogits, catch)]
    async fn js_timed_logits(
        model: &Handle,
        text: &str,
        options: &JsValue,
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

    #[wasm_bindgen(method, catch)]
    async fn tokenize(
        this: &Handle,
        text: &str,
        pair: JsValue,
        options: &JsValue,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, js_name = fillMask, catch)]
    async fn fill_mask(this: &Handle, text: &str, options: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, js_name = hiddenStates, catch)]
    async fn hidden_states(
        this: &Handle,
        text: &str,
        options: &JsValue,
    ) -> Result<JsValue, JsValue>;

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

    #[wasm_bindgen(method, catch)]
    async fn dispose(this: &Handle) -> Result<JsValue, JsValue>;
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
    let answer = Reader(js_catalogue().await.map_err(failure)?);
    let entry = |entry: &Reader| {
        Ok(Entry {
            name: entry.text("name")?,
            bytes: entry.number("bytes").unwrap_or(0.0) as u64,
            tasks: entry.texts("tasks")?,
        })
    };
    let models = understood(answer.list("models", entry))?;
    Ok(Catalogue { models })
}

/// A recorded run of a shipped model.
pub struct Recording {
    /// The model's name in the catalogue.
    pub model: String,
    /// What it read.
    pub text: String,
    /// What it was asked to do, where it can do several things.
    pub task: Option<String>,
    /// What it put into the gaps, where it fills them.
    pub filled: Vec<FilledMask>,
    /// What it wrote, where it writes.
    pub draft: Draft,
    /// Where it looked, in 254 steps; its scores are all zero, as they weren't recorded.
    pub attentions: Attentions,
}

/// Reads the recorded run `name` of the site's traces.
pub async fn recording(name: &str) -> Outcome<Recording> {
    let trace = Reader(js_recording(name).await.map_err(failure)?);
    Ok(Recording {
        model: understood(trace.text("model"))?,
        text: understood(trace.text("text"))?,
        task: trace.text_if_any("task"),
        filled: understood(trace.list("filled", filled_mask))?,
        draft: Draft::of(understood(trace.list("steps", step))?),
        attentions: attentions(&trace)?,
    })
}

/// What a text got for an answer, and what of it was not read.
#[derive(Clone, Debug, PartialEq)]
pub struct Read<T> {
    /// The answer.
    pub answer: T,
    /// Set where the text was longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// A loaded model.
#[derive(Clone)]
pub struct Model {
    handle: Handle,
    /// What it is and can do.
    pub info: Rc<ModelInfo>,
    heads_off: Option<Rc<HeadsOff>>,
}

impl Model {
    /// Loads the model `name` of the catalogue, telling how many bytes have come.
    pub async fn load(
        name: &str,
        signal: Option<AbortSignal>,
        mut on_progress: impl FnMut(Progress) + 'static,
    ) -> Outcome<Self> {
        let on_progress = Closure::new(move |message| {
            // Only a display: what cannot be read is not shown.
            if let Ok(progress) = progress(&Reader(message)) {
                on_progress(progress);
            }
        });
        Self::of(js_load(name, signal, &on_progress).await)
    }

    /// Loads the model `name` again, beside the one that the page has, perhaps with its matrices in another quantization.
    pub async fn variant(
        name: &str,
        requantize: Option<&str>,
        signal: Option<AbortSignal>,
    ) -> Outcome<Self> {
        let options = options(signal).text("requantize", requantize).done();
        Self::of(js_variant(name, &options).await)
    }

    fn of(loaded: Result<JsValue, JsValue>) -> Outcome<Self> {
        let handle: Handle = loaded.map_err(failure)?.unchecked_into();
        let info = understood(model_info(&Reader(handle.info())))?;
        Ok(Self {
            handle,
            info: Rc::new(info),
            heads_off: None,
        })
    }

    /// Whether it has a head that fills masks.
    pub fn fills(&self) -> bool {
        let mut heads = self.info.heads.iter();
        heads.any(|head| head.kind == "masked-lm")
    }

    /// The same model, filling masks, writing and attending without some of its heads.
    pub fn without(&self, heads: HeadsOff) -> Self {
        Self {
            heads_off: Some(Rc::new(heads)),
            ..self.clone()
        }
    }

    /// Frees its memory. Every copy of it is of no use afterwards.
    pub async fn dispose(self) {
        // It is gone in any case: an engine that breaks has freed everything.
        let _ = self.handle.dispose().await;
    }

    /// Logits over the vocabulary, BERT's for every mask of `text`, BART's behind each token of `target`; and the
    /// milliseconds that the engine takes for them.
    pub async fn logits(
        &self,
        text: &str,
        target: Option<&str>,
        task: Option<&str>,
        signal: Option<AbortSignal>,
    ) -> Outcome<(Logits, f64)> {
        let options = options(signal).text("target", target).text("task", task);
        let answer = js_timed_logits(&self.handle, text, &options.done()).await;
        let answer = Reader(answer.map_err(failure)?);
        let Ok(values) = answer.get("values").dyn_into::<Float32Array>() else {
            return Err(misread("The engine's logits came without their values."));
        };
        let logits = Logits {
            vocabulary: understood(answer.count("vocabulary"))?,
            values: values.to_vec(),
        };
        Ok((logits, understood(answer.number("milliseconds"))?))
    }

    /// A call's options, with the signal that stops it and the heads that are off.
    fn options(&self, signal: Option<AbortSignal>) -> Writer {
        options(signal).set("headsOff", self.heads_off.as_deref().map(heads_off))
    }

    /// The pieces of `text` that the model reads.
    pub async fn tokenize(
        &self,
        text: &str,
        signal: Option<AbortSignal>,
    ) -> Outcome<Read<Vec<Token>>> {
        let options = options(signal).done();
        let tokens = self.handle.tokenize(text, JsValue::NULL, &options).await;
        let tokens = Reader(tokens.map_err(failure)?);
        Ok(Read {
            truncation: truncation(&tokens),
            answer: understood(each(&tokens, token))?,
        })
    }

    /// What the engine is told about how `text` may be read; none leaves the model's own mask.
    pub async fn mask(
        &self,
        sight: &Sight,
        text: &str,
        signal: Option<AbortSignal>,
    ) -> Outcome<Option<MaskPattern>> {
        if sight.painted.is_empty() {
            return Ok(sight.pattern(0));
        }
        let options = options(signal).done();
        let tokens = self.handle.tokenize(text, JsValue::NULL, &options).await;
        let tokens = Reader(tokens.map_err(failure)?);
        Ok(sight.pattern(understood(tokens.items("the tokens"))?.len()))
    }

    /// Candidates for every mask of `text`.
    pub async fn fill_mask(
        &self,
        text: &str,
        top_k: usize,
        mask: Option<&MaskPattern>,
        signal: Option<AbortSignal>,
    ) -> Outcome<Read<Vec<FilledMask>>> {
        let options = self
            .options(signal)
            .count("topK", Some(top_k))
            .set("mask", mask.map(encoder_mask));
        let answer = self.handle.fill_mask(text, &options.done()).await;
        let answer = Reader(answer.map_err(failure)?);
        Ok(Read {
            truncation: truncation(&answer),
            answer: understood(each(&answer, filled_mask))?,
        })
    }

    /// Candidates for the token at `position` of `text`, whatever stands there.
    pub async fn fill_position(
        &self,
        text: &str,
        position: usize,
        top_k: usize,
        signal: Option<AbortSignal>,
    ) -> Outcome<Vec<Candidate>> {
        let options = self
            .options(signal)
            .count("topK", Some(top_k))
            .set("positions", Some(Array::of1(&(position as f64).into())));
        let answer = self.handle.fill_mask(text, &options.done()).await;
        let mut filled = understood(each(&Reader(answer.map_err(failure)?), filled_mask))?;
        let found = filled.pop();
        Ok(found.map_or_else(Vec::new, |found| found.candidates))
    }

    /// The vectors of `text`'s tokens before the first layer and behind each.
    pub async fn hidden_states(
        &self,
        text: &str,
        signal: Option<AbortSignal>,
    ) -> Outcome<HiddenStates> {
        let options = options(signal).done();
        let answer = self.handle.hidden_states(text, &options).await;
        let answer = Reader(answer.map_err(failure)?);
        let Ok(values) = answer.get("values").dyn_into::<Float32Array>() else {
            return Err(misread("The engine's vectors came without their values."));
        };
        let (tokens, dimensions) = understood((|| {
            Ok((answer.list("tokens", token)?, answer.count("dimensions")?))
        })())?;
        HiddenStates::new(tokens, dimensions, values.to_vec()).map_err(|message| misread(&message))
    }

    /// Probability that `b` follows `a`.
    pub async fn next_sentence(
        &self,
        a: &str,
        b: &str,
        signal: Option<AbortSignal>,
    ) -> Outcome<f32> {
        let options = options(signal).done();
        let answer = self.handle.next_sentence(a, b, &options).await;
        understood(Reader(answer.map_err(failure)?).float("isNext"))
    }

    /// Labels of `text` by the classification head `head`, highest first; with `own`, labels and the hypothesis
    /// in which each takes the place of `{}`, those instead of the head's.
    pub async fn classify(
        &self,
        text: &str,
        pair: Option<&str>,
        head: &str,
        own: Option<(&[String], &str)>,
        signal: Option<AbortSignal>,
    ) -> Outcome<Vec<LabelScore>> {
        let labels = own.map(|(labels, _)| labels.iter().map(JsValue::from).collect::<Array>());
        let options = options(signal)
            .text("head", Some(head))
            .text("pair", pair)
            .set("labels", labels)
            .text("hypothesis", own.map(|(_, hypothesis)| hypothesis));
        let answer = self.handle.classify(text, &options.done()).await;
        understood(each(&Reader(answer.map_err(failure)?), |item| {
            Ok(LabelScore {
                label: item.text("label")?,
                probability: item.float("probability")?,
            })
        }))
    }

    /// Spans of `text` that the token classification head `head` marks.
    pub async fn label(
        &self,
        text: &str,
        head: &str,
        signal: Option<AbortSignal>,
    ) -> Outcome<Vec<LabelSpan>> {
        let options = options(signal).text("head", Some(head));
        let answer = self.handle.label(text, &options.done()).await;
        understood(each(&Reader(answer.map_err(failure)?), |item| {
            Ok(LabelSpan {
                label: item.text("label")?,
                probability: item.float("probability")?,
                start: item.count("start")?,
                end: item.count("end")?,
                text: item.text("text")?,
            })
        }))
    }

    /// The best answers to `question` in `context`; an empty text is the refusal.
    pub async fn answer(
        &self,
        question: &str,
        context: &str,
        signal: Option<AbortSignal>,
    ) -> Outcome<Vec<Answer>> {
        let answer = self
            .handle
            .answer(question, context, &options(signal).done())
            .await;
        understood(each(&Reader(answer.map_err(failure)?), |item| {
            Ok(Answer {
                text: item.text("text")?,
                start: item.count("start")?,
                end: item.count("end")?,
                probability: item.float("probability")?,
            })
        }))
    }

    /// Generates from `text`, handing over every step, and at last the text and the tokens that won.
    pub async fn generate(
        &self,
        text: &str,
        controls: &GenerateOptions,
        signal: Option<AbortSignal>,
        mut on_step: impl FnMut(Step) + 'static,
    ) -> Outcome<Written> {
        let on_step = Closure::new(move |message| {
            if let Ok(step) = step(&Reader(message)) {
                on_step(step);
            }
        });
        let options = self
            .options(signal)
            .text("task", controls.task.as_deref())
            .count("numBeams", controls.num_beams)
            .count("maxNewTokens", controls.max_new_tokens)
            .count("minNewTokens", controls.min_new_tokens)
            .count("noRepeatNgramSize", controls.no_repeat_ngram_size)
            .set("lengthPenalty", controls.length_penalty.map(f64::from))
            .count("alternatives", controls.alternatives)
            .count("topK", controls.top_k)
            .set("temperature", controls.temperature)
            .set("topP", controls.top_p)
            .set("seed", controls.seed.map(|seed| seed as f64));
        let generation = js_generate(&self.handle, text, &options.done(), &on_step).await;
        let generation = Reader(generation.map_err(failure)?);
        understood(written(&generation))
    }

    /// Mask, scores and weights of every layer and head. BART decodes `target`, where it is given.
    pub async fn attention(
        &self,
        text: &str,
        target: Option<&str>,
        task: Option<&str>,
        mask: Option<&MaskPattern>,
        signal: Option<AbortSignal>,
    ) -> Outcome<Attentions> {
        let options = self
            .options(signal)
            .text("target", target)
            .text("task", task)
            .set("mask", mask.map(encoder_mask));
        let answer = self.handle.attention(text, &options.done()).await;
        let answer = Reader(answer.map_err(failure)?);
        attentions(&answer)
    }
}

/// A call's options, with the signal that stops it.
fn options(signal: Option<AbortSignal>) -> Writer {
    Writer::new().set("signal", signal)
}

fn heads_off(off: &HeadsOff) -> JsValue {
    let list = |places: &[HeadPlace]| {
        let place = |place: &HeadPlace| {
            let writer = Writer::new().count("layer", Some(place.layer));
            writer.count("head", Some(place.head)).done()
        };
        places.iter().map(place).collect::<Array>()
    };
    Writer::new()
        .set("encoder", Some(list(&off.encoder)))
        .set("decoder", Some(list(&off.decoder)))
        .set("cross", Some(list(&off.cross)))
        .done()
}

fn encoder_mask(pattern: &MaskPattern) -> JsValue {
    let rule = |name| Writer::new().text("pattern", Some(name));
    let pattern = match pattern {
        MaskPattern::Bidirectional => rule("bidirectional"),
        MaskPattern::Causal => rule("causal"),
        MaskPattern::Prefix { length } => rule("prefix").count("length", Some(*length)),
        MaskPattern::Window { radius } => rule("window").count("radius", Some(*radius)),
        MaskPattern::Custom {
            queries,
            keys,
            allowed,
        } => rule("custom")
            .count("queries", Some(*queries))
            .count("keys", Some(*keys))
            .set("allowed", Some(Uint8Array::from(allowed.as_slice()))),
    };
    Writer::new().set("encoder", Some(pattern.done())).done()
}

fn progress(message: &Reader) -> Result<Progress, Misread> {
    Ok(Progress {
        phase: match message.text("phase")?.as_str() {
            "cache" => Phase::Cache,
            "file" => Phase::File,
            "waiting" => Phase::Waiting,
            "verify" => Phase::Verify,
            _ => Phase::Download,
        },
        loaded: message.number("loaded")? as u64,
        total: message.number("total").ok().map(|total| total as u64),
        seconds_left: message
            .number("secondsLeft")
            .ok()
            .map(|seconds| seconds as u32),
    })
}

fn model_info(info: &Reader) -> Result<ModelInfo, Misread> {
    Ok(ModelInfo {
        name: info.text("name")?,
        architecture: info.text("architecture")?,
        parameters: info.number("parameters")? as u64,
        quantization: info.text("quantization")?,
        bytes: info.number("bytes")? as u64,
        layers: info.count("layers")?,
        attention_heads: info.count("attentionHeads")?,
        hidden_size: info.count("hiddenSize")?,
        max_positions: info.count("maxPositions")?,
        heads: info.list("heads", |head| {
            Ok(HeadInfo {
                name: head.text("name")?,
                kind: head.text("kind")?,
                labels: head.texts("labels")?,
            })
        })?,
        tasks: info.texts("tasks")?,
        license: info.text_if_any("license"),
        mask_token: info.text_if_any("maskToken"),
    })
}

fn filled_mask(mask: &Reader) -> Result<FilledMask, Misread> {
    Ok(FilledMask {
        position: mask.count("position")?,
        candidates: mask.list("candidates", candidate)?,
    })
}

fn candidate(candidate: &Reader) -> Result<Candidate, Misread> {
    Ok(Candidate {
        token: candidate.text("token")?,
        id: candidate.count("id")? as u32,
        probability: candidate.float("probability")?,
        text: candidate.text("text")?,
    })
}

fn step(step: &Reader) -> Result<Step, Misread> {
    let beams = step.list("beams", |beam| {
        Ok(Beam {
            parent: beam.count("parent")?,
            id: beam.count("id")? as u32,
            token: beam.text("token")?,
            text: beam.text("text")?,
            score: beam.float("score")?,
        })
    })?;
    Ok(Step {
        id: step.count("id")? as u32,
        token: step.text("token")?,
        text: step.text("text")?,
        probability: step.float("probability")?,
        alternatives: step.list("alternatives", candidate)?,
        beams: (!beams.is_empty()).then_some(beams),
    })
}

fn written(generation: &Reader) -> Result<Written, Misread> {
    let tokens = generation.list("tokens", |token| {
        Ok(GeneratedToken {
            id: token.count("id")? as u32,
            text: token.text("text")?,
            probability: token.float("probability")?,
            alternatives: token.list("alternatives", candidate)?,
        })
    })?;
    Ok(Written {
        text: generation.text("text")?,
        tokens,
        truncation: truncation(generation),
    })
}

fn token(token: &Reader) -> Result<Token, Misread> {
    Ok(Token {
        id: token.count("id")? as u32,
        text: token.text("text")?,
        start: token.count("start")?,
        end: token.count("end")?,
        segment: token.count("segment")? as u32,
        special: token.get("special").is_truthy(),
    })
}

fn truncation(answer: &Reader) -> Option<Truncation> {
    let cut = answer.part("truncation")?;
    Some(Truncation {
        kept: cut.count("kept").ok()?,
        dropped: cut.count("dropped").ok()?,
        from: cut.count("from").ok()?,
    })
}

fn attentions(answer: &Reader) -> Outcome<Attentions> {
    let part = |name| answer.part(name).map(|part| attention(&part)).transpose();
    let encoder =
        part("encoder")?.ok_or_else(|| misread("The engine's answer has no encoder attention."))?;
    Ok(Attentions {
        encoder,
        decoder: part("decoder")?,
        cross: part("cross")?,
    })
}

fn attention(part: &Reader) -> Outcome<Attention> {
    let header = (|| {
        Ok(AttentionHeader {
            query_tokens: part.list("queryTokens", token)?,
            key_tokens: part.list("keyTokens", token)?,
            layers: part.count("layers")?,
            heads: part.count("heads")?,
        })
    })();
    let header = understood(header)?;
    let mask = part.get("mask").dyn_into::<Uint8Array>();
    let floats = |name| {
        let tensor = part.get(name).dyn_into::<Float32Array>();
        tensor.map(|tensor| tensor.to_vec())
    };
    let (Ok(mask), Ok(scores), Ok(weights)) = (mask, floats("scores"), floats("weights")) else {
        return Err(misread("The engine's attention came without its tensors."));
    };
    Attention::new(header, mask.to_vec(), scores, weights).map_err(|message| misread(&message))
}

/// The items of an answer that is a list.
fn each<T>(
    answer: &Reader,
    read: impl Fn(&Reader) -> Result<T, Misread>,
) -> Result<Vec<T>, Misread> {
    answer.items("the answer")?.iter().map(read).collect()
}

/// What was read, or in words that it could not be.
pub fn understood<T>(read: Result<T, Misread>) -> Outcome<T> {
    read.map_err(|Misread(what)| misread(&format!("The engine's answer cannot be read: {what}.")))
}

fn misread(message: &str) -> ErrorBody {
    ErrorBody {
        code: ErrorCode::Engine,
        message: message.to_owned(),
        next_step: "Reload the page, so that page and engine are of one version.".into(),
    }
}

/// An `UnmaskError` as it is; anything else that was thrown, in words.
pub fn failure(error: JsValue) -> ErrorBody {
    let error = Reader(error);
    let text = |name| error.text_if_any(name);
    match (
        text("code").and_then(|code| error_code(&code)),
        text("nextStep"),
    ) {
        (Some(code), Some(next_step)) => ErrorBody {
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

fn error_code(name: &str) -> Option<ErrorCode> {
    Some(match name {
        "network" => ErrorCode::Network,
        "integrity" => ErrorCode::Integrity,
        "unsupported" => ErrorCode::Unsupported,
        "memory" => ErrorCode::Memory,
        "input" => ErrorCode::Input,
        "aborted" => ErrorCode::Aborted,
        "engine" => ErrorCode::Engine,
        _ => return None,
    })
}
