//! Where a matrix's cells and labels lie, in CSS pixels, and what lies under a point.

use super::grid::Label;
use super::links::Marks;

/// Size of the labels' type, in CSS pixels.
pub const LABEL_SIZE: f64 = 12.0;
/// Advance of one character of the labels' monospaced type.
const LABEL_ADVANCE: f64 = 0.61 * LABEL_SIZE;
/// Space between labels and cells.
const LABEL_GAP: f64 = 7.0;
/// Characters of a label that are shown.
const LABEL_CHARACTERS: usize = 12;
/// Cells smaller than this have no room for labels beside them.
const LABELLED_CELL: f64 = 9.0;
/// Bounds of a cell's side.
const CELL: std::ops::RangeInclusive<f64> = 3.0..=30.0;
/// Room kept at the right and lower edges for the marks' outline.
const EDGE: f64 = 2.0;

/// Lengths that matrices share when their rows or columns are to line up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Left of the cells, for the rows' labels.
    pub left: f64,
    /// Above the cells, for the columns' labels.
    pub top: f64,
    /// Side of a cell.
    pub cell: f64,
}

impl Geometry {
    /// The largest cells with which `columns` fit into `width`.
    pub fn fit(width: f64, left: f64, top: f64, columns: usize) -> Self {
        let room = (width - left - EDGE) / columns.max(1) as f64;
        let cell = if room >= LABELLED_CELL {
            room.floor()
        } else {
            room
        };
        Self {
            left,
            top,
            cell: cell.clamp(*CELL.start(), *CELL.end()),
        }
    }

    /// Width of the whole picture.
    pub fn width(&self, columns: usize) -> f64 {
        (self.left + self.cell * columns as f64 + EDGE).ceil()
    }

    /// Height of the whole picture.
    pub fn height(&self, rows: usize) -> f64 {
        (self.top + self.cell * rows as f64 + EDGE).ceil()
    }

    /// Whether every row and column has its label.
    pub fn labelled(&self) -> bool {
        self.cell >= LABELLED_CELL
    }

    /// What lies at a point of a `rows` by `columns` matrix: a cell, a row's label, a column's label.
    pub fn hit(&self, x: f64, y: f64, rows: usize, columns: usize) -> Option<Marks> {
        let index = |offset: f64, count: usize| {
            let index = (offset / self.cell).floor();
            (index >= 0.0 && (index as usize) < count).then_some(index as usize)
        };
        let row = index(y - self.top, rows);
        let column = index(x - self.left, columns);
        let marks = match (x < self.left, y < self.top) {
            (true, true) => return None,
            (true, false) => Marks { row, column: None },
            (false, true) => Marks { row: None, column },
            (false, false) => Marks {
                row: Some(row?),
                column: Some(column?),
            },
        };
        (marks != Marks::default()).then_some(marks)
    }
}

/// Room to the left of the cells for the rows' labels, gap included.
pub fn row_room(labels: &[Label]) -> f64 {
    let longest = labels.iter().map(|label| length(&label.text)).max();
    (longest.unwrap_or(0) as f64 * LABEL_ADVANCE + LABEL_GAP).ceil()
}

/// Room above the cells for the columns' labels, which stand upright or run upwards; gap included.
pub fn column_room(labels: &[Label]) -> f64 {
    let heights = labels.iter().map(|label| match upright(&label.text) {
        true => LABEL_SIZE,
        false => length(&label.text) as f64 * LABEL_ADVANCE,
    });
    (heights.fold(0.0, f64::max) + LABEL_GAP).ceil()
}

/// Whether a column's label is short enough to stand upright above the smallest cell that has labels.
pub fn upright(text: &str) -> bool {
    length(text) == 1
}

/// Characters of a label that are drawn.
fn length(text: &str) -> usize {
    text.chars().count().min(LABEL_CHARACTERS)
}
/// A label as it is drawn: long ones end in an ellipsis.
pub fn shortened(text: &str) -> String {
    if text.chars().count() <= LABEL_CHARACTERS {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(LABEL_CHARACTERS - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Label {
        Label::written(text)
    }

    #[test]
    fn cells_fill_the_width_within_bounds() {
        let wide = Geometry::fit(400.0, 50.0, 50.0, 16);
        assert_eq!(wide.cell, 21.0);
        assert!(wide.width(16) <= 400.0);
        assert_eq!(Geometry::fit(400.0, 50.0, 50.0, 2).cell, 30.0);
        let narrow = Geometry::fit(320.0, 60.0, 60.0, 512);
        assert_eq!(narrow.cell, 3.0);
        assert!(!narrow.labelled());
        assert_eq!(Geometry::fit(0.0, 60.0, 60.0, 0).cell, 3.0);
    }

    #[test]
    fn a_point_finds_its_cell_or_label() {
        let geometry = Geometry {
            left: 40.0,
            top: 30.0,
            cell: 10.0,
        };
        let hit = |x, y| geometry.hit(x, y, 3, 4);
        assert_eq!(
            hit(40.0, 30.0),
            Some(Marks {
                row: Some(0),
                column: Some(0)
            })
        );
        assert_eq!(
            hit(79.9, 59.9),
            Some(Marks {
                row: Some(2),
                column: Some(3)
            })
        );
        assert_eq!(
            hit(5.0, 45.0),
            Some(Marks {
                row: Some(1),
                column: None
            })
        );
        assert_eq!(
            hit(65.0, 5.0),
            Some(Marks {
                row: None,
                column: Some(2)
            })
        );
        for (x, y) in [
            (5.0, 5.0),
            (80.0, 45.0),
            (45.0, 60.0),
            (5.0, 61.0),
            (90.0, 5.0),
        ] {
            assert_eq!(hit(x, y), None, "{x}, {y}");
        }
    }

    #[test]
    fn long_labels_are_shortened_and_room_follows_the_longest() {
        assert_eq!(shortened("characteristic"), "characteris…");
        let room = |text| row_room(&[label("a"), label(text)]);
        assert!(room("bank") > room("an"));
        assert_eq!(room("characteristic"), room("characterist"));
    }

    #[test]
    fn single_letters_stand_upright_and_need_less_room() {
        assert!(column_room(&[label("a"), label("ɹ")]) < column_room(&[label("a"), label("it")]));
        assert_eq!(column_room(&[label("bank")]), row_room(&[label("bank")]));
        assert!(column_room(&[]) < column_room(&[label("a")]));
    }
}
