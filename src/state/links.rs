//! What is pointed at, and where else it occurs: the source's tokens are the encoder's rows and columns and the
//! cross-attention's columns, the output's tokens the decoder's and the cross-attention's rows.

/// The matrices of the page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// BERT's encoder self-attention.
    Bert,
    /// BART's encoder self-attention.
    Encoder,
    /// BART's decoder self-attention.
    Decoder,
    /// BART's cross-attention.
    Cross,
    /// The three stages of one head, of whichever attention.
    Stages,
    /// What a quantization changes in one head.
    Difference,
}

/// The token sequences that label them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sequence {
    Stages,
    Difference,
    Bert,
    Source,
    Output,
}

impl Place {
    /// The attentions that the models have.
    pub const ATTENTIONS: [Self; 4] = [Self::Bert, Self::Encoder, Self::Decoder, Self::Cross];

    /// Its name for readers.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bert => "BERT’s encoder",
            Self::Encoder => "BART’s encoder",
            Self::Decoder => "BART’s decoder",
            Self::Cross => "BART’s cross-attention",
            Self::Stages => "one head",
            Self::Difference => "differences of attention",
        }
    }

    /// For test hooks and identifiers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
            Self::Cross => "cross",
            Self::Stages => "stages",
            Self::Difference => "difference",
        }
    }

    fn rows(self) -> Sequence {
        match self {
            Self::Bert => Sequence::Bert,
            Self::Stages => Sequence::Stages,
            Self::Difference => Sequence::Difference,
            Self::Encoder => Sequence::Source,
            Self::Decoder | Self::Cross => Sequence::Output,
        }
    }

    fn columns(self) -> Sequence {
        match self {
            Self::Cross => Sequence::Source,
            other => other.rows(),
        }
    }
}

/// A row, a column or a cell of one matrix.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Marks {
    /// The row that is marked.
    pub row: Option<usize>,
    /// The column that is marked.
    pub column: Option<usize>,
}

impl Marks {
    /// The cell to which a key (as the browser names it) leads from `from`, in a matrix of `rows` by `columns`;
    /// the first one where nothing is marked yet. None where the key doesn't move or there is no cell.
    pub fn walk(from: Option<Self>, key: &str, rows: usize, columns: usize) -> Option<Self> {
        let (last_row, last_column) = (rows.checked_sub(1)?, columns.checked_sub(1)?);
        let row = from.and_then(|from| from.row).unwrap_or(0).min(last_row);
        let column = from
            .and_then(|from| from.column)
            .unwrap_or(0)
            .min(last_column);
        let (row, column) = match key {
            "ArrowUp" => (row.saturating_sub(1), column),
            "ArrowDown" => ((row + 1).min(last_row), column),
            "ArrowLeft" => (row, column.saturating_sub(1)),
            "ArrowRight" => (row, (column + 1).min(last_column)),
            "Home" => (row, 0),
            "End" => (row, last_column),
            _ => return None,
        };
        let moved = Self {
            row: Some(row),
            column: Some(column),
        };
        Some(from.map_or(
            Self {
                row: Some(0),
                column: Some(0),
            },
            |_| moved,
        ))
    }
}

/// What the reader points at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pointer {
    /// Where.
    pub place: Place,
    /// Which row, column or cell.
    pub marks: Marks,
    /// Whether it stays when the pointer leaves.
    pub locked: bool,
}

impl Pointer {
    /// What to mark in `place`: there, exactly what is pointed at; elsewhere, the row and column of the same
    /// token, the query's before the key's.
    pub fn marks_in(&self, place: Place) -> Marks {
        if place == self.place {
            return self.marks;
        }
        let row = self.marks.row.map(|row| (self.place.rows(), row));
        let column = self
            .marks
            .column
            .map(|column| (self.place.columns(), column));
        let find = |sequence| {
            [row, column]
                .into_iter()
                .flatten()
                .find(|(of, _)| *of == sequence)
                .map(|(_, index)| index)
        };
        Marks {
            row: find(place.rows()),
            column: find(place.columns()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(from: Place, row: Option<usize>, column: Option<usize>, place: Place) -> Marks {
        let pointer = Pointer {
            place: from,
            marks: Marks { row, column },
            locked: false,
        };
        pointer.marks_in(place)
    }

    fn at(row: impl Into<Option<usize>>, column: impl Into<Option<usize>>) -> Marks {
        Marks {
            row: row.into(),
            column: column.into(),
        }
    }

    #[test]
    fn a_cell_of_cross_attention_marks_its_source_and_output_tokens() {
        let from = |place| marks(Place::Cross, Some(2), Some(5), place);
        assert_eq!(from(Place::Cross), at(2, 5));
        assert_eq!(from(Place::Encoder), at(5, 5));
        assert_eq!(from(Place::Decoder), at(2, 2));
        assert_eq!(from(Place::Bert), at(None, None));
    }

    #[test]
    fn the_querys_token_goes_before_the_keys() {
        assert_eq!(
            marks(Place::Encoder, Some(1), Some(4), Place::Cross),
            at(None, 1)
        );
        assert_eq!(
            marks(Place::Encoder, None, Some(4), Place::Cross),
            at(None, 4)
        );
        assert_eq!(
            marks(Place::Decoder, Some(3), Some(0), Place::Cross),
            at(3, None)
        );
    }

    #[test]
    fn keys_walk_the_cells_and_stop_at_the_edges() {
        let walk = |from, key| Marks::walk(from, key, 3, 4);
        assert_eq!(walk(None, "ArrowDown"), Some(at(0, 0)));
        assert_eq!(walk(Some(at(0, 0)), "ArrowUp"), Some(at(0, 0)));
        assert_eq!(walk(Some(at(2, 1)), "ArrowDown"), Some(at(2, 1)));
        assert_eq!(walk(Some(at(1, None)), "ArrowRight"), Some(at(1, 1)));
        assert_eq!(walk(Some(at(1, 2)), "Home"), Some(at(1, 0)));
        assert_eq!(walk(Some(at(1, 2)), "End"), Some(at(1, 3)));
        assert_eq!(walk(Some(at(9, 9)), "ArrowLeft"), Some(at(2, 2)));
        assert_eq!(walk(Some(at(1, 2)), "Tab"), None);
        assert_eq!(Marks::walk(None, "ArrowDown", 0, 4), None);
    }

    #[test]
    fn bert_and_bart_do_not_share_tokens() {
        for place in [Place::Encoder, Place::Decoder, Place::Cross] {
            assert_eq!(
                marks(Place::Bert, Some(1), Some(2), place),
                Marks::default()
            );
        }
    }
}
