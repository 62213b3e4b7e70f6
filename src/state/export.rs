//! One matrix as a file that a reader takes along: data for programs, a picture for paper.

use std::fmt::Write;

use super::attention::Head;
use super::decoding::hundredths;
use super::format::decimal;
use super::geometry::{LABEL_SIZE, column_room, row_room, shortened, upright};
use super::grid::{Cell, Grid, Label};
use super::links::Place;
use super::ramp::{Scheme, colour, position};

/// Side of a cell in a picture. (Whole pixels throughout: printing floats takes ten kilobytes of code.)
const CELL: usize = 24;
/// Space between labels and cells (less than the room that is kept for them), and at the edges.
const GAP: usize = 6;
const EDGE: usize = 2;
/// Colours of a picture's paper, ink and hatching; it is made for paper, whatever the screen shows.
const PAPER: &str = "#fbfaf6";
const INK: &str = "#221d18";
const FAINT: &str = "#5e564d";
const ACCENT: &str = "#a33a18";
/// Length of the lines between two columns of tokens.
const SPAN: usize = 240;

/// Which matrix it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Source {
    /// Whose attention.
    pub place: Place,
    /// Layer, counted from 0.
    pub layer: usize,
    /// Head.
    pub head: Head,
}

impl Source {
    /// A name for its file, without an ending.
    pub fn file_name(&self) -> String {
        format!(
            "{}-layer-{}-head-{}",
            self.place.name(),
            self.layer + 1,
            self.head_words()
        )
    }

    fn head_words(&self) -> String {
        match self.head {
            Head::Mean => "mean".into(),
            Head::One(head) => (head + 1).to_string(),
        }
    }
}

/// `{ attention, layer, head, queries, keys, mask, weights }`: mask and weights are lists of rows, layer and head count
/// from 1, a head may be `"mean"`.
pub fn json(source: Source, grid: &Grid) -> String {
    let head = match source.head {
        Head::Mean => "\"mean\"".to_owned(),
        Head::One(head) => (head + 1).to_string(),
    };
    let rows = |value: &dyn Fn(usize, usize) -> String| {
        let row = |row| {
            let cells = (0..grid.columns.len()).map(|column| value(row, column));
            format!("[{}]", cells.collect::<Vec<_>>().join(","))
        };
        (0..grid.rows.len())
            .map(row)
            .collect::<Vec<_>>()
            .join(",\n    ")
    };
    let mask = rows(&|row, column| u8::from(grid.cell(row, column) != Cell::Forbidden).to_string());
    let weights = rows(&|row, column| decimal(weight(grid, row, column)));
    format!(
        "{{\n  \"attention\": {},\n  \"layer\": {},\n  \"head\": {head},\n  \"queries\": {},\n  \"keys\": {},\n  \
         \"mask\": [\n    {mask}\n  ],\n  \"weights\": [\n    {weights}\n  ]\n}}\n",
        quoted(source.place.name()),
        source.layer + 1,
        texts(&grid.rows),
        texts(&grid.columns),
    )
}

/// A line a cell: query and key with their places (from 1), whether the mask allows it, the weight.
pub fn csv(grid: &Grid) -> String {
    let mut lines = String::from("query,query_token,key,key_token,allowed,weight\r\n");
    for (row, query) in grid.rows.iter().enumerate() {
        for (column, key) in grid.columns.iter().enumerate() {
            let allowed = u8::from(grid.cell(row, column) != Cell::Forbidden);
            let weight = decimal(weight(grid, row, column));
            let (query, key) = (field(&query.text), field(&key.text));
            // Writing to a string cannot fail.
            let _ = write!(
                lines,
                "{},{query},{},{key},{allowed},{weight}\r\n",
                row + 1,
                column + 1
            );
        }
    }
    lines
}

/// A drawing of the matrix with its labels, forbidden cells hatched.
pub fn svg(title: &str, grid: &Grid) -> String {
    let (left, top) = (
        row_room(&grid.rows) as usize,
        column_room(&grid.columns) as usize,
    );
    let width = left + CELL * grid.columns.len() + EDGE;
    let height = top + CELL * grid.rows.len() + EDGE;
    let size = LABEL_SIZE as usize;
    let title = markup(title);
    let mut drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{title}</title><defs><pattern id=\"forbidden\" \
         width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path \
         d=\"M0 0V5\" stroke=\"{FAINT}\"/></pattern></defs><rect width=\"100%\" height=\"100%\" fill=\"{PAPER}\"/>\
         <g font-family=\"monospace\" font-size=\"{size}\" fill=\"{INK}\" dominant-baseline=\"central\">"
    );
    let mut add = |part: String| drawing.push_str(&part);
    for (row, label) in grid.rows.iter().enumerate() {
        let (x, y) = (left - GAP, top + row * CELL + CELL / 2);
        let text = markup(&shortened(&label.text));
        add(format!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{text}</text>"
        ));
    }
    for (column, label) in grid.columns.iter().enumerate() {
        let (x, y) = (left + column * CELL + CELL / 2, top - GAP);
        let text = markup(&shortened(&label.text));
        add(match upright(&label.text) {
            true => format!(
                "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
                y - size / 2
            ),
            false => {
                format!("<text x=\"{x}\" y=\"{y}\" transform=\"rotate(-90 {x} {y})\">{text}</text>")
            }
        });
    }
    for row in 0..grid.rows.len() {
        for column in 0..grid.columns.len() {
            let fill = match grid.cell(row, column) {
                Cell::Forbidden => "url(#forbidden)".to_owned(),
                Cell::Open => shade(0.0),
                Cell::Weight(weight) => shade(weight),
            };
            let (x, y) = (left + column * CELL, top + row * CELL);
            add(format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"{fill}\" stroke=\"{PAPER}\"/>"
            ));
        }
    }
    add("</g></svg>\n".to_owned());
    drawing
}

