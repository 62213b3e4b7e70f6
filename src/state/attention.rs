//! One attention of one model, as the engine captured it: every layer and head.

use unmask_protocol::{AttentionHeader, Token};

use super::grid::{Grid, labels};
use super::links::Place;

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

    /// Number of queries.
    pub fn rows(&self) -> usize {
        self.header.query_tokens.len()
    }

    /// Number of keys.
    pub fn columns(&self) -> usize {
        self.header.key_tokens.len()
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.header.layers
    }

    /// Heads per layer.
    pub fn heads(&self) -> usize {
        self.header.heads
    }

    /// Matrices in all: layers by heads, the heads of a layer one after the other.
    pub fn planes(&self) -> usize {
        self.header.layers * self.header.heads
    }

    /// Weights of one query over all keys, in the matrix `plane`; both within bounds.
    pub fn weights_of(&self, plane: usize, row: usize) -> &[f32] {
        let columns = self.columns();
        let start = (plane * self.rows() + row) * columns;
        &self.weights[start..start + columns]
    }

    /// Whether the mask lets `row` look at `column`.
    pub fn allows(&self, row: usize, column: usize) -> bool {
        self.mask[row * self.columns() + column] != 0
    }

    /// The keys' tokens.
    pub fn keys(&self) -> &[Token] {
        &self.header.key_tokens
    }

    /// The queries' tokens.
    pub fn queries(&self) -> &[Token] {
        &self.header.query_tokens
    }

    /// The weights of one layer (the last one where `layer` is beyond it) and head.
    pub fn grid(&self, layer: usize, head: Head) -> Grid {
        self.mean_of(&self.weights, layer, head)
    }

    /// The scores before the mask, from the smallest (0) to the largest (1), and those two; nothing is forbidden yet.
    pub fn scores(&self, layer: usize, head: Head) -> (Grid, f32, f32) {
        let mut grid = self.mean_of(&self.scores, layer, head);
        grid.allowed.fill(true);
        let scores = grid.weights.iter().flatten();
        let (least, most) = scores.fold((f32::MAX, f32::MIN), |(least, most), &score| {
            (least.min(score), most.max(score))
        });
        for score in grid.weights.iter_mut().flatten() {
            *score = (*score - least) / (most - least).max(f32::MIN_POSITIVE);
        }
        (grid, least, most)
    }

    fn mean_of(&self, tensor: &[f32], layer: usize, head: Head) -> Grid {
        let cells = self.mask.len();
        let layer = layer.min(self.header.layers.saturating_sub(1));
        let heads = match head {
            Head::Mean => 0..self.header.heads,
            Head::One(head) => {
                let head = head.min(self.header.heads.saturating_sub(1));
                head..(head + 1).min(self.header.heads)
            }
        };
        let mut mean = vec![0.0; cells];
        for head in heads.clone() {
            let start = (layer * self.header.heads + head) * cells;
            for (sum, value) in mean.iter_mut().zip(&tensor[start..start + cells]) {
                *sum += value / heads.len() as f32;
            }
        }
        Grid {
            rows: labels(&self.header.query_tokens),
            columns: labels(&self.header.key_tokens),
            allowed: self.mask.iter().map(|&cell| cell != 0).collect(),
            weights: (self.header.layers > 0).then_some(mean),
        }
    }

    /// Layer and head that point most sharply at words further away: where the written queries' largest weight on a
    /// written key is, on average, the highest. Within one text, a query's own place and its neighbours' don't count:
    /// looking there is the commonest habit, and the least telling. None where nothing else is looked at.
    pub fn most_telling(&self) -> Option<(usize, usize)> {
        let same = self.header.query_tokens == self.header.key_tokens;
        let (rows, columns) = (self.queries(), self.keys());
        let sharpness = |plane: usize| -> f32 {
            let written = (0..rows.len()).filter(|&row| !rows[row].special);
            written
                .map(|row| {
                    let weights = self.weights_of(plane, row).iter().enumerate();
                    weights
                        .filter(|&(key, _)| {
                            !(columns[key].special || same && key.abs_diff(row) < 2)
                        })
                        .map(|(_, &weight)| weight)
                        .fold(0.0, f32::max)
                })
                .sum()
        };
        let best = (0..self.planes())
            .map(|plane| (sharpness(plane), plane))
            .reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        (best.0 > 0.0).then(|| (best.1 / self.heads(), best.1 % self.heads()))
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

impl Attentions {
    /// The one that is shown at `place`; none where the model has none, or several are shown.
    pub fn of(&self, place: Place) -> Option<&Attention> {
        match place {
            Place::Bert | Place::Encoder => Some(&self.encoder),
            Place::Decoder => self.decoder.as_ref(),
            Place::Cross => self.cross.as_ref(),
            Place::Stages | Place::Difference => None,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::state::grid::Cell;

    pub fn header(tokens: usize, layers: usize, heads: usize) -> AttentionHeader {
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

    #[test]
    fn scores_run_from_the_smallest_to_the_largest_with_nothing_forbidden() {
        let attention = Attention::new(
            header(2, 1, 1),
            vec![0; 4],
            vec![-1.0, 3.0, 1.0, 0.0],
            vec![0.0; 4],
        );
        let (grid, least, most) = attention.unwrap().scores(0, Head::One(0));
        assert_eq!((least, most, grid.forbidden()), (-1.0, 3.0, 0));
        assert_eq!(grid.weights.unwrap(), [0.0, 1.0, 0.5, 0.25]);
    }

    #[test]
    fn the_most_telling_head_points_beyond_the_neighbours() {
        let before = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let far = [0.1, 0.0, 0.9, 0.5, 0.5, 0.0, 0.6, 0.0, 0.4];
        let weights = [before, before, far, before].concat();
        let attention = Attention::new(header(3, 2, 2), vec![1; 9], vec![0.0; 36], weights);
        assert_eq!(attention.unwrap().most_telling(), Some((1, 0)));
        let idle = Attention::new(header(3, 1, 1), vec![1; 9], vec![0.0; 9], before.to_vec());
        assert_eq!(idle.unwrap().most_telling(), None);
    }
}
