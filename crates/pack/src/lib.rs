//! Hugging Face checkpoint in, one quantized GGUF out, with a fidelity report.
//!
//! [`Plan::new`] reads a folder's small files and its weights' headers, and decides what goes into the file;
//! [`Plan::write`] streams the tensors through, one in memory at a time; [`Plan::pieces`] lets whoever fetches the
//! checkpoint over a network do the same in the order in which it arrives. The library knows neither browser nor
//! command line: a folder is anything that answers reads by range ([`Folder`]). Nothing in a checkpoint is trusted,
//! and nothing in it is executed.

mod architecture;
mod checkpoint;
mod convert;
mod error;
mod heads;
mod json;
mod metadata;
mod pickle;
mod quantize;
mod read_at;
mod safetensors;
mod tokenizer;
mod zip_entry;

pub use convert::{EncodedPiece, Fallback, Options, Piece, Plan, TensorReport};
pub use error::{Error, PickleFault, SafetensorsFault};
pub use quantize::{Quantization, Quantized, quantize};
pub use read_at::{Directory, Folder, ReadAt};
