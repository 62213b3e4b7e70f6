//! BERT and BART from one quantized GGUF file: masks, attention, generation, tokenization, capture.
//!
//! The crate knows no browser: everything here runs and is tested natively, and compiles to WebAssembly
//! unchanged. A model is read with [`ModelReader`] (bytes in chunks of any size) or [`ModelFile::read`]
//! and becomes a [`bert::Bert`] or a [`bart::Bart`]; the functions under [`tasks`] answer a reader's
//! questions with them.

mod attention;
pub mod bart;
pub mod bert;
mod capture;
mod compute;
mod error;
pub mod generation;
mod heads_off;
mod kv_cache;
mod layers;
mod mask;
mod matrix;
mod model_file;
mod requantize;
pub mod tasks;
mod tokenization;
mod weights;

pub use attention::{AttentionInput, KeyValue, MultiHeadAttention};
pub use capture::{AttentionKind, AttentionRecord, Capture};
pub use error::{Error, ErrorKind, Result};
pub use heads_off::{Attending, HeadsOff, LayerHeadsOff};
pub use kv_cache::KvCache;
pub use layers::{Activation, Embedding, FeedForward, LayerNorm, Linear};
pub use mask::{AttentionMask, MaskPattern};
pub use matrix::{MatMul, Matrix};
pub use model_file::{HeadKind, HeadSpec, ModelFile, ModelReader, TaskSpec};
pub use requantize::Requantization;
pub use tokenization::{Encoding, Token, Tokenizer, Truncation};
pub use weights::Weights;
