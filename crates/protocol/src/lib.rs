//! What the page and the engine say to each other: requests, events, tensor headers.
//!
//! Everything here crosses `postMessage` as a plain object with camelCase fields. `unmask.js` builds the
//! requests, the worker answers with events, and the app reads results as these same types, so the three
//! cannot drift apart. Positions in text are UTF-16 code units, as JavaScript counts them.

mod request;
mod response;

pub use request::*;
pub use response::*;
