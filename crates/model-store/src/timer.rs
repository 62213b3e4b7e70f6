//! Waiting that a cancellation ends.

use js_sys::{Array, Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

use crate::Error;
use crate::fetch::scope;

#[wasm_bindgen]
extern "C" {
    /// The part of `EventTarget` that is used here.
    #[wasm_bindgen(extends = js_sys::Object)]
    type Target;
    #[wasm_bindgen(method, js_name = addEventListener)]
    fn add_listener(this: &Target, kind: &str, listener: &Function);
    #[wasm_bindgen(method, js_name = removeEventListener)]
    fn remove_listener(this: &Target, kind: &str, listener: &Function);
    #[wasm_bindgen(method, js_name = setTimeout)]
    fn set_timeout(this: &Target, handler: &Function, milliseconds: u32) -> JsValue;
}

/// Waits for a promise, or for a cancellation, whichever is first.
///
/// # Errors
/// `Aborted` on request; the promise's own failure comes back inside.
pub(crate) async fn or_aborted(
    promise: &Promise,
    signal: &AbortSignal,
) -> Result<Result<JsValue, JsValue>, Error> {
    if signal.aborted() {
        return Err(Error::aborted());
    }
    let target: &Target = signal.unchecked_ref();
    let mut listener = None;
    let aborted = Promise::new(&mut |resolve, _| {
        target.add_listener("abort", &resolve);
        listener = Some(resolve);
    });
    let outcome = JsFuture::from(Promise::race(&Array::of2(promise, &aborted))).await;
    if let Some(listener) = listener {
        target.remove_listener("abort", &listener);
    }
    match signal.aborted() {
        true => Err(Error::aborted()),
        false => Ok(outcome),
    }
}

/// Waits for some milliseconds.
///
/// # Errors
/// `Aborted` on request.
pub async fn sleep(milliseconds: u32, signal: &AbortSignal) -> Result<(), Error> {
    let timer = Promise::new(&mut |resolve, _| {
        let scope = scope();
        let target: &Target = scope.unchecked_ref();
        target.set_timeout(&resolve, milliseconds);
    });
    or_aborted(&timer, signal).await.map(drop)
}
