//! Two runs of one model side by side: which tokens read exactly the same, and by how much the others changed.

use super::attention::Attention;

/// What became of a token's row when another token was changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Every weight of the row, in every layer and head, is the same to the last bit.
    Identical,
    /// The largest difference of a weight in any layer and head.
    By(f32),
}

/// What became of the rows that both runs have. A key that only one run has counts as a weight of zero in the other.
pub fn row_changes(before: &Attention, after: &Attention) -> Vec<Change> {
    let rows = before.rows().min(after.rows());
    let planes = before.planes().min(after.planes());
    let keys = before.columns().max(after.columns());
    (0..rows)
        .map(|row| {
            let mut largest: Option<f32> = None;
            for plane in 0..planes {
                let (old, new) = (before.weights_of(plane, row), after.weights_of(plane, row));
                for key in 0..keys {
                    let weight = |row: &[f32]| row.get(key).copied().unwrap_or(0.0);
                    let (old, new) = (weight(old), weight(new));
                    if old.to_bits() != new.to_bits() {
                        let size = (old - new).abs();
                        largest = Some(largest.map_or(size, |now| now.max(size)));
                    }
                }
            }
            largest.map_or(Change::Identical, Change::By)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::attention::tests::header;

    fn run(tokens: usize, weights: Vec<f32>) -> Attention {
        let scores = vec![0.0; weights.len()];
        Attention::new(
            header(tokens, 1, 2),
            vec![1; tokens * tokens],
            scores,
            weights,
        )
        .unwrap()
    }

    #[test]
    fn a_row_is_identical_only_when_every_bit_of_every_head_is() {
        let before = run(2, vec![1.0, 0.0, 0.5, 0.5, 1.0, 0.0, 0.2, 0.8]);
        assert_eq!(row_changes(&before, &before), [Change::Identical; 2]);
        let after = run(2, vec![1.0, 0.0, 0.5, 0.5, 1.0, 0.0, 0.3, 0.7]);
        let changes = row_changes(&before, &after);
        assert_eq!(changes[0], Change::Identical);
        assert!(matches!(changes[1], Change::By(size) if (size - 0.1).abs() < 1e-6));
        let minus_zero = run(2, vec![1.0, -0.0, 0.5, 0.5, 1.0, 0.0, 0.2, 0.8]);
        assert_eq!(row_changes(&before, &minus_zero)[0], Change::By(0.0));
    }

    #[test]
    fn a_longer_text_leaves_rows_alone_that_do_not_see_its_end() {
        let short = run(1, vec![1.0, 1.0]);
        let causal = run(2, vec![1.0, 0.0, 0.5, 0.5, 1.0, 0.0, 0.5, 0.5]);
        assert_eq!(row_changes(&short, &causal), [Change::Identical]);
        let open = run(2, vec![0.6, 0.4, 0.5, 0.5, 1.0, 0.0, 0.5, 0.5]);
        assert_eq!(row_changes(&short, &open), [Change::By(0.4)]);
    }
}
