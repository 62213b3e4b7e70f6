//! A file from the network.

use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, RequestInit, Response, WorkerGlobalScope};

use crate::stream::{Chunks, reason_text};
use crate::{Error, ErrorKind};

/// A file that has begun to arrive.
pub(crate) struct Download {
    /// Its bytes.
    pub(crate) chunks: Chunks,
    /// Its length, where the server says it and it is the length of what arrives.
    pub(crate) length: Option<u64>,
}

/// Asks for the file at an absolute `url`.
///
/// # Errors
/// `Network` where there is no answer or not the file, `Aborted` on request.
pub(crate) async fn get(url: &str, signal: &AbortSignal) -> Result<Download, Error> {
    let options = RequestInit::new();
    options.set_signal(Some(signal));
    let answer = JsFuture::from(scope().fetch_with_str_and_init(url, &options)).await;
    if signal.aborted() {
        return Err(Error::aborted());
    }
    let response: Response = answer
        .map_err(|reason| {
            Error::new(
                ErrorKind::Network,
                format!("{url} could not be fetched: {}.", reason_text(&reason)),
                "Check the connection, and that the server lets other sites read the file (CORS).",
            )
        })?
        .unchecked_into();
    if !response.ok() {
        return Err(Error::new(
            ErrorKind::Network,
            format!("The server answered {} for {url}.", response.status()),
            "Check the address, or try again later.",
        ));
    }
    let header = |name| response.headers().get(name).ok().flatten();
    // A compressed answer has the length of what travels, and arrives as something longer.
    let length = match header("content-encoding") {
        None => header("content-length").and_then(|length| length.parse().ok()),
        Some(_) => None,
    };
    let body = response.body().ok_or_else(|| {
        Error::new(
            ErrorKind::Network,
            format!("The server answered for {url} without a file."),
            "Check the address, or try again later.",
        )
    })?;
    Ok(Download {
        chunks: Chunks::new(&body, format!("The file at {url}"))?,
        length,
    })
}

/// The worker that this runs in.
pub(crate) fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}
