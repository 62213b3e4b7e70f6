//! Multi-head attention: one implementation for self-, causal and cross-attention.

use candle_core::{D, Tensor};

use crate::capture::{AttentionKind, AttentionRecord, Capture};
use crate::{AttentionMask, Linear, Result};

/// Keys and values, split into heads: `[batch, heads, keys, head_dim]` each.
#[derive(Clone, Debug)]
pub struct KeyValue {
    /// What queries are compared with.
    pub key: Tensor,
    /// What the weights average.
    pub value: Tensor,
}

/// What one attention works on. Self-attention passes the keys of its own states, a decoder with a cache
/// those of everything so far, cross-attention the encoder's, projected once.
pub struct AttentionInput<'a> {
    /// `[batch, queries, d_model]`.
    pub hidden_states: &'a Tensor,
    /// A batch of one serves every query in the batch: beams share the encoder's keys.
    pub key_value: &'a KeyValue,
    /// `[queries, keys]`.
    pub mask: &'a AttentionMask,
    /// Where to record, and under which kind and layer.
    pub capture: Option<(&'a mut Capture, AttentionKind, usize)>,
}

/// Scaled dot-product attention in several heads, with its four projections.
#[derive(Clone, Debug)]
pub struct MultiHeadAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: usize,
    head_dim: usize,
}

impl MultiHeadAttention {
    pub(crate) fn new(
        [query, key, value, output]: [Linear; 4],
        heads: usize,
        head_dim: usize,
    ) -> Self {
        Self {
            query,
            key,
            value,
            output,
            heads,
            head_dim,
        }
    }

    /// Keys and values of `states`, `[batch, keys, d_model]`.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit.
    pub fn key_value(&self, states: &Tensor) -> Result<KeyValue> {
        Ok(KeyValue {
            key: self.split_heads(&self.key.forward(states)?)?,
            value: self.split_heads(&self.value.forward(states)?)?,
        })
    }

    /// `[batch, queries, d_model]` to the same shape.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit.
    pub fn forward(&self, input: AttentionInput<'_>) -> Result<Tensor> {
        let AttentionInput {
            hidden_states,
            key_value: KeyValue { key, value },
            mask,
            capture,
        } = input;
        let device = hidden_states.device();
        let (batch, queries, _) = hidden_states.dims3()?;
        let scale = (self.head_dim as f64).powf(-0.5);
        let query = (self.split_heads(&self.query.forward(hidden_states)?)? * scale)?;

        let shared = key.dim(0)? == 1 && batch > 1;
        let folded = if shared {
            // [batch, heads, queries, dim] -> [1, heads, batch * queries, dim]
            let rows = (1, self.heads, batch * queries, self.head_dim);
            query.transpose(0, 1)?.contiguous()?.reshape(rows)?
        } else {
            query
        };
        let scores = folded.matmul(&key.t()?)?;
        let scores = if shared {
            let shape = (self.heads, batch, queries, mask.keys());
            scores.reshape(shape)?.transpose(0, 1)?.contiguous()?
        } else {
            scores
        };

        let masked = if mask.is_all_allowed() {
            scores.clone()
        } else {
            scores.broadcast_add(&mask.additive(device)?)?
        };
        let mut weights = candle_nn::ops::softmax_last_dim(&masked)?;
        if let Some(live) = mask.live_rows(device)? {
            weights = weights.broadcast_mul(&live)?;
        }

        let context = if shared {
            let rows = (1, self.heads, batch * queries, mask.keys());
            let folded = weights.transpose(0, 1)?.contiguous()?.reshape(rows)?;
            let shape = (self.heads, batch, queries, self.head_dim);
            folded.matmul(value)?.reshape(shape)?.transpose(0, 1)?
        } else {
            weights.matmul(value)?
        };
        let context = context
            .transpose(1, 2)?
            .contiguous()?
            .flatten_from(D::Minus2)?;

        if let Some((capture, kind, layer)) = capture {
            capture.records.push(AttentionRecord {
                kind,
                layer,
                mask: mask.clone(),
                scores,
                weights,
            });
        }
        self.output.forward(&context)
    }

    /// `[batch, positions, d_model]` to `[batch, heads, positions, head_dim]`.
    fn split_heads(&self, states: &Tensor) -> Result<Tensor> {
        let (batch, positions, _) = states.dims3()?;
        let shape = (batch, positions, self.heads, self.head_dim);
        Ok(states.reshape(shape)?.transpose(1, 2)?.contiguous()?)
    }
}
