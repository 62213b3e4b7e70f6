//! One attention matrix as it is shown: labels, what is allowed, and the weights of one head or of their mean.

use std::ops::Range;

use unmask_protocol::Token;

/// A row's or column's label.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// As a reader would write it; a piece that continues a word begins with `·`.
    pub text: String,
    /// Added by the tokenizer, not written by the reader.
    pub special: bool,
    /// Whether this piece continues the word before it.
    pub continues: bool,
    /// Where it begins in the text that was read, in UTF-16 units; none for what is not in the text.
    pub start: Option<usize>,
}

impl Label {
    /// A token that is added by the tokenizer.
    pub fn special(text: &str) -> Self {
        Self {
            special: true,
            ..Self::written(text)
        }
    }

    /// A whole word.
    pub fn written(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            special: false,
            continues: false,
            start: None,
        }
    }
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// The mask does not let this query see this key.
    Forbidden,
    /// Allowed; the weight isn't known yet.
    Open,
    /// Allowed, with its weight after softmax.
    Weight(f32),
}

/// A matrix of queries (rows) by keys (columns), row-major; by default one without any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// Query labels.
    pub rows: Vec<Label>,
    /// Key labels.
    pub columns: Vec<Label>,
    /// Whether row may attend to column; `[rows, columns]`.
    pub allowed: Vec<bool>,
    /// Weights after softmax; `[rows, columns]`. None while only the mask is known.
    pub weights: Option<Vec<f32>>,
}

impl Grid {
    /// The cell at `row`, `column`, both within the grid.
    pub fn cell(&self, row: usize, column: usize) -> Cell {
        let at = row * self.columns.len() + column;
        match &self.weights {
            _ if !self.allowed[at] => Cell::Forbidden,
            Some(weights) => Cell::Weight(weights[at]),
            None => Cell::Open,
        }
    }

    /// Number of cells that the mask forbids.
    pub fn forbidden(&self) -> usize {
        self.allowed.iter().filter(|&&allowed| !allowed).count()
    }

    /// Word pieces put back together: a word's row is the mean of its pieces' rows, its column their sum.
    pub fn merged(&self) -> Self {
        let rows = word_groups(&self.rows);
        let columns = word_groups(&self.columns);
        let weights = self.weights.as_ref().map(|weights| {
            combine(&rows, &columns, |row, column| {
                let sum: f32 = cells(row, column, self.columns.len())
                    .map(|at| weights[at])
                    .sum();
                sum / row.len() as f32
            })
        });
        Self {
            allowed: combine(&rows, &columns, |row, column| {
                cells(row, column, self.columns.len()).any(|at| self.allowed[at])
            }),
            weights,
            rows: merge_labels(&self.rows, &rows),
            columns: merge_labels(&self.columns, &columns),
        }
    }

    /// Only what the reader wrote: special tokens are left out, and each row sums to one again.
    pub fn without_special(&self) -> Self {
        let rows = written(&self.rows);
        let columns = written(&self.columns);
        let weights = self.weights.as_ref().map(|weights| {
            let mut kept = combine(&rows, &columns, |row, column| {
                weights[row * self.columns.len() + column]
            });
            for row in kept.chunks_mut(columns.len().max(1)) {
                let sum: f32 = row.iter().sum();
                if sum > 0.0 {
                    row.iter_mut().for_each(|weight| *weight /= sum);
                }
            }
            kept
        });
        Self {
            allowed: combine(&rows, &columns, |row, column| {
                self.allowed[row * self.columns.len() + column]
            }),
            weights,
            rows: rows.iter().map(|&row| self.rows[row].clone()).collect(),
            columns: columns
                .iter()
                .map(|&column| self.columns[column].clone())
                .collect(),
        }
    }

