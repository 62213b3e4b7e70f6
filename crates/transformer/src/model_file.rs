//! One GGUF file as a model's parts: configuration, tokenizers, heads, tasks and weights.

use std::io::Read;

use serde::Deserialize;
use serde_json::Value;
use unmask_gguf::{Decoder, Header, Limits, StreamError};

use crate::matrix::MatrixReader;
use crate::requantize::Requantization;
use crate::{Error, MatMul, Result, Tokenizer, Weights};

/// A task head that the file says it carries.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct HeadSpec {
    /// By which a reader asks for it.
    pub name: String,
    /// What it does.
    pub kind: HeadKind,
    /// Its outputs' names in order.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Where its tensors are.
    #[serde(default)]
    pub prefix: String,
    /// Whether labels exclude each other (softmax) or not (sigmoid).
    #[serde(default)]
    pub multi_label: bool,
    /// Question answering: the refusal wins where it beats the best span by more than this (logits).
    #[serde(default)]
    pub null_threshold: f32,
    /// Question answering: tokens in one window, question included, where the head was trained on fewer than the
    /// model has positions.
    #[serde(default)]
    pub max_length: Option<usize>,
}

/// Kinds of heads.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum HeadKind {
    /// Fills masked tokens.
    MaskedLm,
    /// Does the second segment follow the first?
    NextSentence,
    /// Labels the whole input.
    SequenceClassification,
    /// Labels each token.
    TokenClassification,
    /// Marks an answer in a passage.
    QuestionAnswering,
}

impl HeadKind {
    /// As files and pages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaskedLm => "masked-lm",
            Self::NextSentence => "next-sentence",
            Self::SequenceClassification => "sequence-classification",
            Self::TokenClassification => "token-classification",
            Self::QuestionAnswering => "question-answering",
        }
    }
}

/// A generation task that the file says the model was trained for.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct TaskSpec {
    /// By which a reader asks for it.
    pub name: String,
    /// The special token that stands first in the encoder's input, in place of the tokenizer's own.
    #[serde(default)]
    pub source_token: Option<String>,
    /// The special token that the decoder is made to say first.
    #[serde(default)]
    pub target_token: Option<String>,
}

/// Everything that one file holds.
pub struct ModelFile {
    /// `bert` or `bart`.
    pub architecture: String,
    /// What its makers call it.
    pub name: String,
    /// SPDX expression.
    pub license: Option<String>,
    /// `Q8_0` and so on.
    pub quantization: String,
    /// The checkpoint's `config.json`.
    pub config: Value,
    /// The checkpoint's `generation_config.json`, or null.
    pub generation_config: Value,
    /// What splits texts.
    pub tokenizer: Tokenizer,
    /// The output side's, where it differs.
    pub target_tokenizer: Option<Tokenizer>,
    /// Task heads.
    pub heads: Vec<HeadSpec>,
    /// Generation tasks.
    pub tasks: Vec<TaskSpec>,
    /// Stored parameters.
    pub parameters: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// The tensors.
    pub weights: Weights,
}

impl ModelFile {
    /// Reads a whole file.
    ///
    /// # Errors
    /// `Integrity` where the file is damaged, cut short or not a model, `Unsupported` for other block formats.
    pub fn read(mut reader: impl Read) -> Result<Self> {
        let mut model = ModelReader::default();
        let mut chunk = vec![0; 1 << 20];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return model.finish(),
                Ok(n) => model.push(&chunk[..n])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Error::integrity(format!(
                        "The model file could not be read: {error}."
                    )));
                }
            }
        }
    }

    fn new(header: &Header, tokenizers: Tokenizers, weights: Weights) -> Result<Self> {
        let text = |key: &str| {
            let value = header.metadata.get(key).and_then(|value| value.as_str());
            value.map(str::to_owned)
        };
        let required = |key: &str| {
            text(key).ok_or_else(|| Error::integrity(format!("The file does not say its `{key}`.")))
        };
        let count = |shape: &[usize]| shape.iter().map(|&n| n as u64).product::<u64>();
        Ok(Self {
            architecture: required("general.architecture")?,
            name: text("general.name").unwrap_or_else(|| "unnamed model".to_owned()),
            license: text("general.license"),
            quantization: text("unmask.quantization").unwrap_or_else(|| "mixed".to_owned()),
            config: json(
                "config.huggingface.json",
                Some(required("config.huggingface.json")?),
            )?,
            generation_config: json(
                "generation_config.huggingface.json",
                text("generation_config.huggingface.json"),
            )?,
            tokenizer: tokenizers.source,
            target_tokenizer: tokenizers.target,
            heads: json(
                "unmask.heads",
                text("unmask.heads").or(Some("[]".to_owned())),
            )?,
            tasks: json(
                "unmask.tasks",
                text("unmask.tasks").or(Some("[]".to_owned())),
            )?,
            parameters: header
                .tensors
                .iter()
                .map(|tensor| count(&tensor.shape))
                .sum(),
            bytes: header.file_bytes(),
            weights,
        })
    }

    /// The checkpoint's configuration as an architecture's own type.
    ///
    /// # Errors
    /// `Integrity` where a field is missing or of the wrong type.
    pub fn config<T: for<'de> Deserialize<'de>>(&self) -> Result<T> {
        T::deserialize(&self.config).map_err(|error| {
            Error::integrity(format!("The model's config.json does not fit: {error}."))
        })
    }
}

