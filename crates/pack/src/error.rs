//! What can be wrong with a checkpoint, in sentences for people.

use std::io;

/// Why a checkpoint could not be packed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each message says what its fields are
pub enum Error {
    #[error("{file} could not be read ({source}): check the disk or the connection and try again.")]
    Read { file: String, source: io::Error },
    #[error(
        "The file name {file:?} leads out of the checkpoint's folder: do not use this checkpoint."
    )]
    FileName { file: String },
    #[error("There is no {files}: download the whole checkpoint.")]
    MissingFile { files: &'static str },
    #[error(
        "{file} has {bytes} bytes, more than the {limit} that are accepted: it is not what its name says."
    )]
    FileTooLong {
        file: String,
        bytes: u64,
        limit: u64,
    },
    #[error("{file} is not UTF-8 text: download it again.")]
    Utf8 { file: String },
    #[error("{file} is not the JSON it should be ({reason}): download it again.")]
    Json { file: String, reason: String },
    #[error("{file} is not sound ({fault}): download it again.")]
    Safetensors {
        file: String,
        fault: SafetensorsFault,
    },
    #[error("{file} cannot be opened: {fault}.")]
    Pickle { file: String, fault: PickleFault },
    #[error("The tensor {name:?} is in two files: download the checkpoint again.")]
    DuplicateTensor { name: String },
    #[error(
        "The index says that {file} has the tensor {name:?}, but it has not: download the checkpoint again."
    )]
    MissingShardTensor { file: String, name: String },
    #[error(
        "The model type {model_type:?} is not supported: use a BERT, DistilBERT, BART or mBART checkpoint."
    )]
    Architecture { model_type: String },
    #[error(
        "The tensor {name:?} has values of type {dtype}, which no weight of a BERT or BART has: check the checkpoint."
    )]
    IntegerWeight { name: String, dtype: &'static str },
    #[error(
        "The tensor {name:?} contains a value that is not finite: the checkpoint is broken, use another one."
    )]
    NotFinite { name: String },
    #[error(
        "{file} cannot be made into a tokenizer ({reason}): save the checkpoint with a tokenizer.json."
    )]
    Tokenizer { file: &'static str, reason: String },
    #[error(
        "config.json describes its heads or tasks wrongly ({reason}): correct `unmask_heads` or `unmask_tasks`."
    )]
    Heads { reason: String },
    #[error("The tensor {name:?} could not be quantized ({reason}): choose F16 or F32.")]
    Quantize { name: String, reason: String },
    #[error(transparent)]
    Gguf(#[from] unmask_gguf::Error),
    #[error("The model file could not be written ({0}): make room and try again.")]
    Write(#[from] io::Error),
}

/// What is wrong with a safetensors file.
#[derive(Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)] // each message says what its fields are
pub enum SafetensorsFault {
    #[error("it is too short")]
    TooShort,
    #[error("its header has {bytes} bytes")]
    HeaderLength { bytes: u64 },
    #[error("its header is not the JSON it should be: {0}")]
    Json(String),
    #[error("the type {dtype:?} of the tensor {name:?} is unknown")]
    Dtype { name: String, dtype: String },
    #[error("the tensor {name:?} is not as long as its shape and type make it")]
    Size { name: String },
    #[error("the tensor {name:?} begins before the end of another, or leaves a hole")]
    Place { name: String },
    #[error("its tensors end at {described} of {actual} bytes")]
    Length { described: u64, actual: u64 },
}

/// What is wrong with a PyTorch file.
#[derive(Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)] // each message says what its fields are
pub enum PickleFault {
    #[error(
        "it is no zip file ({0}); files saved before PyTorch 1.6 have to be saved anew, others downloaded again"
    )]
    Zip(String),
    #[error("it has no data.pkl, so it is not a PyTorch checkpoint; download it again")]
    NoPickle,
    #[error("its data.pkl has {bytes} bytes, more than any checkpoint's; do not use this file")]
    TooLong { bytes: u64 },
    #[error(
        "it wants to call {name}, which no weights need; do not use this file, it may be harmful"
    )]
    Forbidden { name: String },
    #[error(
        "its pickle has the operation {opcode:#04x}, which no weights need; save them as safetensors"
    )]
    Opcode { opcode: u8 },
    #[error("its pickle ends too early or contradicts itself; download it again")]
    Malformed,
    #[error(
        "the tensor {name:?} lies outside its storage or shares values with itself; download it again"
    )]
    Extent { name: String },
    #[error("the storage {key:?} is missing, compressed or too short; download it again")]
    Storage { key: String },
    #[error("it holds no tensors by name; save the model's state dictionary alone")]
    NoTensors,
    #[error("its numbers are big-endian; save it on a little-endian machine")]
    BigEndian,
}
