//! The engine inside a web worker: protocol in, transformer, protocol out, and nothing else.
//!
//! `js/worker.js` starts it. Messages are queued and answered one after another; long work gives way to the
//! event loop between its steps, so that a cancellation can arrive.

#[cfg(target_arch = "wasm32")]
mod allocator;
mod convert;
mod engine;
mod event_loop;
mod failure;
mod messages;
mod model;
mod queue;
mod tasks;

use std::panic;
use std::rc::Rc;

use unmask_protocol::{ErrorBody, ErrorCode, Event};
use unmask_transformer::MatMul;
use wasm_bindgen::prelude::*;
use web_sys::MessageEvent;

use engine::Engine;

/// Takes parts of the engine's loops, for ever: what a helper's worker runs in the same memory.
#[cfg(feature = "threads")]
#[wasm_bindgen]
pub fn help() {
    unmask_threads::help()
}

/// What a helper's worker says before it traps for want of memory.
#[cfg(feature = "threads")]
#[wasm_bindgen]
pub fn abandon() {
    unmask_threads::abandon();
}

/// Begins to listen, and says so. `artifact` is the name of the build that runs; `candle` lets candle multiply with
/// quantized weights, to be compared with.
#[wasm_bindgen]
pub fn start(artifact: String, candle: bool) {
    if candle {
        model::MATMUL.set(MatMul::Candle);
    }
    panic::set_hook(Box::new(|info| {
        // A helper has nobody to tell but the thread that waits for it, which tells the page.
        #[cfg(feature = "threads")]
        if unmask_threads::abandon() {
            return;
        }
        messages::post(&Event::Crashed {
            error: ErrorBody {
                code: ErrorCode::Engine,
                message: format!("The engine broke ({info})."),
                next_step: "Try again: the engine starts anew.".to_owned(),
            },
        });
    }));
    let engine = Rc::new(Engine::default());
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        engine.receive(&event.data());
    });
    messages::scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // The worker listens for as long as it lives.
    on_message.forget();
    messages::post(&Event::Ready {
        artifact,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    });
}
