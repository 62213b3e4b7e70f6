//! A model in memory, and how its file becomes one.

use std::cell::Cell;

use unmask_model_store::Sink;
use unmask_model_store::catalogue::Sha256Digest;
use unmask_protocol::{ErrorCode, HeadInfo, ModelInfo};
use unmask_transformer::bart::Bart;
use unmask_transformer::bert::Bert;
use unmask_transformer::{HeadSpec, MatMul, ModelFile, ModelReader, Requantization};

use crate::failure::Failure;

/// Either architecture.
pub enum Model {
    Bert(Box<Bert>),
    Bart(Box<Bart>),
}

/// A model that answers requests.
pub struct LoadedModel {
    pub info: ModelInfo,
    pub model: Model,
    /// Of its file, where the catalogue knows it.
    pub digest: Option<Sha256Digest>,
    /// What its matrices were encoded in anew.
    pub requantization: Option<Requantization>,
}

thread_local! {
    /// Who multiplies with the quantized weights of models that are loaded from now on.
    pub static MATMUL: Cell<MatMul> = const { Cell::new(MatMul::Kernels) };
    /// What the matrices of the model that is being loaded become.
    pub static REQUANTIZATION: Cell<Option<Requantization>> = const { Cell::new(None) };
}

/// Takes a model's bytes as they arrive.
pub struct Reader(ModelReader);

impl Default for Reader {
    fn default() -> Self {
        Self(ModelReader::new(MATMUL.get(), REQUANTIZATION.get()))
    }
}

impl Sink for Reader {
    type Model = ModelFile;
    type Error = Failure;

    fn push(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        Ok(self.0.push(chunk)?)
    }

    fn finish(self) -> Result<ModelFile, Failure> {
        Ok(self.0.finish()?)
    }
}

impl LoadedModel {
    /// Builds the model that a file holds.
    ///
    /// # Errors
    /// `Unsupported` for another architecture, and what the architecture finds wrong.
    pub fn new(file: ModelFile, digest: Option<Sha256Digest>) -> Result<Self, Failure> {
        let mut info = ModelInfo {
            name: file.name.clone(),
            architecture: file.architecture.clone(),
            parameters: file.parameters,
            quantization: file.quantization.clone(),
            bytes: file.bytes,
            layers: 0,
            attention_heads: 0,
            hidden_size: 0,
            max_positions: 0,
            heads: Vec::new(),
            tasks: file.tasks.iter().map(|task| task.name.clone()).collect(),
            license: file.license.clone(),
            mask_token: None,
        };
        let model = match file.architecture.as_str() {
            "bert" => {
                let bert = Bert::new(file)?;
                info.layers = bert.config.num_hidden_layers;
                info.attention_heads = bert.config.num_attention_heads;
                info.hidden_size = bert.config.hidden_size;
                info.max_positions = bert.config.max_position_embeddings;
                info.heads = bert.heads().map(head_info).collect();
                info.mask_token = bert.tokenizer.mask_token().map(str::to_owned);
                Model::Bert(Box::new(bert))
            }
            "bart" => {
                let bart = Bart::new(file)?;
                info.layers = bart.config.encoder_layers;
                info.attention_heads = bart.config.encoder_attention_heads;
                info.hidden_size = bart.config.d_model;
                info.max_positions = bart.config.max_position_embeddings;
                info.heads = bart.heads.iter().map(head_info).collect();
                info.mask_token = bart.tokenizer.mask_token().map(str::to_owned);
                Model::Bart(Box::new(bart))
            }
            other => {
                return Err(Failure::new(
                    ErrorCode::Unsupported,
                    format!("The file holds a model of the architecture \"{other}\"."),
                    "Load a BERT or a BART that unmask-pack has written.",
                ));
            }
        };
        Ok(Self {
            info,
            model,
            digest,
            requantization: REQUANTIZATION.get(),
        })
    }
}

fn head_info(head: &HeadSpec) -> HeadInfo {
    HeadInfo {
        name: head.name.clone(),
        kind: head.kind.as_str().to_owned(),
        labels: head.labels.clone(),
    }
}
