//! Recording attention while a model runs. Without a [`Capture`] nothing is recorded and nothing copied.

use candle_core::Tensor;

use crate::AttentionMask;

/// Which of the three attentions.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AttentionKind {
    /// The encoder's self-attention.
    Encoder,
    /// The decoder's self-attention.
    Decoder,
    /// The decoder's attention to the encoder's output.
    Cross,
}

/// One layer of one forward pass.
#[derive(Clone, Debug)]
pub struct AttentionRecord {
    /// Which attention.
    pub kind: AttentionKind,
    /// Layer, from 0.
    pub layer: usize,
    /// Which key each query may attend to.
    pub mask: AttentionMask,
    /// Scaled products before the mask, `[batch, heads, queries, keys]`.
    pub scores: Tensor,
    /// After mask and softmax, `[batch, heads, queries, keys]`.
    pub weights: Tensor,
}

/// What has been recorded, in the order in which it was computed.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// One record for each attention that ran.
    pub records: Vec<AttentionRecord>,
}

impl Capture {
    /// The records of one kind, by layer.
    pub fn of(&self, kind: AttentionKind) -> impl Iterator<Item = &AttentionRecord> {
        self.records
            .iter()
            .filter(move |record| record.kind == kind)
    }
}
