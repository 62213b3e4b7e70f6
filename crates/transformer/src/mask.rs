//! Which positions may attend to which: one type for bidirectional, causal, cross, padding and custom masks.

use crate::{Error, Result};

/// The rule behind a mask; [`MaskPattern::matrix`] draws it for a given size.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MaskPattern {
    /// Every query sees every key: an encoder, and cross-attention.
    Bidirectional,
    /// A query sees its own position and earlier ones: a decoder.
    Causal,
    /// The first `length` positions see each other, later ones are causal.
    Prefix {
        /// Positions in the prefix.
        length: usize,
    },
    /// A query sees keys at most `radius` positions away.
    Window {
        /// Neighbours on each side.
        radius: usize,
    },
    /// Every query sees the first `real` keys; the rest is padding.
    Padding {
        /// Keys that are not padding.
        real: usize,
    },
    /// Cell by cell.
    Custom(AttentionMask),
}

impl MaskPattern {
    /// The matrix for `queries` rows, the first of which stands at position `first_query`, and `keys` columns.
    ///
    /// # Errors
    /// `Input` where a custom matrix has another size.
    pub fn matrix(&self, first_query: usize, queries: usize, keys: usize) -> Result<AttentionMask> {
        let by = |may_attend: &dyn Fn(usize, usize) -> bool| AttentionMask {
            queries,
            keys,
            allowed: (first_query..first_query + queries)
                .flat_map(|query| (0..keys).map(move |key| may_attend(query, key).into()))
                .collect(),
        };
        Ok(match self {
            Self::Bidirectional => by(&|_, _| true),
            Self::Causal => by(&|query, key| key <= query),
            Self::Prefix { length } => {
                by(&|query, key| key <= query || (query < *length && key < *length))
            }
            Self::Window { radius } => by(&|query, key| query.abs_diff(key) <= *radius),
            Self::Padding { real } => by(&|_, key| key < *real),
            Self::Custom(mask) => mask.rows(first_query, queries, keys)?,
        })
    }
}

/// A mask matrix, `[queries, keys]`: which key positions each query position may attend to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttentionMask {
    queries: usize,
    keys: usize,
    allowed: Vec<u8>,
}

impl AttentionMask {
    /// A matrix given cell by cell: `allowed` is row-major, 1 where the query may attend to the key, else 0.
    ///
    /// # Errors
    /// `Input` where the number of cells is not `queries * keys` or a cell is neither 0 nor 1.
    pub fn custom(queries: usize, keys: usize, allowed: Vec<u8>) -> Result<Self> {
        if queries.checked_mul(keys) != Some(allowed.len()) {
            return Err(Error::input(
                format!(
                    "The mask says {queries} by {keys}, but holds {} cells.",
                    allowed.len()
                ),
                "Give one cell for each pair of query and key, row by row.",
            ));
        }
        if allowed.iter().any(|&cell| cell > 1) {
            return Err(Error::input(
                "A mask cell is neither 0 nor 1.",
                "Use 1 where a position may attend and 0 where it may not.",
            ));
        }
        Ok(Self {
            queries,
            keys,
            allowed,
        })
    }

    /// Rows: positions that look.
    pub fn queries(&self) -> usize {
        self.queries
    }

    /// Columns: positions looked at.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Row-major cells, 1 = may attend.
    pub fn allowed(&self) -> &[u8] {
        &self.allowed
    }

    /// Whether nothing is forbidden.
    pub fn is_all_allowed(&self) -> bool {
        self.allowed.iter().all(|&cell| cell == 1)
    }

    /// `queries` rows from `first_query` on.
    fn rows(&self, first_query: usize, queries: usize, keys: usize) -> Result<Self> {
        let end = first_query + queries;
        if end > self.queries || keys > self.keys {
            return Err(Error::input(
                format!(
                    "The mask is {} by {}, but the model needs at least {end} by {keys}.",
                    self.queries, self.keys
                ),
                "Ask for the tokens first and give a mask of their number.",
            ));
        }
        let allowed = (first_query..end)
            .flat_map(|row| &self.allowed[row * self.keys..row * self.keys + keys])
            .copied()
            .collect();
        Ok(Self {
            queries,
            keys,
            allowed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(pattern: &MaskPattern, first: usize, queries: usize, keys: usize) -> String {
        let mask = pattern.matrix(first, queries, keys).unwrap();
        let row = |cells: &[u8]| cells.iter().map(|c| ['.', '#'][usize::from(*c)]).collect();
        let rows: Vec<String> = mask.allowed().chunks(keys).map(row).collect();
        rows.join(" ")
    }

    #[test]
    fn patterns_draw_what_their_names_say() {
        let cases = [
            (MaskPattern::Bidirectional, "### ### ###"),
            (MaskPattern::Causal, "#.. ##. ###"),
            (MaskPattern::Prefix { length: 2 }, "##. ##. ###"),
            (MaskPattern::Window { radius: 1 }, "##. ### .##"),
            (MaskPattern::Padding { real: 2 }, "##. ##. ##."),
        ];
        for (pattern, picture) in cases {
            assert_eq!(drawn(&pattern, 0, 3, 3), picture, "{pattern:?}");
        }
    }

    #[test]
    fn a_decoding_step_draws_the_last_row_only() {
        assert_eq!(drawn(&MaskPattern::Causal, 2, 1, 3), "###");
        let custom = AttentionMask::custom(3, 3, vec![1, 0, 0, 1, 1, 0, 0, 1, 1]).unwrap();
        assert_eq!(drawn(&MaskPattern::Custom(custom), 2, 1, 3), ".##");
    }

    #[test]
    fn a_custom_mask_of_another_size_is_an_input_error() {
        let custom = AttentionMask::custom(2, 2, vec![1; 4]).unwrap();
        let error = MaskPattern::Custom(custom).matrix(0, 3, 3).unwrap_err();
        assert_eq!(error.kind, crate::ErrorKind::Input);
        assert!(AttentionMask::custom(2, 2, vec![1; 3]).is_err());
        assert!(AttentionMask::custom(1, 2, vec![1, 2]).is_err());
        assert!(AttentionMask::custom(usize::MAX, 2, vec![]).is_err());
    }
}