    /// The same with `count` keys of padding behind the others, which nobody may look at.
    pub fn padded(&self, count: usize) -> Self {
        let (rows, width) = (self.rows.len(), self.columns.len());
        let row_of = |row: usize| row * width..(row + 1) * width;
        let mut columns = self.columns.clone();
        columns.extend((0..count).map(|_| Label::special("[PAD]")));
        let widen = |row| {
            self.allowed[row_of(row)]
                .iter()
                .copied()
                .chain(std::iter::repeat_n(false, count))
        };
        Self {
            rows: self.rows.clone(),
            columns,
            allowed: (0..rows).flat_map(widen).collect(),
            weights: self.weights.as_ref().map(|weights| {
                let widen = |row| {
                    weights[row_of(row)]
                        .iter()
                        .copied()
                        .chain(std::iter::repeat_n(0.0, count))
                };
                (0..rows).flat_map(widen).collect()
            }),
        }
    }

    /// The first `rows` rows and `columns` columns: a decoder that has written that much.
    pub fn corner(&self, rows: usize, columns: usize) -> Self {
        let rows: Vec<usize> = (0..rows.min(self.rows.len())).collect();
        let columns: Vec<usize> = (0..columns.min(self.columns.len())).collect();
        let width = self.columns.len();
        Self {
            allowed: combine(&rows, &columns, |row, column| {
                self.allowed[row * width + column]
            }),
            weights: self.weights.as_ref().map(|weights| {
                combine(&rows, &columns, |row, column| weights[row * width + column])
            }),
            rows: self.rows[..rows.len()].to_vec(),
            columns: self.columns[..columns.len()].to_vec(),
        }
    }
}

/// Labels of a model's tokens, in the spelling of WordPiece (`##ing`) or byte-level BPE (`Ġword`).
pub fn labels(tokens: &[Token]) -> Vec<Label> {
    let byte_level = tokens.iter().any(|token| token.text.starts_with('Ġ'));
    let mut previous_written = false;
    tokens
        .iter()
        .map(|token| {
            let continues = !token.special
                && previous_written
                && match byte_level {
                    // A word's first piece carries the space before it, as `Ġ`, itself a letter.
                    true => token
                        .text
                        .starts_with(|first: char| first != 'Ġ' && first.is_alphanumeric()),
                    false => token.text.starts_with("##"),
                };
            previous_written = !token.special;
            let bare = token.text.trim_start_matches("##").replace('Ġ', " ");
            let text = match bare.trim() {
                "" => "␣".to_owned(),
                text if continues => format!("·{text}"),
                text => text.to_owned(),
            };
            Label {
                text,
                special: token.special,
                continues,
                start: (!token.special).then_some(token.start),
            }
        })
        .collect()
}

/// Stretches of labels that make up one word each.
fn word_groups(labels: &[Label]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if label.continues => group.end = index + 1,
            _ => groups.push(index..index + 1),
        }
    }
    groups
}

fn merge_labels(labels: &[Label], groups: &[Range<usize>]) -> Vec<Label> {
    groups
        .iter()
        .map(|group| Label {
            text: labels[group.clone()]
                .iter()
                .enumerate()
                .map(|(piece, label)| {
                    let bare = label.text.strip_prefix('·').filter(|_| label.continues);
                    match bare {
                        Some(bare) if piece > 0 => bare,
                        _ => label.text.as_str(),
                    }
                })
                .collect(),
            ..labels[group.start].clone()
        })
        .collect()
}

fn written(labels: &[Label]) -> Vec<usize> {
    (0..labels.len())
        .filter(|&index| !labels[index].special)
        .collect()
}

fn cells(row: &Range<usize>, column: &Range<usize>, width: usize) -> impl Iterator<Item = usize> {
    row.clone()
        .flat_map(move |row| column.clone().map(move |column| row * width + column))
}

