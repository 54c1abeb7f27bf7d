//! A table as CSV (RFC 4180): a header with units in brackets, lines that end in CR LF, every number with all its digits.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use super::table::{Cell, Column, Table};
use crate::whole_file;

/// Writes a table to a file, which appears whole or not at all.
pub fn write(path: &Path, table: &Table) -> io::Result<()> {
    whole_file::write(path, |file| file.write_all(text(table).as_bytes()))
}

/// A table's text.
pub fn text(table: &Table) -> String {
    let mut text = String::new();
    line(&mut text, table.columns.iter().map(header));
    for row in &table.rows {
        line(&mut text, row.iter().map(cell));
    }
    text
}

fn header(Column(title, unit): &Column) -> String {
    if unit.is_empty() { title.clone() } else { format!("{title} [{unit}]") }
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Count(count) => count.to_string(),
        // The shortest digits that give the same number back.
        Cell::Single(value) => value.to_string(),
        Cell::Double(value) => value.to_string(),
    }
}

fn line(text: &mut String, fields: impl Iterator<Item = String>) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            text.push(',');
        }
        if field.contains(['"', ',', '\r', '\n']) {
            let _ = write!(text, "\"{}\"", field.replace('"', "\"\""));
        } else {
            text.push_str(&field);
        }
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be_and_numbers_keep_their_digits() {
        let mut table = Table::new("", &[("Token", ""), ("Time", "s"), ("p", "0 to 1")]);
        table.rows = vec![
            vec!["a, \"b\"\n".into(), 0.1_f64.into(), 0.1_f32.into()],
            vec![Cell::Empty, 3_u32.into(), 1e-7_f32.into()],
        ];
        let expected = "Token,Time [s],p [0 to 1]\r\n\"a, \"\"b\"\"\n\",0.1,0.1\r\n,3,0.0000001\r\n";
        assert_eq!(text(&table), expected);
    }
}
