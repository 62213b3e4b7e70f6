//! The masks' shapes, which need no weights: what the page draws before a model has arrived.

use unmask_protocol::MaskPattern;

use super::grid::{Grid, Label};

/// How BERT is allowed to look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Sight {
    /// Left and right, as it was trained.
    #[default]
    Both,
    /// Itself and what comes before.
    Left,
    /// Itself and two neighbours on each side.
    Near,
}

impl Sight {
    /// Neighbours on each side that [`Sight::Near`] leaves visible.
    pub const RADIUS: usize = 2;

    /// What the engine is told; none leaves the model's own mask.
    pub fn pattern(self) -> Option<MaskPattern> {
        match self {
            Self::Both => None,
            Self::Left => Some(MaskPattern::Causal),
            Self::Near => Some(MaskPattern::Window {
                radius: Self::RADIUS,
            }),
        }
    }

    fn allows(self, query: usize, key: usize) -> bool {
        match self {
            Self::Both => true,
            Self::Left => key <= query,
            Self::Near => key.abs_diff(query) <= Self::RADIUS,
        }
    }
}

/// Self-attention over `tokens`, mask only.
pub fn self_attention(tokens: Vec<Label>, sight: Sight) -> Grid {
    let count = tokens.len();
    Grid {
        allowed: (0..count * count)
            .map(|at| sight.allows(at / count, at % count))
            .collect(),
        rows: tokens.clone(),
        columns: tokens,
        weights: None,
    }
}

/// Cross-attention from `rows` to `columns`, mask only: every row sees the whole source.
pub fn cross_attention(rows: Vec<Label>, columns: Vec<Label>) -> Grid {
    Grid {
        allowed: vec![true; rows.len() * columns.len()],
        rows,
        columns,
        weights: None,
    }
}

/// Labels for texts that stand between two special tokens.
pub fn bracketed<'a>(
    first: &str,
    texts: impl IntoIterator<Item = &'a str>,
    last: &str,
) -> Vec<Label> {
    let label = |text: &str, special| Label {
        text: text.to_owned(),
        special,
        continues: false,
    };
    std::iter::once(label(first, true))
        .chain(texts.into_iter().map(|text| label(text, false)))
        .chain(std::iter::once(label(last, true)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(sight: Sight) -> Vec<bool> {
        self_attention(bracketed("[CLS]", ["a", "b", "c"], "[SEP]"), sight).allowed
    }

    #[test]
    fn each_sight_forbids_what_it_says() {
        assert!(shape(Sight::Both).iter().all(|&allowed| allowed));
        for (at, allowed) in shape(Sight::Left).into_iter().enumerate() {
            assert_eq!(allowed, at % 5 <= at / 5);
        }
        for (at, allowed) in shape(Sight::Near).into_iter().enumerate() {
            assert_eq!(allowed, (at % 5).abs_diff(at / 5) <= 2);
        }
    }

    #[test]
    fn cross_attention_sees_the_whole_source() {
        let grid = cross_attention(
            bracketed("</s>", ["k"], "</s>"),
            bracketed("<s>", ["c", "a"], "</s>"),
        );
        assert_eq!((grid.rows.len(), grid.columns.len()), (3, 4));
        assert_eq!(grid.forbidden(), 0);
    }
}