/// A new matrix with a cell for every pair of a row and a column.
fn combine<K, T>(rows: &[K], columns: &[K], cell: impl Fn(&K, &K) -> T) -> Vec<T> {
    let mut cells = Vec::with_capacity(rows.len() * columns.len());
    for row in rows {
        cells.extend(columns.iter().map(|column| cell(row, column)));
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, special: bool) -> Token {
        Token {
            id: 0,
            text: text.into(),
            start: 0,
            end: 0,
            segment: 0,
            special,
        }
    }

    fn texts(labels: &[Label]) -> Vec<&str> {
        labels.iter().map(|label| label.text.as_str()).collect()
    }

    /// [CLS] un ##mask it, causal, each row uniform over what it sees.
    fn causal() -> Grid {
        let tokens = [
            token("[CLS]", true),
            token("un", false),
            token("##mask", false),
            token("it", false),
        ];
        let allowed: Vec<bool> = (0..16).map(|at| at % 4 <= at / 4).collect();
        let weights = (0..16)
            .map(|at| {
                if at % 4 <= at / 4 {
                    1.0 / (at / 4 + 1) as f32
                } else {
                    0.0
                }
            })
            .collect();
        Grid {
            rows: labels(&tokens),
            columns: labels(&tokens),
            allowed,
            weights: Some(weights),
        }
    }

    #[test]
    fn labels_read_like_text_in_every_vocabulary() {
        let pieces = labels(&[
            token("[CLS]", true),
            token("read", false),
            token("##ing", false),
        ]);
        assert_eq!(texts(&pieces), ["[CLS]", "read", "·ing"]);
        let bytes = labels(&[
            token("<s>", true),
            token("Read", false),
            token("ing", false),
            token("Ġaloud", false),
            token(".", false),
        ]);
        assert_eq!(texts(&bytes), ["<s>", "Read", "·ing", "aloud", "."]);
        let letters = labels(&[token("c", false), token("a", false), token("t", false)]);
        assert_eq!(texts(&letters), ["c", "a", "t"]);
        assert!(letters.iter().all(|label| !label.continues));
    }

    #[test]
    fn merging_sums_columns_and_averages_rows() {
        let merged = causal().merged();
        assert_eq!(texts(&merged.rows), ["[CLS]", "unmask", "it"]);
        assert_eq!(merged.cell(0, 1), Cell::Forbidden);
        let Cell::Weight(weight) = merged.cell(1, 1) else {
            panic!("allowed");
        };
        assert!((weight - (0.5 + 2.0 / 3.0) / 2.0).abs() < 1e-6);
        for row in merged.weights.unwrap().chunks(3) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn leaving_special_tokens_out_renormalises_rows() {
        let written = causal().without_special();
        assert_eq!(texts(&written.columns), ["un", "·mask", "it"]);
        assert_eq!(written.cell(0, 0), Cell::Weight(1.0));
        assert_eq!(written.cell(0, 1), Cell::Forbidden);
        assert_eq!(written.forbidden(), 3);
    }

    #[test]
    fn a_corner_of_a_causal_matrix_is_a_smaller_causal_matrix() {
        let whole = causal();
        let corner = whole.corner(2, 2);
        assert_eq!(corner.forbidden(), 1);
        for (row, column) in [(0, 0), (1, 0), (1, 1)] {
            assert_eq!(corner.cell(row, column), whole.cell(row, column));
        }
        assert_eq!(whole.corner(99, 99), whole);
    }

    #[test]
    fn without_weights_a_cell_is_open_or_forbidden() {
        let mut grid = causal();
        grid.weights = None;
        assert_eq!(grid.cell(1, 0), Cell::Open);
        assert_eq!(grid.cell(0, 1), Cell::Forbidden);
    }

    #[test]
    fn padding_adds_columns_that_nobody_may_look_at() {
        let padded = causal().padded(2);
        assert_eq!((padded.rows.len(), padded.columns.len()), (4, 6));
        assert_eq!(padded.forbidden(), causal().forbidden() + 4 * 2);
        for row in 0..4 {
            assert_eq!(padded.cell(row, 5), Cell::Forbidden);
            for column in 0..4 {
                assert_eq!(padded.cell(row, column), causal().cell(row, column));
            }
        }
    }

    #[test]
    fn an_empty_grid_stays_empty() {
        let empty = causal().corner(0, 0);
        assert_eq!(empty.merged(), empty);
        assert_eq!(empty.without_special(), empty);
    }
}
