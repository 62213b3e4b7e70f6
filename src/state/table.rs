//! What a panel found, as a table that a reader takes along: the same rows as CSV and as JSON.

use super::export::{field, quoted};
use super::format::decimal;

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Words.
    Text(String),
    /// A probability or another number from 0 to 1.
    Share(f32),
    /// A place or a number of things.
    Count(usize),
    /// Nothing is known.
    None,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f32> for Value {
    fn from(share: f32) -> Self {
        Self::Share(share)
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, T::into)
    }
}

impl Value {
    fn number(&self) -> Option<String> {
        match self {
            Self::Share(share) if *share < 0.0 => Some(format!("-{}", decimal(-share))),
            Self::Share(share) => Some(decimal(*share)),
            Self::Count(count) => Some(count.to_string()),
            Self::Text(_) | Self::None => None,
        }
    }
}

/// Rows under named columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// Without rows.
    pub fn new(columns: &'static [&'static str]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row, a value a column.
    pub fn add<const N: usize>(&mut self, row: [Value; N]) {
        self.rows.push(row.into());
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A line a row, after a line with the columns' names.
    pub fn csv(&self) -> String {
        let mut lines = self.columns.join(",");
        lines.push_str("\r\n");
        for row in &self.rows {
            let cells = row.iter().map(|value| match value {
                Value::Text(text) => field(text),
                other => other.number().unwrap_or_default(),
            });
            lines.push_str(&cells.collect::<Vec<_>>().join(","));
            lines.push_str("\r\n");
        }
        lines
    }

    /// A list with an object a row.
    pub fn json(&self) -> String {
        let object = |row: &Vec<Value>| {
            let pairs = self.columns.iter().zip(row).map(|(column, value)| {
                let value = match value {
                    Value::Text(text) => quoted(text),
                    other => other.number().unwrap_or_else(|| "null".to_owned()),
                };
                format!("{}: {value}", quoted(column))
            });
            format!("  {{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        };
        let rows: Vec<String> = self.rows.iter().map(object).collect();
        format!("[\n{}\n]\n", rows.join(",\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_the_same_as_csv_and_as_json() {
        let mut table = Table::new(&["word", "place", "share", "rest"]);
        assert!(table.is_empty());
        table.add(["=a \"b\"".into(), 3.into(), 0.25.into(), Value::None]);
        table.add(["é".into(), 0.into(), (-0.5).into(), Some("x").into()]);
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
