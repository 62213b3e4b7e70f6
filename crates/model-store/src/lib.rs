//! Getting a model in the browser: catalogue, fetch with progress, verification, cache.
//!
//! A model's bytes go to a [`Sink`] chunk by chunk as they arrive, so that memory stays near the size of
//! the file. A file that the [`catalogue`] knows is verified against its length and SHA-256 on every load,
//! and a copy is kept in Cache Storage once it has passed. Everything here runs in a web worker.

mod cache;
pub mod catalogue;
mod error;
mod fetch;
mod load;
mod progress;
mod stream;

pub use error::{Error, ErrorKind};
pub use load::{Sink, load_entry, load_file, load_url};
pub use progress::{Phase, Progress};
