//! The tensors of one file, handed out by checkpoint name and checked against the shape that the
//! configuration promises.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use candle_core::Tensor;

use crate::{Embedding, Error, LayerNorm, Linear, Matrix, MultiHeadAttention, Result};

/// Tensors under a common name prefix. Each can be taken once: whoever takes it owns its memory.
#[derive(Clone, Default)]
pub struct Weights {
    tensors: Rc<RefCell<HashMap<String, Matrix>>>,
    prefix: String,
}

impl Weights {
    pub(crate) fn insert(&self, name: &str, matrix: Matrix) {
        self.tensors.borrow_mut().insert(name.to_owned(), matrix);
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
        Some(tensors.get(&self.name(name))?.shape())
    }

    /// Hands out `name`.
    ///
    /// # Errors
    /// `Integrity` where it is missing or has another shape.
    pub fn take(&self, name: &str, shape: &[usize]) -> Result<Matrix> {
        let name = self.name(name);
        let mut tensors = self.tensors.borrow_mut();
        let found = tensors
            .get(&name)
            .ok_or_else(|| Error::integrity(format!("The file lacks the tensor {name}.")))?;
        if found.shape() != shape {
            return Err(Error::integrity(format!(
                "The tensor {name} has shape {:?}, but the configuration asks for {shape:?}.",
                found.shape()
            )));
        }
        Ok(tensors.remove(&name).expect("looked up just above"))
    }

    /// `name` as plain f32.
    ///
    /// # Errors
    /// As [`Weights::take`].
    pub fn dense(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.take(name, shape)?.dequantize()
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
        let key_value = Linear::stack(k?, v?)?;
        Ok(MultiHeadAttention::new(q?, key_value, o?, heads, d_model))
    }

    fn name(&self, name: &str) -> String {
        match (self.prefix.as_str(), name) {
            ("", name) => name.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, name) => format!("{prefix}.{name}"),
        }
    }
}