/// A file's tokenizers.
struct Tokenizers {
    source: Tokenizer,
    target: Option<Tokenizer>,
}

impl Tokenizers {
    const SOURCE: &str = "tokenizer.huggingface.json";
    const TARGET: &str = "tokenizer.target.huggingface.json";

    /// Takes them out of the header, if it has come.
    fn take(decoder: &mut Decoder) -> Result<Option<Self>> {
        if decoder.header().is_none() {
            return Ok(None);
        }
        let source = decoder.take_text(Self::SOURCE).ok_or_else(|| {
            Error::integrity(format!("The file does not say its `{}`.", Self::SOURCE))
        })?;
        let source = Tokenizer::new(&source)?;
        let target = decoder.take_text(Self::TARGET);
        let target = target.as_deref().map(Tokenizer::new).transpose()?;
        Ok(Some(Self { source, target }))
    }
}

/// Builds a [`ModelFile`] from bytes that arrive in chunks. What the kernels multiply with is packed as it arrives; of
/// the rest, never more than one tensor waits for its end.
pub struct ModelReader {
    decoder: Decoder,
    /// Made as soon as the header is there: what their JSON takes while it is read, several times its length, is free again
    /// for the weights.
    tokenizers: Option<Tokenizers>,
    requantization: Option<Requantization>,
    matrices: MatrixReader,
    weights: Weights,
}

impl Default for ModelReader {
    fn default() -> Self {
        Self::new(MatMul::default(), None)
    }
}

impl ModelReader {
    /// A reader of a model that `matmul` multiplies with, perhaps at another quantization than the file's.
    pub fn new(matmul: MatMul, requantization: Option<Requantization>) -> Self {
        Self {
            decoder: Decoder::new(Limits::default()),
            tokenizers: None,
            requantization,
            matrices: MatrixReader::new(matmul, requantization),
            weights: Weights::default(),
        }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// As [`ModelFile::read`].
    pub fn push(&mut self, chunk: &[u8]) -> Result<()> {
        let (matrices, weights) = (&mut self.matrices, &self.weights);
        self.decoder
            .push_pieces(chunk, &mut |info, piece| {
                matrices.push(info, piece, weights)
            })
            .map_err(|error| match error {
                StreamError::Consumer(error) => error,
                other => Error::integrity(other.to_string()),
            })?;
        if self.tokenizers.is_none() {
            self.tokenizers = Tokenizers::take(&mut self.decoder)?;
        }
        Ok(())
    }

    /// The file ends here.
    ///
    /// # Errors
    /// `Integrity` where something is missing.
    pub fn finish(self) -> Result<ModelFile> {
        let header = self.decoder.finish()?;
        let tokenizers = self
            .tokenizers
            .ok_or_else(|| Error::integrity("The file ended before its header did."))?;
        let mut file = ModelFile::new(&header, tokenizers, self.weights)?;
        if let Some(requantization) = self.requantization {
            file.quantization = requantization.name().to_owned();
            file.bytes = requantization.file_bytes(&header);
        }
        Ok(file)
    }
}

impl From<unmask_gguf::Error> for Error {
    fn from(error: unmask_gguf::Error) -> Self {
        Self::integrity(error.to_string())
    }
}

/// Configurations have a few kilobytes, or a megabyte where thousands of labels are listed. A byte of JSON can cost a
/// hundred once it is parsed.
const JSON_LIMIT: usize = 2 << 20;

fn json<T: for<'de> Deserialize<'de>>(key: &str, text: Option<String>) -> Result<T> {
    let text = text.as_deref().unwrap_or("null");
    if text.len() > JSON_LIMIT {
        return Err(Error::integrity(format!(
            "The file's `{key}` has {} bytes, more than the {JSON_LIMIT} that are accepted.",
            text.len()
        )));
    }
    serde_json::from_str(text).map_err(|error| {
        Error::integrity(format!(
            "The file's `{key}` is not the JSON it should be: {error}."
        ))
    })
}
