//! A row or a cell of a matrix in words, for everyone and for screen readers first.

use super::format::percent;
use super::grid::{Cell, Grid};
use super::links::Marks;

/// Keys that a row's summary names.
const NAMED: usize = 3;

/// What the marked cell, row or column says; none where nothing within the grid is marked.
pub fn describe(grid: &Grid, marks: Marks) -> Option<String> {
    let row = marks.row.filter(|&row| row < grid.rows.len());
    let column = marks.column.filter(|&column| column < grid.columns.len());
    match (row, column) {
        (Some(row), Some(column)) => Some(format!(
            "{} {}",
            cell_summary(grid, row, column),
            row_summary(grid, row)
        )),
        (Some(row), None) => Some(row_summary(grid, row)),
        (None, Some(column)) => Some(column_summary(grid, column)),
        (None, None) => None,
    }
}

/// “bank” to “river”: 41%.
pub fn cell_summary(grid: &Grid, row: usize, column: usize) -> String {
    let query = quoted(&grid.rows[row].text);
    let key = quoted(&grid.columns[column].text);
    match grid.cell(row, column) {
        Cell::Forbidden => format!("{query} may not look at {key}."),
        Cell::Open => format!("{query} may look at {key}."),
        Cell::Weight(weight) => format!("{query} to {key}: {}.", percent(weight)),
    }
}

/// “bank” attends most to “river” 41%, “the” 12%, “of” 9%; 3 of 8 are out of its sight.
pub fn row_summary(grid: &Grid, row: usize) -> String {
    let query = quoted(&grid.rows[row].text);
    let keys = grid.columns.len();
    let seen = (0..keys)
        .filter(|&column| grid.cell(row, column) != Cell::Forbidden)
        .count();
    let hidden = match keys - seen {
        0 => String::new(),
        hidden => format!("; {hidden} of {keys} are out of its sight"),
    };
    let named: Vec<String> = strongest((0..keys).map(|column| grid.cell(row, column)))
        .into_iter()
        .map(|(column, weight)| {
            format!("{} {}", quoted(&grid.columns[column].text), percent(weight))
        })
        .collect();
    if named.is_empty() {
        return match seen {
            0 => format!("{query} may look at nothing."),
            all if all == keys => format!("{query} may look at all {keys}."),
            some => format!("{query} may look at {some} of {keys}{hidden}."),
        };
    }
    format!("{query} attends most to {}{hidden}.", named.join(", "))
}

/// “river” is attended to most by “bank” 41%, ….
fn column_summary(grid: &Grid, column: usize) -> String {
    let key = quoted(&grid.columns[column].text);
    let seen = strongest((0..grid.rows.len()).map(|row| grid.cell(row, column)));
    if seen.is_empty() {
        let rows = grid.rows.len();
        let seers = (0..rows)
            .filter(|&row| grid.cell(row, column) != Cell::Forbidden)
            .count();
        return format!("{key} may be seen by {seers} of {rows}.");
    }
    let named: Vec<String> = seen
        .iter()
        .map(|&(row, weight)| format!("{} {}", quoted(&grid.rows[row].text), percent(weight)))
        .collect();
    format!("{key} is attended to most by {}.", named.join(", "))
}

/// The largest weights and their places, largest first; what is zero is left out.
fn strongest(cells: impl Iterator<Item = Cell>) -> Vec<(usize, f32)> {
    let mut strongest: Vec<(usize, f32)> = Vec::with_capacity(NAMED + 1);
    for (place, cell) in cells.enumerate() {
        if let Cell::Weight(weight) = cell
            && weight > 0.0
        {
            let rank = strongest.partition_point(|&(_, larger)| larger >= weight);
            strongest.insert(rank, (place, weight));
            strongest.truncate(NAMED);
        }
    }
    strongest
}

fn quoted(text: &str) -> String {
    format!("“{text}”")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::shapes::{Rule, Sight, bracketed, self_attention};

    fn grid(weights: Option<Vec<f32>>) -> Grid {
        let mut grid = self_attention(
            bracketed("[CLS]", ["river"], "[SEP]"),
            &Sight::of(Rule::Left),
        );
        grid.weights = weights;
        grid
    }

    fn weighted() -> Grid {
        grid(Some(vec![1.0, 0.0, 0.0, 0.59, 0.41, 0.0, 0.25, 0.7, 0.05]))
    }

    #[test]
    fn a_row_names_its_strongest_keys_and_what_is_hidden() {
        assert_eq!(
            row_summary(&weighted(), 1),
            "“river” attends most to “[CLS]” 59%, “river” 41%; 1 of 3 are out of its sight."
        );
        assert_eq!(
            row_summary(&weighted(), 2),
            "“[SEP]” attends most to “river” 70%, “[CLS]” 25%, “[SEP]” 5.0%."
        );
    }

    #[test]
    fn before_weights_arrive_a_row_says_what_it_may_see() {
        let shape = grid(None);
        assert_eq!(
            row_summary(&shape, 0),
            "“[CLS]” may look at 1 of 3; 2 of 3 are out of its sight."
        );
        assert_eq!(row_summary(&shape, 2), "“[SEP]” may look at all 3.");
        assert_eq!(
            cell_summary(&shape, 0, 2),
            "“[CLS]” may not look at “[SEP]”."
        );
        assert_eq!(column_summary(&shape, 1), "“river” may be seen by 2 of 3.");
    }

    #[test]
    fn cells_rows_and_columns_each_have_their_words() {
        let marks = |row, column| describe(&weighted(), Marks { row, column });
        assert!(
            marks(Some(2), Some(1))
                .unwrap()
                .starts_with("“[SEP]” to “river”: 70%.")
        );
        assert!(
            marks(Some(0), Some(2))
                .unwrap()
                .starts_with("“[CLS]” may not look at “[SEP]”.")
        );
        assert_eq!(
            marks(None, Some(0)).unwrap(),
            "“[CLS]” is attended to most by “[CLS]” 100%, “river” 59%, “[SEP]” 25%."
        );
        assert_eq!(marks(None, None), None);
        assert_eq!(marks(Some(9), None), None);
    }

    #[test]
    fn a_row_that_sees_nothing_says_so() {
        let mut blind = grid(None);
        blind.allowed[..3].fill(false);
        assert_eq!(row_summary(&blind, 0), "“[CLS]” may look at nothing.");
    }
}
