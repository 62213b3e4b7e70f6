//! One attention of one model, as the engine captured it: every layer and head.

use unmask_protocol::AttentionHeader;

use super::grid::{Grid, labels};

/// A head, or the mean over all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Head {
    /// The mean over a layer's heads.
    #[default]
    Mean,
    /// One head, counted from 0.
    One(usize),
}

/// Mask and weights of every layer and head, with their tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    header: AttentionHeader,
    /// 1 = may attend; `[queries, keys]`.
    mask: Vec<u8>,
    /// Before mask and softmax; `[layers, heads, queries, keys]`.
    scores: Vec<f32>,
    /// After softmax; `[layers, heads, queries, keys]`.
    weights: Vec<f32>,
}

impl Attention {
    /// Checks that the tensors have the header's shape; the error is a sentence for people.
    pub fn new(
        header: AttentionHeader,
        mask: Vec<u8>,
        scores: Vec<f32>,
        weights: Vec<f32>,
    ) -> Result<Self, String> {
        let cells = header.query_tokens.len() * header.key_tokens.len();
        let all = header.layers * header.heads * cells;
        if mask.len() != cells || scores.len() != all || weights.len() != all {
            return Err(format!(
                "The engine sent {} mask cells, {} scores and {} weights for {} × {} tokens, {} layers and {} heads.",
                mask.len(),
                scores.len(),
                weights.len(),
                header.query_tokens.len(),
                header.key_tokens.len(),
                header.layers,
                header.heads,
            ));
        }
        Ok(Self {
            header,
            mask,
            scores,
            weights,
        })
    }

    /// The matrix of one layer (the last one where `layer` is beyond it) and head.
    pub fn grid(&self, layer: usize, head: Head) -> Grid {
        let cells = self.mask.len();
        let layer = layer.min(self.header.layers.saturating_sub(1));
        let heads = match head {
            Head::Mean => 0..self.header.heads,
            Head::One(head) => {
                let head = head.min(self.header.heads.saturating_sub(1));
                head..(head + 1).min(self.header.heads)
            }
        };
        let mut weights = vec![0.0; cells];
        for head in heads.clone() {
            let start = (layer * self.header.heads + head) * cells;
            for (sum, weight) in weights.iter_mut().zip(&self.weights[start..start + cells]) {
                *sum += weight / heads.len() as f32;
            }
        }
        Grid {
            rows: labels(&self.header.query_tokens),
            columns: labels(&self.header.key_tokens),
            allowed: self.mask.iter().map(|&cell| cell != 0).collect(),
            weights: (self.header.layers > 0).then_some(weights),
        }
    }
}

/// Everything one run shows: BERT has an encoder, BART all three.
#[derive(Clone, Debug, PartialEq)]
pub struct Attentions {
    /// Encoder self-attention.
    pub encoder: Attention,
    /// Decoder self-attention.
    pub decoder: Option<Attention>,
    /// Cross-attention.
    pub cross: Option<Attention>,
}

#[cfg(test)]
mod tests {
    use unmask_protocol::Token;

    use super::*;
    use crate::state::grid::Cell;

    fn header(tokens: usize, layers: usize, heads: usize) -> AttentionHeader {
        let token = Token {
            id: 7,
            text: "a".into(),
            start: 0,
            end: 1,
            segment: 0,
            special: false,
        };
        AttentionHeader {
            query_tokens: vec![token.clone(); tokens],
            key_tokens: vec![token; tokens],
            layers,
            heads,
        }
    }

    #[test]
    fn a_grid_is_one_head_of_one_layer_or_the_mean() {
        let weights = vec![1.0, 0.2, 0.6, 0.4];
        let attention = Attention::new(header(1, 2, 2), vec![1], vec![0.0; 4], weights).unwrap();
        let weight = |layer, head| attention.grid(layer, head).cell(0, 0);
        assert_eq!(weight(0, Head::One(1)), Cell::Weight(0.2));
        assert_eq!(weight(1, Head::One(0)), Cell::Weight(0.6));
        assert_eq!(weight(1, Head::Mean), Cell::Weight(0.5));
        assert_eq!(weight(9, Head::One(9)), Cell::Weight(0.4));
    }

    #[test]
    fn tensors_of_the_wrong_size_are_refused_in_words() {
        let error =
            Attention::new(header(2, 1, 1), vec![1; 4], vec![0.0; 4], vec![0.0; 3]).unwrap_err();
        assert!(
            error.contains("4 scores and 3 weights for 2 × 2 tokens"),
            "{error}"
        );
    }

    #[test]
    fn a_model_without_layers_has_a_mask_and_no_weights() {
        let attention = Attention::new(header(1, 0, 0), vec![0], vec![], vec![]).unwrap();
        assert_eq!(attention.grid(0, Head::Mean).cell(0, 0), Cell::Forbidden);
        assert_eq!(attention.grid(0, Head::Mean).weights, None);
    }
}