/// A drawing of one head as lines from the queries on the left to the keys on the right: `lines` are query, key and
/// weight.
pub fn lines_svg(
    title: &str,
    grid: &Grid,
    lines: impl Iterator<Item = (usize, usize, f32)>,
) -> String {
    let (left, right) = (
        row_room(&grid.rows) as usize,
        row_room(&grid.columns) as usize,
    );
    let (from, to) = (left, left + SPAN);
    let (width, height) = (to + right, CELL * grid.rows.len().max(grid.columns.len()));
    let size = LABEL_SIZE as usize;
    let title = markup(title);
    let mut drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{title}</title><rect width=\"100%\" height=\"100%\" \
         fill=\"{PAPER}\"/><g fill=\"none\" stroke=\"{ACCENT}\">"
    );
    let y = |place: usize| place * CELL + CELL / 2;
    for (row, column, weight) in lines {
        // Hundredths of the pen's width and of its cover.
        let (pen, cover) = (60.0 + 340.0 * weight, 8.0 + 92.0 * weight);
        let (pen, cover) = (hundredths(pen as u32), hundredths(cover as u32));
        let (y1, y2, bend) = (y(row), y(column), SPAN / 2);
        drawing.push_str(&format!(
            "<path d=\"M{from} {y1}C{} {y1} {} {y2} {to} {y2}\" stroke-width=\"{pen}\" stroke-opacity=\"{cover}\"/>",
            from + bend,
            to - bend
        ));
    }
    drawing.push_str(&format!(
        "</g><g font-family=\"monospace\" font-size=\"{size}\" fill=\"{INK}\" dominant-baseline=\"central\">"
    ));
    let columns = grid.columns.iter().enumerate();
    let columns = columns.map(|(at, label)| (at, label, to + GAP, "start"));
    let rows = grid.rows.iter().enumerate();
    let rows = rows.map(|(at, label)| (at, label, from - GAP, "end"));
    for (at, label, x, anchor) in rows.chain(columns) {
        drawing.push_str(&format!(
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            y(at),
            markup(&shortened(&label.text))
        ));
    }
    drawing.push_str("</g></svg>\n");
    drawing
}

fn weight(grid: &Grid, row: usize, column: usize) -> f32 {
    match grid.cell(row, column) {
        Cell::Weight(weight) => weight,
        Cell::Forbidden | Cell::Open => 0.0,
    }
}

fn shade(weight: f32) -> String {
    let [red, green, blue] = colour(Scheme::Light, position(weight));
    format!("rgb({red},{green},{blue})")
}

fn texts(labels: &[Label]) -> String {
    let texts: Vec<String> = labels.iter().map(|label| quoted(&label.text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A JSON string.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", control as u32);
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A field of a CSV file. What a spreadsheet would take for a formula gets an apostrophe.
pub fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// Text inside markup. Control characters, which XML doesn't allow, become spaces.
fn markup(text: &str) -> String {
    let mut safe = String::new();
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            control if control < ' ' => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        Grid {
            rows: vec![Label::special("[CLS]"), Label::written("=\"a\\b\"")],
            columns: vec![Label::written("x"), Label::written("<b>&")],
            allowed: vec![true, false, true, true],
            weights: Some(vec![1.0, 0.0, 0.25, 0.75]),
        }
    }

    #[test]
    fn json_is_read_back_as_it_was() {
        let source = Source {
            place: Place::Bert,
            layer: 4,
            head: Head::One(2),
        };
        let read: serde_json::Value = serde_json::from_str(&json(source, &grid())).unwrap();
        let expected = serde_json::json!({
            "attention": "bert", "layer": 5, "head": 3,
            "queries": ["[CLS]", "=\"a\\b\""], "keys": ["x", "<b>&"],
            "mask": [[1, 0], [1, 1]], "weights": [[1.0, 0.0], [0.25, 0.75]],
        });
        assert_eq!(read, expected);
        assert_eq!(source.file_name(), "bert-layer-5-head-3");
    }

    #[test]
    fn csv_has_a_line_a_cell_and_no_formulas() {
        let csv = csv(&grid());
        let lines: Vec<&str> = csv.split("\r\n").collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[2], "1,\"[CLS]\",2,\"<b>&\",0,0.000000000");
        assert_eq!(lines[3], "2,\"'=\"\"a\\b\"\"\",1,\"x\",1,0.250000000");
    }

    #[test]
    fn lines_lead_from_a_query_to_a_key() {
        let drawing = lines_svg("lines", &grid(), [(0, 1, 1.0), (1, 0, 0.25)].into_iter());
        assert_eq!(drawing.matches("<path").count(), 2);
        assert_eq!(drawing.matches("<text").count(), 4);
        assert!(
            drawing.contains("stroke-width=\"4\" stroke-opacity=\"1\""),
            "{drawing}"
        );
        assert!(
            drawing.contains("stroke-width=\"1.45\" stroke-opacity=\"0.31\""),
            "{drawing}"
        );
    }

    #[test]
    fn a_drawing_escapes_its_words_and_hatches_what_is_forbidden() {
        let drawing = svg("a < b", &grid());
        assert!(drawing.contains("<title>a &lt; b</title>"));
        assert!(drawing.contains(">&lt;b&gt;&amp;</text>"));
        assert_eq!(drawing.matches("url(#forbidden)").count(), 1);
        assert_eq!(drawing.matches("<rect").count(), 5);
    }
}
