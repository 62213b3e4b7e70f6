//! What the page says to the engine and to the importer, and what they answer: requests, events, tensor headers.
//!
//! Everything here crosses `postMessage` as a plain object with camelCase fields. `unmask.js` builds the
//! requests, the worker answers with events, and the app reads results as these same types, so the three
//! cannot drift apart. Positions in text are UTF-16 code units, as JavaScript counts them.

mod library;
mod request;
mod response;

pub use library::*;
pub use request::*;
pub use response::*;
