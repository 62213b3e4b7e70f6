//! Messages as JavaScript has them: plain objects, with typed arrays and files beside what serde knows.

use js_sys::{Array, Float32Array, Object, Reflect, Uint8Array};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use unmask_protocol::{Envelope, ErrorCode, Event, Reply};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, DedicatedWorkerGlobalScope};

use crate::failure::Failure;

/// What the page sent.
pub struct Message {
    pub envelope: Envelope,
    /// The file that a request to load one brings along.
    pub file: Option<Blob>,
}

/// An answer, and the arrays that travel beside it.
#[derive(Debug)]
pub struct Answer {
    pub reply: Reply,
    pub arrays: Vec<ReplyArray>,
}

/// One array of a reply.
#[derive(Debug)]
pub struct ReplyArray {
    /// The part of the reply that it belongs to; the reply itself without one.
    pub part: Option<&'static str>,
    /// Its property's name.
    pub name: &'static str,
    pub values: Values,
}

/// What an array holds.
#[derive(Debug)]
pub enum Values {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self {
            reply,
            arrays: Vec::new(),
        }
    }
}

/// Reads a message from the page.
///
/// # Errors
/// The id of a malformed request, as far as it has one, and what to answer.
pub fn read(data: &JsValue) -> Result<Message, (u32, Failure)> {
    let file = property(data, "file").dyn_into().ok();
    match serde_wasm_bindgen::from_value(data.clone()) {
        Ok(envelope) => Ok(Message { envelope, file }),
        Err(error) => {
            let id = property(data, "id").as_f64().unwrap_or_default();
            let failure = Failure::new(
                ErrorCode::Input,
                format!("The engine cannot read this request: {error}."),
                "Use unmask.js of the same version as the engine.",
            );
            // The page's ids are whole numbers; what isn't one becomes one that nobody waits for.
            Err((id as u32, failure))
        }
    }
}

/// Sends an event to the page.
pub fn post(event: &Event) {
    send(&encode(event), &Array::new());
}

/// Sends the outcome of a request.
pub fn post_outcome(id: u32, outcome: Result<Answer, Failure>) {
    let (reply, arrays) = match outcome {
        Ok(Answer { reply, arrays }) => (reply, arrays),
        Err(Failure(error)) => return post(&Event::Failure { id, error }),
    };
    let event = encode(&Event::Reply { id, reply });
    let reply = property(&event, "reply");
    let transfer = Array::new();
    for ReplyArray { part, name, values } in arrays {
        let (array, buffer): (Object, _) = match values {
            Values::F32(values) => {
                let array = Float32Array::from(values.as_slice());
                let buffer = array.buffer();
                (array.into(), buffer)
            }
            Values::U8(values) => {
                let array = Uint8Array::from(values.as_slice());
                let buffer = array.buffer();
                (array.into(), buffer)
            }
        };
        let owner = part.map_or(reply.clone(), |part| property(&reply, part));
        // Both are plain objects that `encode` has just made.
        let _ = Reflect::set(&owner, &name.into(), &array);
        transfer.push(&buffer);
    }
    send(&event, &transfer);
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

fn send(message: &JsValue, transfer: &Array) {
    scope()
        .post_message_with_transfer(message, transfer)
        .expect("plain objects and fresh buffers can always be sent");
}

fn property(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}
