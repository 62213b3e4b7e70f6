//! Checkpoints for tests: a folder as Hugging Face saves it, made into a model file at the type a test wants.
#![allow(dead_code)] // each test binary uses a part
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use unmask_gguf::{Layout, TensorType, Writer};
use unmask_transformer::ModelFile;

/// The folder of tiny random checkpoints, and of what PyTorch made of them.
pub fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens")
}

/// JSON at a path.
pub fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Tensors at a path.
pub fn read_tensors(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The parts of a model file, to be changed by tests before it is written.
#[derive(Clone)]
pub struct Checkpoint {
    pub config: Value,
    pub generation_config: Value,
    pub tokenizer: Value,
    pub target_tokenizer: Option<Value>,
    pub heads: Value,
    pub tasks: Value,
    pub tensors: HashMap<String, Tensor>,
}

impl Checkpoint {
    /// A folder with `config.json`, `tokenizer.json`, `model.safetensors` and, where they are there,
    /// `generation_config.json` and `heads.json`.
    pub fn read(folder: &Path) -> Self {
        let optional = |name: &str, default: Value| match folder.join(name).exists() {
            true => read_json(&folder.join(name)),
            false => default,
        };
        Self {
            config: read_json(&folder.join("config.json")),
            generation_config: optional("generation_config.json", Value::Null),
            tokenizer: optional("tokenizer.json", Value::Null),
            target_tokenizer: None,
            heads: optional("heads.json", json!([])),
            tasks: json!([]),
            tensors: read_tensors(&folder.join("model.safetensors")),
        }
    }

    /// The bytes of the file: matrices as `ty` where their rows are whole blocks, everything else as F32.
    pub fn gguf(&self, ty: GgmlDType) -> Vec<u8> {
        let architecture = match self.config["model_type"].as_str() {
            Some("mbart") => "bart",
            Some("distilbert") => "bert",
            other => other.unwrap_or("bert"),
        };
        let mut metadata: BTreeMap<String, unmask_gguf::Value> = [
            ("general.architecture", architecture.to_owned()),
            ("config.huggingface.json", self.config.to_string()),
            ("tokenizer.huggingface.json", self.tokenizer.to_string()),
            ("unmask.heads", self.heads.to_string()),
            ("unmask.tasks", self.tasks.to_string()),
            ("unmask.quantization", format!("{ty:?}")),
        ]
        .into_iter()
        .map(|(key, text)| (key.to_owned(), text.into()))
        .collect();
        if !self.generation_config.is_null() {
            let text = self.generation_config.to_string();
            metadata.insert("generation_config.huggingface.json".to_owned(), text.into());
        }
        if let Some(target) = &self.target_tokenizer {
            let key = "tokenizer.target.huggingface.json".to_owned();
            metadata.insert(key, target.to_string().into());
        }
        let sorted: BTreeMap<_, _> = self.tensors.iter().collect();
        let quantized: Vec<(&String, QTensor)> = sorted
            .into_iter()
            .filter_map(|(name, tensor)| {
                let tensor = tensor.to_dtype(candle_core::DType::F32).ok()?;
                let row = *tensor.dims().last()?;
                let is_matrix = tensor.rank() == 2 && row % ty.block_size() == 0;
                let ty = if is_matrix { ty } else { GgmlDType::F32 };
                Some((name, QTensor::quantize(&tensor, ty).unwrap()))
            })
            .collect();
        let infos = quantized.iter().map(|(name, tensor)| {
            let ty = TensorType::from_name(&format!("{:?}", tensor.dtype())).unwrap();
            ((*name).clone(), tensor.shape().dims().to_vec(), ty)
        });
        let layout = Layout::new(metadata, infos.collect()).unwrap();
        let mut writer = Writer::new(layout, Vec::new()).unwrap();
        for (name, tensor) in &quantized {
            writer.tensor(name, &tensor.data().unwrap()).unwrap();
        }
        writer.finish().unwrap()
    }

    /// The file, read back.
    pub fn model(&self, ty: GgmlDType) -> ModelFile {
        ModelFile::read(self.gguf(ty).as_slice()).unwrap()
    }
}

/// The largest difference between two tensors of one shape.
pub fn max_difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let difference = (a - b).unwrap().abs().unwrap();
    difference
        .flatten_all()
        .unwrap()
        .max(0)
        .unwrap()
        .to_scalar()
        .unwrap()
}

/// Asserts that two tensors of one shape differ by at most `tolerance`.
pub fn assert_close(what: &str, a: &Tensor, b: &Tensor, tolerance: f32) {
    let difference = max_difference(a, b);
    assert!(difference <= tolerance, "{what} differs by {difference}");
}
