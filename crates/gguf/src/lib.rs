//! The GGUF container: a streaming decoder that distrusts its input, and a writer.
//!
//! A file is a header (metadata, then one record a tensor) and the tensors' bytes, each aligned. [`Decoder`] takes
//! the file in chunks of any size, as `fetch` hands them out, and passes on each tensor when its last byte is in:
//! it never holds more than the header and one tensor. [`Layout`] knows the whole file but the tensors' contents, so
//! that a writer can stream too. GGUF versions 2 and 3, little endian; no I/O but [`read`] and [`Writer`].
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>

mod decoder;
mod error;
mod header;
mod layout;
mod tensor_type;
mod value;

pub use decoder::{Decoder, OnPiece, OnTensor, TensorBuffer, read};
pub use error::{Error, StreamError};
pub use header::{Header, Limits, TensorInfo};
pub use layout::{Layout, Writer};
pub use tensor_type::TensorType;
pub use value::{Value, ValueType};
