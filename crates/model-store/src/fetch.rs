//! One request to a server, and what its answer says of the file.

use std::ops::Range;

use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, Headers, RequestCache, RequestCredentials, RequestInit, Response, Url,
    WorkerGlobalScope,
};

use crate::digest::Sha256Digest;
use crate::retry::retry_after;
use crate::stream::{Chunks, reason_text};
use crate::{Error, ErrorKind};

/// What is asked of a server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// The first byte that is wanted.
    pub from: u64,
    /// Where to stop; the file's end unless given.
    pub to: Option<u64>,
    /// The entity tag of what is there already.
    pub if_range: Option<&'a str>,
    /// Whether the browser need not keep the answer, since it is kept here.
    pub no_store: bool,
    /// Whether only the answer's headers are wanted.
    pub head: bool,
}

/// A file, or a part of it, that has begun to arrive.
pub struct Answer {
    /// Its bytes.
    pub chunks: Chunks,
    /// The place of the first one: zero where the server sends the whole file.
    pub begin: u64,
    /// The whole file's length, where the server says it and it is the length of what arrives.
    pub length: Option<u64>,
    /// What the server calls this version of the file.
    pub etag: Option<String>,
    /// The digest of the whole file, where a hub says it.
    pub sha256: Option<Sha256Digest>,
    /// What the server says that it is.
    pub content_type: Option<String>,
}

/// A request that came to nothing.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: Error,
    /// The answer's status, where there was one.
    pub status: Option<u16>,
    /// Whether the same request may succeed later.
    pub may_pass: bool,
    /// The seconds after which the server wants to be asked again.
    pub retry_after: Option<u32>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self {
            error,
            status: None,
            may_pass: false,
            retry_after: None,
        }
    }
}

/// Asks for a file at an absolute `url`, without cookies or other credentials.
///
/// # Errors
/// `Network` where there is no answer or not the file, `Aborted` on request.
pub async fn ask(url: &str, ask: &Ask<'_>, signal: &AbortSignal) -> Result<Answer, Failed> {
    let options = RequestInit::new();
    options.set_signal(Some(signal));
    if is_elsewhere(url) {
        options.set_credentials(RequestCredentials::Omit);
    }
    if ask.no_store {
        options.set_cache(RequestCache::NoStore);
    }
    if ask.head {
        options.set_method("HEAD");
    }
    let headers = Headers::new().map_err(|_| Error::aborted())?;
    if ask.from > 0 || ask.to.is_some() {
        let last = ask.to.map(|to| (to - 1).to_string()).unwrap_or_default();
        let _ = headers.set("Range", &format!("bytes={}-{last}", ask.from));
        // On another site this header would need leave that few servers give; there the answer's tag is compared.
        if let Some(tag) = ask.if_range.filter(|tag| !tag.starts_with("W/"))
            && !is_elsewhere(url)
        {
            let _ = headers.set("If-Range", tag);
        }
    }
    options.set_headers(&headers);
    let answer = JsFuture::from(scope().fetch_with_str_and_init(url, &options)).await;
    if signal.aborted() {
        return Err(Error::aborted().into());
    }
    let response: Response = answer
        .map_err(|reason| Failed {
            may_pass: true,
            ..Error::new(
                ErrorKind::Network,
                format!("{url} could not be fetched: {}.", reason_text(&reason)),
                "Check the connection, and that the server lets other sites read the file (CORS).",
            )
            .into()
        })?
        .unchecked_into();
    let header = |name| response.headers().get(name).ok().flatten();
    let status = response.status();
    if !response.ok() {
        return Err(Failed {
            error: Error::new(
                ErrorKind::Network,
                format!("The server answered {status} for {url}."),
                "Check the address, or try again later.",
            ),
            status: Some(status),
            may_pass: status == 429 || status == 408 || status >= 500,
            retry_after: retry_after(header("retry-after").as_deref()),
        });
    }
    let part = match status {
        206 => header("content-range")
            .as_deref()
            .and_then(content_range)
            // Not every server lets other sites read where a part begins; it is what was asked for.
            .or(Some((ask.from..ask.from, None))),
        _ => None,
    };
    // A compressed answer has the length of what travels, and arrives as something longer.
    let arriving: Option<u64> = match header("content-encoding") {
        None => header("content-length").and_then(|length| length.parse().ok()),
        Some(_) => None,
    };
    let (begin, length) = match part {
        None => (0, arriving),
        Some((range, Some(whole))) => (range.start, Some(whole)),
        Some((range, None)) if ask.to.is_none() => (
            range.start,
            arriving.and_then(|rest| rest.checked_add(range.start)),
        ),
        Some((range, None)) => (range.start, None),
    };
    let tag = header("etag");
    let linked = header("x-linked-etag");
    let digest = |tag: &String| Sha256Digest::from_hex(tag.trim_matches('"'));
    let body = response.body().or_else(|| {
        // An answer to HEAD, or an empty file.
        let empty = Response::new().ok()?;
        Response::new_with_opt_str(Some(""))
            .ok()
            .unwrap_or(empty)
            .body()
    });
    let body = body.ok_or_else(|| {
        Error::new(
            ErrorKind::Network,
            format!("The server answered for {url} without a file."),
            "Check the address, or try again later.",
        )
    })?;
    Ok(Answer {
        chunks: Chunks::new(&body, format!("The file at {url}"))?,
        begin,
        length,
        sha256: linked.as_ref().and_then(digest),
        etag: tag,
        content_type: header("content-type"),
    })
}

/// Asks for the whole file at an absolute `url`.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn get(url: &str, signal: &AbortSignal) -> Result<Answer, Error> {
    ask(url, &Ask::default(), signal)
        .await
        .map_err(|failed| failed.error)
}

/// Whether an address belongs to another site.
fn is_elsewhere(url: &str) -> bool {
    Url::new(url).is_ok_and(|url| url.origin() != scope().location().origin())
}

/// The worker that this runs in.
pub(crate) fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Reads `bytes 5-9/10`: the part, and the whole's length where it is said.
fn content_range(header: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, whole) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let whole = match whole.trim() {
        "*" => None,
        whole => Some(whole.parse().ok()?),
    };
    let sound = first <= last && whole.is_none_or(|whole| last < whole);
    sound.then_some((first..last.checked_add(1)?, whole))
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn a_content_range_is_believed_only_where_it_makes_sense() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5..10, Some(10))));
        assert_eq!(content_range("bytes 0-0/*"), Some((0..1, None)));
        for wrong in [
            "",
            "bytes */10",
            "bytes 9-5/10",
            "bytes 5-10/10",
            "items 0-1/2",
            "bytes 5-/10",
            "bytes 0-18446744073709551615/*",
            "bytes -5-9/10",
        ] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }
}
