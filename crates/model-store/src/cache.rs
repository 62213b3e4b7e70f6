//! Copies of verified model files in Cache Storage, by digest. Where the browser offers none, or no room,
//! everything here quietly does nothing: a model loads without it.

use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Cache, Response, TransformStream, WritableStreamDefaultWriter};

use crate::catalogue::Sha256Digest;
use crate::fetch::scope;

/// The number changes when what is kept under a digest does.
const NAME: &str = "unmask-models-1";

/// The place where copies are kept.
pub(crate) struct Copies(Option<Cache>);

impl Copies {
    pub(crate) async fn open() -> Self {
        // Outside secure contexts `caches` is undefined, whatever its type says.
        let storage = scope()
            .caches()
            .ok()
            .filter(|caches| !caches.is_undefined());
        let cache = match storage {
            Some(caches) => JsFuture::from(caches.open(NAME)).await.ok(),
            None => None,
        };
        Self(cache.map(JsCast::unchecked_into))
    }

    /// The copy of a file, not yet verified.
    pub(crate) async fn get(&self, digest: Sha256Digest) -> Option<Response> {
        let found = JsFuture::from(self.0.as_ref()?.match_with_str(&key(digest))).await;
        found.ok()?.dyn_into().ok()
    }

    /// Forgets a copy.
    pub(crate) async fn delete(&self, digest: Sha256Digest) {
        if let Some(cache) = &self.0 {
            let _ = JsFuture::from(cache.delete_with_str(&key(digest))).await;
        }
    }

    /// Begins a copy; it counts only once it is committed.
    pub(crate) fn begin(&self, digest: Sha256Digest) -> NewCopy {
        NewCopy(self.0.as_ref().and_then(|cache| Draft::new(cache, digest)))
    }
}

/// A copy that is being written while its bytes arrive.
pub(crate) struct NewCopy(Option<Draft>);

struct Draft {
    writer: WritableStreamDefaultWriter,
    /// Settles when the cache has taken the copy, or has refused it.
    put: Promise,
}

impl Draft {
    fn new(cache: &Cache, digest: Sha256Digest) -> Option<Self> {
        let pipe = TransformStream::new().ok()?;
        let response = Response::new_with_opt_readable_stream(Some(&pipe.readable())).ok()?;
        let writer = pipe.writable().get_writer().ok()?;
        let put = cache.put_with_str(&key(digest), &response);
        // Somebody has to hear of a refusal, or it counts as an unhandled one.
        let outcome = JsFuture::from(put.clone());
        spawn_local(async move {
            let _ = outcome.await;
        });
        Some(Self { writer, put })
    }
}

impl NewCopy {
    /// For what is not to be kept.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Adds a chunk. A cache that refuses (no room) ends the copy and nothing else.
    pub(crate) async fn write(&mut self, chunk: &Uint8Array) {
        let Some(draft) = &self.0 else { return };
        // A refusal may come without the chunk ever being taken: whichever is first.
        let written = draft.writer.write_with_chunk(chunk);
        let taken = Promise::race(&Array::of2(&written, &draft.put));
        if JsFuture::from(taken).await.is_err() {
            self.discard().await;
        }
    }

    /// The copy is complete and verified.
    pub(crate) async fn commit(self) {
        if let Some(draft) = self.0 {
            let closed = Promise::all(&Array::of2(&draft.writer.close(), &draft.put));
            let _ = JsFuture::from(closed).await;
        }
    }

    /// The copy is not to be kept: a body that breaks off is never stored.
    pub(crate) async fn discard(&mut self) {
        if let Some(draft) = self.0.take() {
            let _ = JsFuture::from(draft.writer.abort()).await;
        }
    }
}

/// Cache Storage wants addresses; this one is never fetched.
fn key(digest: Sha256Digest) -> String {
    format!("https://models.unmask.invalid/sha256/{digest}")
}
