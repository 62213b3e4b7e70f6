//! The small layers: linear, embedding, layer norm, activation.

use std::sync::Arc;

use candle_core::quantized::QMatMul;
use candle_core::{D, Module, Tensor};
use serde::Deserialize;
use unmask_kernels::{Activation as Fused, PackedMatrix};

use crate::compute::{Kernels, TopK, in_place, kernels, matmul, matmul_top_k, values};
use crate::{Error, Matrix, Result};

/// `x · Wᵀ + b` with quantized or plain weights `[out, in]`.
#[derive(Clone, Debug)]
pub struct Linear {
    product: Product,
    bias: Option<Tensor>,
}

/// Who multiplies, and with what.
#[derive(Clone, Debug)]
enum Product {
    Packed(Arc<PackedMatrix>),
    Plain(QMatMul),
    /// The outputs of several, side by side.
    Stack(Vec<Product>),
}

impl Product {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Packed(weights) => matmul(x, weights, None, Fused::None),
            Self::Plain(weights) => Ok(weights.forward(&x.contiguous()?)?),
            Self::Stack(parts) => {
                let parts = parts.iter().map(|part| part.forward(x));
                Ok(Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, D::Minus1)?)
            }
        }
    }

    /// All of them in one multiplication, where their formats are the same.
    fn stack(parts: Vec<Self>) -> Self {
        if !parts.iter().all(|part| matches!(part, Self::Packed(_))) {
            return Self::Stack(parts);
        }
        let packed = parts.into_iter().filter_map(|part| match part {
            Self::Packed(weights) => Some(Arc::unwrap_or_clone(weights)),
            _ => None,
        });
        match PackedMatrix::stack(packed.collect()) {
            Ok(weights) => Self::Packed(Arc::new(weights)),
            Err(parts) => Self::Stack(parts.into_iter().map(Arc::new).map(Self::Packed).collect()),
        }
    }
}

impl Linear {
    pub(crate) fn new(weight: Matrix, bias: Option<Tensor>) -> Result<Self> {
        let product = match weight {
            Matrix::Packed(weights) => Product::Packed(weights),
            Matrix::Plain(weights) => Product::Plain(QMatMul::from_arc(weights)?),
        };
        Ok(Self { product, bias })
    }

    /// One layer whose outputs are those of two that read the same, side by side.
    pub(crate) fn stack(a: Self, b: Self) -> Result<Self> {
        let bias = match (a.bias, b.bias) {
            (Some(a), Some(b)) => Some(Tensor::cat(&[a, b], 0)?),
            (None, None) => None,
            _ => return Err(Error::engine("Of two stacked layers only one has a bias.")),
        };
        let product = Product::stack(vec![a.product, b.product]);
        Ok(Self { product, bias })
    }

    /// `[.., in]` to `[.., out]`.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match (&self.product, &self.bias) {
            (Product::Packed(weights), bias) => matmul(x, weights, bias.as_ref(), Fused::None),
            (product, Some(bias)) => Ok(product.forward(x)?.broadcast_add(bias)?),
            (product, None) => product.forward(x),
        }
    }

    /// `activation` of [`Linear::forward`].
    ///
    /// # Errors
    /// As [`Linear::forward`].
    pub fn activated(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        match (&self.product, activation) {
            (Product::Packed(weights), Activation::Gelu) => {
                matmul(x, weights, self.bias.as_ref(), Fused::Gelu)
            }
            _ => activation.forward(self.forward(x)?),
        }
    }

    /// The `count` highest outputs of each row of `x`, `[rows, in]`; where it goes, without all of them in memory.
    ///
    /// # Errors
    /// As [`Linear::forward`].
    pub fn top_k(&self, x: &Tensor, count: usize) -> Result<Vec<TopK>> {
        if let Product::Packed(weights) = &self.product {
            return matmul_top_k(x, weights, self.bias.as_ref(), count);
        }
        let outputs = self.forward(x)?;
        let width = outputs.dim(D::Minus1)?.max(1);
        let rows = values(&outputs)?;
        let rows = rows.chunks_exact(width);
        Ok(rows.map(|row| kernels().top_k(row, count)).collect())
    }
}

/// Rows that a feed-forward layer works on at once: its inner states, four times as wide as what goes in and out, need not
/// lie in memory for a text of 512 tokens, and those of this many stay in a processor's cache.
const ROWS_AT_ONCE: usize = 128;

/// Two linear layers with an activation between.
#[derive(Clone, Debug)]
pub struct FeedForward {
    up: Linear,
    activation: Activation,
    down: Linear,
}

