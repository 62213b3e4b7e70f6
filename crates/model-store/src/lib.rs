//! Getting a model in the browser: catalogue, resumable fetch, verification, storage.
//!
//! A model's bytes go to a [`Sink`] chunk by chunk as they arrive, so that memory stays near the size of
//! the file. A file that the [`catalogue`] knows is verified against its length and SHA-256 on every load. A copy
//! grows beside it in the browser's private file system ([`storage`]), survives cuts and closed tabs ([`download`]),
//! and counts once it is whole and has passed. Everything here runs in a dedicated web worker.

pub mod catalogue;
pub mod digest;
pub mod download;
mod error;
pub mod facts;
pub mod fetch;
mod growing;
mod load;
pub mod lock;
mod progress;
pub mod quota;
pub mod record;
pub mod retry;
pub mod storage;
pub mod stream;
pub mod timer;

pub use error::{Error, ErrorKind};
pub use load::{
    Sink, digest_of_stored, keep_file, keep_url, load_entry, load_file, load_stored, load_url, now,
    url_id,
};
pub use progress::{Meter, Phase, Progress};
