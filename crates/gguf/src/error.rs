//! What can be wrong with a file, in sentences for people.

use crate::TensorType;

const DAMAGED: &str = "the file is damaged or not a GGUF; download it again";
const LIMIT: &str =
    "more than this reader accepts: the file is damaged, or not a model for this program";

/// Why a file was refused, or cannot be laid out.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)] // each message says what its fields are
pub enum Error {
    #[error("The file does not begin with GGUF: {}.", DAMAGED)]
    Magic,
    #[error(
        "This is a big-endian GGUF, which this reader does not know: use the little-endian file."
    )]
    BigEndian,
    #[error("GGUF version {0} is not supported: convert the model to version 2 or 3.")]
    Version(u32),
    #[error("The file breaks off after {received} bytes: download it again.")]
    Truncated { received: u64 },
    #[error(
        "The header describes {described} bytes, but the file has {actual}: {}.",
        DAMAGED
    )]
    Length { described: u64, actual: u64 },
    #[error("There are bytes after the last tensor: {}.", DAMAGED)]
    TrailingBytes,
    #[error("{count} metadata entries are {}.", LIMIT)]
    TooManyEntries { count: u64 },
    #[error("{count} tensors are {}.", LIMIT)]
    TooManyTensors { count: u64 },
    #[error("A text of {bytes} bytes in the header is {}.", LIMIT)]
    StringTooLong { bytes: u64 },
    #[error("The list {key:?} with {items} items is {}.", LIMIT)]
    ArrayTooLong { key: String, items: u64 },
    #[error("The metadata are larger than {limit} bytes, {}.", LIMIT)]
    MetadataTooLarge { limit: u64 },
    #[error("The lists in {key:?} are nested {depth} deep, {}.", LIMIT)]
    NestedTooDeep { key: String, depth: usize },
    #[error("A text in the header is not UTF-8: {}.", DAMAGED)]
    Utf8,
    #[error("The metadata entry {key:?} has the unknown type {id}: {}.", DAMAGED)]
    ValueType { key: String, id: u32 },
    #[error(
        "The metadata entry {key:?} has {byte} where 0 (false) or 1 (true) must be: {}.",
        DAMAGED
    )]
    Bool { key: String, byte: u8 },
    #[error("The metadata entry {key:?} comes twice: {}.", DAMAGED)]
    DuplicateKey { key: String },
    #[error("The alignment is not a power of two up to 65536: {}.", DAMAGED)]
    Alignment,
    #[error("The tensor {name:?} comes twice: {}.", DAMAGED)]
    DuplicateTensor { name: String },
    #[error("The tensor {name:?} has the unknown type {id}: quantize the model in another format.")]
    TensorType { name: String, id: u32 },
    #[error(
        "The tensor {name:?} has {dimensions} dimensions, where 1 to {limit} are expected: {}.",
        DAMAGED
    )]
    Dimensions {
        name: String,
        dimensions: u32,
        limit: u32,
    },
    #[error("The tensor {name:?} has a dimension of zero: {}.", DAMAGED)]
    ZeroDimension { name: String },
    #[error("The tensor {name:?} is {}.", LIMIT)]
    TensorTooLarge { name: String },
    #[error(
        "The tensor {name:?} has rows of {columns} values, which are not whole blocks of {ty}: {}.",
        DAMAGED
    )]
    Blocks {
        name: String,
        columns: usize,
        ty: TensorType,
    },
    #[error(
        "The tensor {name:?} begins at {offset}, which is not a multiple of {alignment}: {}.",
        DAMAGED
    )]
    Unaligned {
        name: String,
        offset: u64,
        alignment: u64,
    },
    #[error(
        "The tensor {name:?} begins at {offset}, before the end of the one before it ({end}): {}.",
        DAMAGED
    )]
    Overlap { name: String, offset: u64, end: u64 },
    #[error(
        "The tensor {name:?} begins at {offset}, leaving a hole after {end}: {}.",
        DAMAGED
    )]
    Gap { name: String, offset: u64, end: u64 },
    #[error(
        "There is no memory for the {bytes} bytes of the tensor {name:?}: close other pages, or choose a smaller model."
    )]
    Memory { name: String, bytes: u64 },
    #[error("Reading the file was given up at an earlier error: begin again.")]
    Stopped,
    #[error("The list {key:?} mixes types, which a GGUF cannot hold: make its items one type.")]
    MixedArray { key: String },
    #[error(
        "The tensor {name:?} was not expected here: write the tensors in the order of the layout."
    )]
    UnexpectedTensor { name: String },
    #[error(
        "The tensor {name:?} has {actual} bytes where its shape and type make {expected}: encode it anew."
    )]
    TensorBytes {
        name: String,
        expected: u64,
        actual: u64,
    },
    #[error(
        "{missing} tensors of the layout have not been written: write all of them before finishing."
    )]
    MissingTensors { missing: usize },
}

/// Why a stream stopped: its bytes, its source or sink, or whoever was given the tensors.
#[derive(Debug, thiserror::Error)]
pub enum StreamError<E> {
    /// The bytes are not a sound GGUF.
    #[error(transparent)]
    Gguf(#[from] Error),
    /// The reader or the writer failed.
    #[error("The file could not be read or written ({0}): check the disk and try again.")]
    Io(#[from] std::io::Error),
    /// `on_tensor` refused a tensor.
    #[error("{0}")]
    Consumer(E),
}
