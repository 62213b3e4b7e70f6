//! Messages as JavaScript has them: plain objects, with files beside what serde knows.

use js_sys::{Array, JsString, Reflect};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use unmask_protocol::{ErrorCode, ImporterEnvelope, ImporterReply};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, File};

use crate::failure::Failure;
use crate::source::ChosenFile;

/// What the importer tells the page.
pub type Event = unmask_protocol::Event<ImporterReply>;

/// What the page sent.
pub struct Message {
    pub envelope: ImporterEnvelope,
    /// The files that the reader chose.
    pub files: Vec<ChosenFile>,
}

/// Reads a message from the page.
///
/// # Errors
/// The id of a malformed request, as far as it has one, and what to answer.
pub fn read(data: &JsValue) -> Result<Message, (u32, Failure)> {
    let files = property(data, "files").dyn_into::<Array>();
    let files = files.map(|files| files.iter().filter_map(chosen).collect());
    match serde_wasm_bindgen::from_value(data.clone()) {
        Ok(envelope) => Ok(Message {
            envelope,
            files: files.unwrap_or_default(),
        }),
        Err(error) => {
            let id = property(data, "id").as_f64().unwrap_or_default();
            let failure = Failure::new(
                ErrorCode::Input,
                format!("The importer cannot read this request: {error}."),
                "Use unmask.js of the same version as the engine.",
            );
            // The page's ids are whole numbers; what isn't one becomes one that nobody waits for.
            Err((id as u32, failure))
        }
    }
}

fn chosen(entry: JsValue) -> Option<ChosenFile> {
    let path = property(&entry, "path");
    Some(ChosenFile {
        path: path.dyn_ref::<JsString>().map(String::from)?,
        file: property(&entry, "file").dyn_into().ok()?,
    })
}

/// Sends an event to the page.
pub fn post(event: &Event) {
    send(&encode(event));
}

/// Sends the outcome of a request, with the file that an export answers.
pub fn post_outcome(id: u32, outcome: Result<(ImporterReply, Option<File>), Failure>) {
    match outcome {
        Ok((reply, file)) => {
            let event = encode(&Event::Reply { id, reply });
            if let Some(file) = file {
                // A plain object that `encode` has just made.
                let _ = Reflect::set(&property(&event, "reply"), &"file".into(), &file);
            }
            send(&event);
        }
        Err(Failure(error)) => post(&Event::Failure { id, error }),
    }
}

/// The worker that this runs in.
pub fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

fn encode(event: &Event) -> JsValue {
    let serializer = Serializer::new().serialize_maps_as_objects(true);
    event
        .serialize(&serializer)
        .expect("events hold nothing that JavaScript lacks: no maps, no integers beyond 2^53")
}

fn send(message: &JsValue) {
    scope()
        .post_message(message)
        .expect("plain objects and files can always be sent");
}

fn property(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}
