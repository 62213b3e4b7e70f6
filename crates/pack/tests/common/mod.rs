//! What the tests share: folders in memory, and packed files taken apart again.
#![allow(dead_code, reason = "each test uses a part")]

pub mod mutate;
pub mod tiny;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use unmask_gguf::{Header, Limits, TensorInfo, read};
use unmask_pack::{Error, Folder, Options, Plan, Quantization, ReadAt};

/// A checkpoint's files by name.
#[derive(Clone, Default)]
pub struct Memory(pub BTreeMap<String, Vec<u8>>);

impl Memory {
    pub fn with(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.insert(name.to_owned(), bytes.into());
        self
    }
}

impl Folder for Memory {
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn ReadAt>>> {
        let file = self.0.get(name).cloned();
        Ok(file.map(|bytes| Box::new(bytes) as Box<dyn ReadAt>))
    }
}

/// A folder with everything but weights.
pub fn without_weights() -> Memory {
    Memory::default()
        .with("config.json", r#"{"model_type":"bert"}"#)
        .with("tokenizer.json", "{}")
}

/// A safetensors file of f32 tensors that count up from zero.
pub fn safetensors(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, shape) in tensors {
        let begin = data.len();
        for i in 0..shape.iter().product() {
            data.extend((i as f32).to_le_bytes());
        }
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] });
        header.insert((*name).to_owned(), entry);
    }
    raw_safetensors(&serde_json::Value::from(header).to_string(), &data)
}

/// A safetensors file with this header, sound or not.
pub fn raw_safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        data,
    ]
    .concat()
}

pub fn options(quantization: &str) -> Options {
    let quantization: Quantization = quantization.parse().unwrap();
    Options {
        quantization,
        name: Some("model".into()),
        license: None,
        source: None,
        revision: None,
    }
}

pub fn pack(folder: &dyn Folder, quantization: &str) -> Result<Vec<u8>, Error> {
    Plan::new(folder, &options(quantization))?.write(Vec::new(), &mut |_| {})
}

/// A packed file's header, and its tensors by name.
pub fn unpack(file: &[u8]) -> (Header, BTreeMap<String, (TensorInfo, Vec<u8>)>) {
    let mut tensors = BTreeMap::new();
    let header = read(file, Limits::default(), |info, bytes| {
        tensors.insert(info.name.clone(), (info.clone(), bytes));
        Ok::<(), Infallible>(())
    });
    (header.unwrap(), tensors)
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}
