//! What a panel found, as a table that a reader takes along: the same rows as CSV and as JSON.

use super::export::{field, quoted};
use super::format::decimal;

/// One cell, as both files write it but for the quotes of its words.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Number(String),
    None,
}

/// Rows under named columns, filled cell by cell. (Plain calls on one type: every panel has such a table.)
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: &'static [&'static str],
    cells: Vec<Value>,
}

impl Table {
    /// Without rows; there is at least one column.
    pub fn new(columns: &'static [&'static str]) -> Self {
        Self {
            columns,
            cells: Vec::new(),
        }
    }

    /// Adds words.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.cells.push(Value::Text(text.to_owned()));
        self
    }

    /// Adds a probability or another number from -1 to 1.
    pub fn share(&mut self, share: f32) -> &mut Self {
        let sign = if share < 0.0 { "-" } else { "" };
        let number = format!("{sign}{}", decimal(share.abs()));
        self.cells.push(Value::Number(number));
        self
    }

    /// Adds a place or a number of things.
    pub fn count(&mut self, count: usize) -> &mut Self {
        self.cells.push(Value::Number(count.to_string()));
        self
    }

    /// Adds a cell of which nothing is known.
    pub fn none(&mut self) -> &mut Self {
        self.cells.push(Value::None);
        self
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// A line a row, after a line with the columns' names.
    pub fn csv(&self) -> String {
        let mut lines = self.columns.join(",");
        for (at, value) in self.cells.iter().enumerate() {
            let first = at % self.columns.len() == 0;
            lines.push_str(if first { "\r\n" } else { "," });
            match value {
                Value::Text(text) => lines.push_str(&field(text)),
                Value::Number(number) => lines.push_str(number),
                Value::None => {}
            }
        }
        lines.push_str("\r\n");
        lines
    }

    /// A list with an object a row.
    pub fn json(&self) -> String {
        let mut list = String::from("[");
        for (at, value) in self.cells.iter().enumerate() {
            let place = at % self.columns.len();
            list.push_str(match (at, place) {
                (0, _) => "\n  { ",
                (_, 0) => " },\n  { ",
                _ => ", ",
            });
            list.push_str(&quoted(self.columns[place]));
            list.push_str(": ");
            match value {
                Value::Text(text) => list.push_str(&quoted(text)),
                Value::Number(number) => list.push_str(number),
                Value::None => list.push_str("null"),
            }
        }
        list.push_str(if self.cells.is_empty() {
            "]\n"
        } else {
            " }\n]\n"
        });
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_the_same_as_csv_and_as_json() {
        let mut table = Table::new(&["word", "place", "share", "rest"]);
        assert!(table.is_empty());
        assert_eq!(table.json(), "[]\n");
        table.text("=a \"b\"").count(3).share(0.25).none();
        table.text("é").count(0).share(-0.5).text("x");
        let read: serde_json::Value = serde_json::from_str(&table.json()).unwrap();
        let expected = serde_json::json!([
            { "word": "=a \"b\"", "place": 3, "share": 0.25, "rest": null },
            { "word": "é", "place": 0, "share": -0.5, "rest": "x" },
        ]);
        assert_eq!(read, expected);
        assert_eq!(
            table.csv(),
            "word,place,share,rest\r\n\"'=a \"\"b\"\"\",3,0.250000000,\r\n\"é\",0,-0.500000000,\"x\"\r\n"
        );
    }
}
