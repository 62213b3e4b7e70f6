//! Multi-head attention: one implementation for self-, causal and cross-attention.

use std::borrow::Cow;

use candle_core::{Device, Tensor};

use crate::capture::{AttentionKind, AttentionRecord, Capture};
use unmask_threads as threads;

use crate::compute::{Head, HeadMut, kernels, parts, values, with_attention_scratch};
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
    /// A batch of one serves every query in the batch: beams share the encoder's keys. What is handed over whole is let go
    /// before the output projection takes memory.
    pub key_value: Cow<'a, KeyValue>,
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
        self.output.forward(&self.context(input)?)
    }

    /// What the heads have gathered, `[batch, queries, d_model]`.
    fn context(&self, input: AttentionInput<'_>) -> Result<Tensor> {
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
        let (query_values, key_values): (&[f32], &[f32]) = (&query_values, &key_values);
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
        let positions = key_value.positions;
        // A head's queries, keys and values: of the rows from `row` on, in the pass that begins at these values.
        let heads = |at: usize, key_at: usize, row: usize, rows: usize, head: usize| {
            let columns = head * head_dim..(head + 1) * head_dim;
            let value_columns = self.d_model + columns.start..self.d_model + columns.end;
            let keys = |columns| Head::new(&key_values[key_at..], positions, width, columns);
            let queries = &query_values[at + row * self.d_model..];
            let queries = Head::new(queries, rows, self.d_model, columns.clone())?;
            Ok::<_, Error>((
                queries,
                keys(columns.clone())?,
                keys(value_columns)?,
                columns,
            ))
        };
        for (pass, context) in context
            .chunks_mut(rows * self.d_model)
            .take(passes)
            .enumerate()
        {
            let at = pass * rows * self.d_model;
            let key_at = if shared { 0 } else { pass * key_rows * width };
            let Some((scores, weights)) = &mut recording else {
                let work = 2 * rows * positions * self.d_model;
                let parts = row_parts(context, self.d_model, parts(work, rows, LEAST_ROWS));
                threads::each(parts, |(row, context)| {
                    let rows = context.len() / self.d_model;
                    let allowed = allowed.map(|all| &all[row * positions..][..rows * positions]);
                    // What a head that is off would have written stays zero.
                    for head in (0..self.heads).filter(|&head| !heads_off.contains(head)) {
                        let (queries, keys, values, columns) = heads(at, key_at, row, rows, head)?;
                        let context = HeadMut::new(context, rows, self.d_model, columns)?;
                        with_attention_scratch(|scratch| {
                            kernels()
                                .attention(queries, keys, values, allowed, scale, context, scratch)
                        })?;
                    }
                    Ok::<_, Error>(())
                })?;
                continue;
            };
            for head in 0..self.heads {
                let (queries, keys, values, columns) = heads(at, key_at, 0, rows, head)?;
                let context = HeadMut::new(context, rows, self.d_model, columns)?;
                let cells = rows * positions;
                let at = (pass * self.heads + head) * cells;
                let (scores, weights) = (&mut scores[at..][..cells], &mut weights[at..][..cells]);
                let kernels = kernels();
                with_attention_scratch(|scratch| {
                    kernels.attention_scores(queries, keys, scale, scores, scratch)?;
                    weights.copy_from_slice(scores);
                    kernels.softmax_rows(weights, positions, allowed)?;
                    match heads_off.contains(head) {
                        true => Ok(()),
                        false => kernels.attention_context(weights, values, context, scratch),
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
        Ok(Tensor::from_vec(context, queries.shape(), &Device::Cpu)?)
    }
}

/// Query rows that a thread takes at least: what it does once for them, laying out keys and values, is a small part.
const LEAST_ROWS: usize = 16;

/// Cuts `context`, rows of `width` values, into `count` parts, each with the number of its first row. All but the last
/// are whole tiles of four rows, so that a row's value doesn't depend on how many threads there are.
fn row_parts(context: &mut [f32], width: usize, count: usize) -> Vec<(usize, &mut [f32])> {
    let tiles = context.len() / width / 4;
    let mut parts = Vec::with_capacity(count);
    let (mut row, mut rest) = (0, context);
    for i in 1..count {
        let end = i * tiles / count * 4;
        let (part, after) = rest.split_at_mut((end - row) * width);
        parts.push((row, part));
        (row, rest) = (end, after);
    }
    parts.push((row, rest));
    parts
}
