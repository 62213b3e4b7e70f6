//! Multi-head attention: one implementation for self-, causal and cross-attention.

use candle_core::{Device, Tensor};

use crate::capture::{AttentionKind, AttentionRecord, Capture};
use crate::compute::{Head, HeadMut, kernels, values, with_attention_scratch};
use crate::{AttentionMask, Error, LayerHeadsOff, Linear, Result};

/// Keys and values as the projection writes them: heads lie side by side in a row, and are never moved.
#[derive(Clone, Debug)]
pub struct KeyValue {
    /// `[batch, rows, 2 * d_model]`: what queries are compared with, then what the weights average.
    pub states: Tensor,
    /// How many rows of each batch count; the rest is room for later ones.
    pub positions: usize,
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
    /// Heads that contribute nothing; what they would have looked at is recorded all the same.
    pub heads_off: LayerHeadsOff<'a>,
    /// Where to record, and under which kind and layer.
    pub capture: Option<(&'a mut Capture, AttentionKind, usize)>,
}

/// Scaled dot-product attention in several heads, with its projections.
#[derive(Clone, Debug)]
pub struct MultiHeadAttention {
    query: Linear,
    key_value: Linear,
    output: Linear,
    heads: usize,
    d_model: usize,
}

impl MultiHeadAttention {
    /// `key_value` gives a key and behind it a value; `heads` divides `d_model`.
    pub(crate) fn new(
        query: Linear,
        key_value: Linear,
        output: Linear,
        heads: usize,
        d_model: usize,
    ) -> Self {
        Self {
            query,
            key_value,
            output,
            heads,
            d_model,
        }
    }

    /// Keys and values of `states`, `[batch, keys, d_model]`.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit.
    pub fn key_value(&self, states: &Tensor) -> Result<KeyValue> {
        Ok(KeyValue {
            states: self.key_value.forward(states)?,
            positions: states.dim(1)?,
        })
    }

    /// `[batch, queries, d_model]` to the same shape.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit.
    pub fn forward(&self, input: AttentionInput<'_>) -> Result<Tensor> {
        let AttentionInput {
            hidden_states,
            key_value,
            mask,
            heads_off,
            capture,
        } = input;
        let queries = self.query.forward(hidden_states)?;
        let (batch, rows, _) = queries.dims3()?;
        let (key_batch, key_rows, width) = key_value.states.dims3()?;
        if width != 2 * self.d_model || (key_batch != 1 && key_batch != batch) {
            return Err(Error::engine("The keys are for other queries."));
        }
        let shared = key_batch == 1;
        let (query_values, key_values) = (values(&queries)?, values(&key_value.states)?);
        let mut context = vec![0.; query_values.len()];

        let allowed = (!mask.is_all_allowed()).then(|| mask.allowed());
        // One pass over shared keys serves the whole batch, unless rows are told apart by a mask or a recording.
        let (passes, rows) = match shared && allowed.is_none() && capture.is_none() {
            true => (1, batch * rows),
            false => (batch, rows),
        };
        let mut recording = capture.is_some().then(|| {
            let cells = vec![0.; batch * self.heads * rows * key_value.positions];
            (cells.clone(), cells)
        });
        let head_dim = self.d_model / self.heads;
        let scale = (head_dim as f32).powf(-0.5);
        for pass in 0..passes {
            let at = pass * rows * self.d_model;
            let key_at = if shared { 0 } else { pass * key_rows * width };
            for head in 0..self.heads {
                let off = heads_off.contains(head);
                if off && recording.is_none() {
                    continue; // its part of the context stays zero
                }
                let columns = head * head_dim..(head + 1) * head_dim;
                let value_columns = self.d_model + columns.start..self.d_model + columns.end;
                let keys =
                    |columns| Head::new(&key_values[key_at..], key_value.positions, width, columns);
                let (keys, values) = (keys(columns.clone())?, keys(value_columns)?);
                let queries = Head::new(&query_values[at..], rows, self.d_model, columns.clone())?;
                let context = HeadMut::new(&mut context[at..], rows, self.d_model, columns)?;
                let kernels = kernels();
                with_attention_scratch(|scratch| match &mut recording {
                    None => {
                        kernels.attention(queries, keys, values, allowed, scale, context, scratch)
                    }
                    Some((scores, weights)) => {
                        let cells = rows * key_value.positions;
                        let at = (pass * self.heads + head) * cells;
                        let (scores, weights) =
                            (&mut scores[at..][..cells], &mut weights[at..][..cells]);
                        kernels.attention_scores(queries, keys, scale, scores, scratch)?;
                        weights.copy_from_slice(scores);
                        kernels.softmax_rows(weights, key_value.positions, allowed)?;
                        match off {
                            true => Ok(()),
                            false => kernels.attention_context(weights, values, context, scratch),
                        }
                    }
                })?;
            }
        }

        if let (Some((capture, kind, layer)), Some((scores, weights))) = (capture, recording) {
            let shape = (batch, self.heads, rows, key_value.positions);
            let tensor = |cells| Tensor::from_vec(cells, shape, &Device::Cpu);
            capture.records.push(AttentionRecord {
                kind,
                layer,
                mask: mask.clone(),
                scores: tensor(scores)?,
                weights: tensor(weights)?,
            });
        }
        let context = Tensor::from_vec(context, queries.shape(), &Device::Cpu)?;
        self.output.forward(&context)
    }
}
