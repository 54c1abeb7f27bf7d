//! A table as plain data: what CSV files and the page's tables are made of.

use serde::ser::{Serialize, Serializer};

/// The unit of a share of a whole.
pub(super) const SHARE: &str = "0 to 1";

/// A table.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Table {
    /// What it is about.
    pub title: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each with a cell for every column.
    pub rows: Vec<Vec<Cell>>,
}

/// A column; as JSON `[title, unit]`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Column(
    /// Its title.
    pub String,
    /// The unit of its numbers; empty for words and plain numbers.
    pub &'static str,
);

/// What stands in one place; as JSON the bare value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Words.
    Text(String),
    /// A count, an index or an id.
    Count(u64),
    /// A number of single precision.
    Single(f32),
    /// A number of double precision.
    Double(f64),
}

impl Table {
    /// A table without rows.
    pub fn new(title: &str, columns: &[(&str, &'static str)]) -> Self {
        let columns = columns.iter().map(|(title, unit)| Column((*title).to_owned(), unit)).collect();
        Self { title: title.to_owned(), columns, rows: Vec::new() }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Single(value) => serializer.serialize_f32(*value),
            Self::Double(value) => serializer.serialize_f64(*value),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Cell {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<f32> for Cell {
    fn from(value: f32) -> Self {
        Self::Single(value)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}
