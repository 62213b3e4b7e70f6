//! The importer inside a web worker: checkpoints from elsewhere in, stored model files out.
//!
//! `js/importer.js` starts it when somebody asks, and the client ends it when nobody does, so that its memory returns.
//! A checkpoint's headers are planned by `unmask-pack`, the very code of the command; its tensors are read in the
//! order in which they lie in their files, quantized piece by piece and written to where they belong: memory holds
//! a few pieces, never a file.

mod checkpoint;
mod convert;
mod describe;
mod failure;
mod gguf;
mod hub;
mod importer;
mod messages;
mod plan;
mod source;
mod tape;
mod windows;

use std::panic;
use std::rc::Rc;

use unmask_protocol::{ErrorBody, ErrorCode};
use wasm_bindgen::prelude::*;
use web_sys::MessageEvent;

use importer::Importer;
use messages::Event;

/// Begins to listen, and says so.
#[wasm_bindgen]
pub fn start() {
    panic::set_hook(Box::new(|info| {
        messages::post(&Event::Crashed {
            error: ErrorBody {
                code: ErrorCode::Engine,
                message: format!("The importer broke ({info})."),
                next_step: "Try again: what has come is kept, and the rest follows.".to_owned(),
            },
        });
    }));
    let importer = Rc::new(Importer::default());
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        importer.receive(&event.data());
    });
    messages::scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // The worker listens for as long as it lives.
    on_message.forget();
    messages::post(&Event::Ready {
        artifact: "importer".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    });
}
