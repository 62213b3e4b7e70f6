//! The small layers: linear, embedding, layer norm, activation.

use std::sync::Arc;

use candle_core::quantized::{QMatMul, QTensor};
use candle_core::{Device, Module, Tensor};
use serde::Deserialize;

use crate::{Error, Result};

/// `x · Wᵀ + b` with quantized or plain weights `[out, in]`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: QMatMul,
    bias: Option<Tensor>,
}

impl Linear {
    pub(crate) fn new(weight: Arc<QTensor>, bias: Option<Tensor>) -> Result<Self> {
        let weight = QMatMul::from_arc(weight)?;
        Ok(Self { weight, bias })
    }

    /// `[.., in]` to `[.., out]`.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.weight.forward(&x.contiguous()?)?;
        Ok(match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }
}

/// Rows of a table `[rows, hidden]`, kept quantized and decoded one by one.
#[derive(Clone, Debug)]
pub struct Embedding {
    table: Arc<QTensor>,
}

impl Embedding {
    pub(crate) fn new(table: Arc<QTensor>) -> Self {
        Self { table }
    }

    /// The table itself, for output layers that are tied to it.
    pub fn table(&self) -> Arc<QTensor> {
        self.table.clone()
    }

    /// `ids` as `[ids, hidden]`.
    ///
    /// # Errors
    /// `Integrity` where an id is not in the table: tokenizer and weights come from the same file.
    pub fn forward(&self, ids: &[u32]) -> Result<Tensor> {
        let rows = self.table.shape().dims()[0];
        if let Some(id) = ids.iter().find(|&&id| id as usize >= rows) {
            return Err(Error::integrity(format!(
                "The token {id} has no row in an embedding table of {rows} rows."
            )));
        }
        Ok(self.table.embedding(&Tensor::new(ids, &Device::Cpu)?)?)
    }
}

/// Layer normalisation over the last dimension, with scale and shift.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    pub(crate) fn new(weight: Tensor, bias: Tensor, eps: f64) -> Self {
        Self { weight, bias, eps }
    }

    /// `[.., hidden]` to the same shape.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(candle_nn::ops::layer_norm(
            &x.contiguous()?,
            &self.weight,
            &self.bias,
            self.eps as f32,
        )?)
    }
}

/// The activation between the two halves of a feed-forward layer, by its configuration name.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x · Φ(x)`, with erf.
    #[default]
    Gelu,
    /// The tanh approximation.
    #[serde(alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    GeluNew,
    /// `max(x, 0)`.
    Relu,
    /// `x · sigmoid(x)`.
    #[serde(alias = "swish")]
    Silu,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Element by element.
    ///
    /// # Errors
    /// `Engine` where candle fails.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Gelu => x.gelu_erf()?,
            Self::GeluNew => x.gelu()?,
            Self::Relu => x.relu()?,
            Self::Silu => x.silu()?,
            Self::Tanh => x.tanh()?,
        })
    }
}
