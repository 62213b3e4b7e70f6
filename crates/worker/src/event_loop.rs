//! Giving way to the event loop.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

thread_local! {
    // A timer would do as well, but browsers hold repeated timers back by four milliseconds.
    static CHANNEL: Option<MessageChannel> = MessageChannel::new().ok();
}

/// Comes back after the messages that have already arrived were handled.
pub async fn turn() {
    let turned = CHANNEL.with(|channel| {
        let channel = channel.as_ref()?;
        Some(Promise::new(&mut |resolve, _| {
            channel.port1().set_onmessage(Some(&resolve));
            // Posting nothing can only fail for what cannot be cloned.
            let _ = channel.port2().post_message(&JsValue::UNDEFINED);
        }))
    });
    if let Some(turned) = turned {
        let _ = JsFuture::from(turned).await;
    }
}
