//! Bytes from a JavaScript stream, chunk by chunk.

use js_sys::{Boolean, JsString, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, ReadableStream, ReadableStreamDefaultReader};

use crate::{Error, ErrorKind};

/// The chunks of one stream.
pub struct Chunks {
    reader: ReadableStreamDefaultReader,
    /// What the bytes are, for messages: "The model file at https://..."
    what: String,
}

impl Chunks {
    /// Of this stream.
    ///
    /// # Errors
    /// `Network` where somebody else reads it.
    pub fn new(stream: &ReadableStream, what: String) -> Result<Self, Error> {
        match ReadableStreamDefaultReader::new(stream) {
            Ok(reader) => Ok(Self { reader, what }),
            Err(reason) => Err(broken(&what, &reason)),
        }
    }

    /// Fills `bytes` with the next chunk and returns it as JavaScript has it, or `None` at the end.
    ///
    /// # Errors
    /// `Network` where the stream breaks, `Aborted` on request.
    pub async fn next(
        &mut self,
        bytes: &mut Vec<u8>,
        signal: &AbortSignal,
    ) -> Result<Option<Uint8Array>, Error> {
        let result = JsFuture::from(self.reader.read()).await;
        if signal.aborted() {
            return Err(Error::aborted());
        }
        let result = result.map_err(|reason| broken(&self.what, &reason))?;
        let field = |name| Reflect::get(&result, &JsValue::from_str(name));
        let (Ok(done), Ok(value)) = (field("done"), field("value")) else {
            return Err(broken(&self.what, &result));
        };
        if done.unchecked_into::<Boolean>().value_of() {
            return Ok(None);
        }
        let chunk: Uint8Array = value
            .dyn_into()
            .map_err(|value| broken(&self.what, &value))?;
        bytes.resize(chunk.length() as usize, 0);
        chunk.copy_to(bytes);
        Ok(Some(chunk))
    }
}

impl Drop for Chunks {
    /// Whoever stops reading early ends the download; after the end this does nothing.
    fn drop(&mut self) {
        let cancelled = JsFuture::from(self.reader.cancel());
        wasm_bindgen_futures::spawn_local(async move {
            // A stream that has failed already refuses to be cancelled: that failure has been told.
            let _ = cancelled.await;
        });
    }
}

fn broken(what: &str, reason: &JsValue) -> Error {
    Error::new(
        ErrorKind::Network,
        format!("{what} stopped coming: {}.", reason_text(reason)),
        "Check the connection and try again.",
    )
}

/// What a JavaScript exception says of itself.
pub(crate) fn reason_text(reason: &JsValue) -> String {
    let message = Reflect::get(reason, &JsValue::from_str("message"));
    let message = message.unwrap_or_default();
    let text = message.dyn_ref::<JsString>().map(String::from);
    text.unwrap_or_else(|| "unknown reason".to_owned())
        .trim_end_matches('.')
        .to_owned()
}