impl FeedForward {
    pub(crate) fn new(up: Linear, activation: Activation, down: Linear) -> Self {
        Self {
            up,
            activation,
            down,
        }
    }

    /// `[batch, positions, hidden]` to the same shape.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, positions, hidden) = x.dims3()?;
        let rows = batch * positions;
        if rows <= ROWS_AT_ONCE {
            return self.down.forward(&self.up.activated(x, self.activation)?);
        }
        let x = x.reshape((1, rows, hidden))?;
        let mut out = Vec::with_capacity(rows * hidden);
        // As even as they go: a position by itself would no longer be one of a sequence.
        let parts = rows.div_ceil(ROWS_AT_ONCE);
        for part in 0..parts {
            let (first, end) = (part * rows / parts, (part + 1) * rows / parts);
            let part = x.narrow(1, first, end - first)?;
            let inner = self.up.activated(&part, self.activation)?;
            out.extend_from_slice(&values(&self.down.forward(&inner)?)?);
        }
        Ok(Tensor::from_vec(
            out,
            (batch, positions, hidden),
            x.device(),
        )?)
    }
}

/// Rows of a table `[rows, hidden]`, kept quantized and decoded one by one.
#[derive(Clone, Debug)]
pub struct Embedding {
    table: Matrix,
}

impl Embedding {
    pub(crate) fn new(table: Matrix) -> Self {
        Self { table }
    }

    /// The table itself, for output layers that are tied to it.
    pub fn table(&self) -> Matrix {
        self.table.clone()
    }

    /// `ids` as `[ids, hidden]`.
    ///
    /// # Errors
    /// `Integrity` where an id is not in the table: tokenizer and weights come from the same file.
    pub fn forward(&self, ids: &[u32]) -> Result<Tensor> {
        let rows = self.table.shape()[0];
        if let Some(id) = ids.iter().find(|&&id| id as usize >= rows) {
            return Err(Error::integrity(format!(
                "The token {id} has no row in an embedding table of {rows} rows."
            )));
        }
        self.table.rows(ids)
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
        self.normalize(x.copy()?, None)
    }

    /// Normalises `x + residual`, in the memory of `x`, which nobody else may hold.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit.
    pub fn forward_sum(&self, x: Tensor, residual: &Tensor) -> Result<Tensor> {
        let residual = residual.contiguous()?;
        self.normalize(x, Some(&values(&residual)?))
    }

    fn normalize(&self, x: Tensor, residual: Option<&[f32]>) -> Result<Tensor> {
        let (gamma, beta) = (values(&self.weight)?, values(&self.bias)?);
        in_place(x, |x| {
            kernels().layer_norm(x, residual, &gamma, &beta, self.eps as f32)
        })
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
    /// Element by element, in the memory of `x`, which nobody else may hold.
    ///
    /// # Errors
    /// `Engine` where candle fails.
    pub fn forward(self, x: Tensor) -> Result<Tensor> {
        let run = |f: fn(Kernels, &mut [f32])| {
            in_place(x.clone(), |x| {
                f(kernels(), x);
                Ok(())
            })
        };
        Ok(match self {
            Self::Gelu => run(Kernels::gelu)?,
            Self::Tanh => run(Kernels::tanh)?,
            Self::GeluNew => x.gelu()?,
            Self::Relu => x.relu()?,
            Self::Silu => x.silu()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn linear(outputs: usize, inputs: usize) -> Linear {
        let weights: Vec<f32> = (0..outputs * inputs).map(|i| (i as f32).sin()).collect();
        let packed = PackedMatrix::from_f32(&weights, outputs, inputs).unwrap();
        Linear::new(Matrix::Packed(Arc::new(packed)), None).unwrap()
    }

    #[test]
    fn a_long_text_goes_through_in_parts_that_change_no_bit() {
        let layer = FeedForward::new(linear(64, 32), Activation::Gelu, linear(32, 64));
        let rows = 2 * ROWS_AT_ONCE + 3;
        let values: Vec<f32> = (0..rows * 32).map(|i| (i as f32 * 0.7).cos()).collect();
        let x = Tensor::from_vec(values, (1, rows, 32), &Device::Cpu).unwrap();
        let row = |states: &Tensor, row| {
            let row = states.narrow(1, row, 1).unwrap();
            row.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let whole = layer.forward(&x).unwrap();
        assert_eq!(whole.dims(), x.dims());
        for at in 0..rows {
            let alone = layer.forward(&x.narrow(1, at, 1).unwrap()).unwrap();
            assert_eq!(row(&whole, at), row(&alone, 0), "row {at}");
        }
    }
}
