//! The tensors of one file, handed out by checkpoint name and checked against the shape that the
//! configuration promises.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use unmask_gguf::{TensorInfo, TensorType};

use crate::{Embedding, Error, LayerNorm, Linear, MultiHeadAttention, Result};

/// Tensors under a common name prefix. Each can be taken once: whoever takes it owns its memory.
#[derive(Clone, Default)]
pub struct Weights {
    tensors: Rc<RefCell<HashMap<String, QTensor>>>,
    prefix: String,
}

impl Weights {
    /// Adds a tensor as it comes from a file.
    ///
    /// # Errors
    /// `Unsupported` for a block format that candle does not compute with, `Integrity` where bytes and
    /// shape disagree.
    pub(crate) fn insert(&self, info: &TensorInfo, bytes: Vec<u8>) -> Result<()> {
        let dtype = ggml_type(info)?;
        let damaged = |error| {
            Error::integrity(format!(
                "The tensor {} could not be read: {error}.",
                info.name
            ))
        };
        let storage = QStorage::from_data(bytes.into(), &Device::Cpu, dtype).map_err(damaged)?;
        let tensor = QTensor::new(storage, info.shape.as_slice()).map_err(damaged)?;
        self.tensors.borrow_mut().insert(info.name.clone(), tensor);
        Ok(())
    }

    /// The tensors below `segment`.
    pub fn pp(&self, segment: impl std::fmt::Display) -> Self {
        Self {
            tensors: self.tensors.clone(),
            prefix: self.name(&segment.to_string()),
        }
    }

    /// Whether `name` is there.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.borrow().contains_key(&self.name(name))
    }

    /// The shape of `name`, where it is there.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let tensors = self.tensors.borrow();
        Some(tensors.get(&self.name(name))?.shape().dims().to_vec())
    }

    /// Hands out `name`.
    ///
    /// # Errors
    /// `Integrity` where it is missing or has another shape.
    pub fn take(&self, name: &str, shape: &[usize]) -> Result<Arc<QTensor>> {
        let name = self.name(name);
        let mut tensors = self.tensors.borrow_mut();
        let found = tensors
            .get(&name)
            .ok_or_else(|| Error::integrity(format!("The file lacks the tensor {name}.")))?;
        if found.shape().dims() != shape {
            return Err(Error::integrity(format!(
                "The tensor {name} has shape {:?}, but the configuration asks for {shape:?}.",
                found.shape().dims()
            )));
        }
        let tensor = tensors.remove(&name).expect("looked up just above");
        Ok(Arc::new(tensor))
    }

    /// `name` as plain f32.
    ///
    /// # Errors
    /// As [`Weights::take`].
    pub fn dense(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        Ok(self.take(name, shape)?.dequantize(&Device::Cpu)?)
    }

    /// `weight [output, input]` and `bias [output]`.
    ///
    /// # Errors
    /// As [`Weights::take`].
    pub fn linear(&self, input: usize, output: usize) -> Result<Linear> {
        let weight = self.take("weight", &[output, input])?;
        Linear::new(weight, Some(self.dense("bias", &[output])?))
    }

    /// `weight` and `bias`, both `[size]`; the first BERT checkpoints call them `gamma` and `beta`.
    ///
    /// # Errors
    /// As [`Weights::take`].
    pub fn layer_norm(&self, size: usize, eps: f64) -> Result<LayerNorm> {
        let names = match self.contains("gamma") {
            true => ["gamma", "beta"],
            false => ["weight", "bias"],
        };
        let [weight, bias] = names.map(|name| self.dense(name, &[size]));
        let (weight, bias) = (weight?, bias?);
        Ok(LayerNorm::new(weight, bias, eps))
    }

    /// `weight [rows, hidden]`, kept as it is stored.
    ///
    /// # Errors
    /// As [`Weights::take`].
    pub fn embedding(&self, rows: usize, hidden: usize) -> Result<Embedding> {
        Ok(Embedding::new(self.take("weight", &[rows, hidden])?))
    }

    /// An attention whose query, key, value and output projections have these names.
    ///
    /// # Errors
    /// As [`Weights::take`].
    pub fn attention(
        &self,
        names: [&str; 4],
        d_model: usize,
        heads: usize,
    ) -> Result<MultiHeadAttention> {
        if heads == 0 || !d_model.is_multiple_of(heads) {
            return Err(Error::integrity(format!(
                "The configuration divides a width of {d_model} among {heads} attention heads."
            )));
        }
        let [q, k, v, o] = names.map(|name| self.pp(name).linear(d_model, d_model));
        Ok(MultiHeadAttention::new(
            [q?, k?, v?, o?],
            heads,
            d_model / heads,
        ))
    }

    fn name(&self, name: &str) -> String {
        match (self.prefix.as_str(), name) {
            ("", name) => name.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, name) => format!("{prefix}.{name}"),
        }
    }
}

fn ggml_type(info: &TensorInfo) -> Result<GgmlDType> {
    Ok(match info.ty {
        TensorType::F32 => GgmlDType::F32,
        TensorType::F16 => GgmlDType::F16,
        TensorType::Q4_0 => GgmlDType::Q4_0,
        TensorType::Q8_0 => GgmlDType::Q8_0,
        TensorType::Q4K => GgmlDType::Q4K,
        TensorType::Q6K => GgmlDType::Q6K,
        other => {
            return Err(Error::unsupported(
                format!(
                    "The tensor {} is stored as {other:?}, which this engine does not compute with.",
                    info.name
                ),
                "Convert the model with unmask-pack to F32, F16, Q8_0, Q6_K, Q4_K or Q4_0.",
            ));
        }
    })
}
