//! The `tojson` filter as transformers has it: Python's `json.dumps` with `ensure_ascii=False`.
//!
//! Other than Jinja's own it escapes nothing for HTML, writes a space after separators, and keeps the order of keys.

use std::io::{Result as Written, Write};

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};

/// `value|tojson(indent=…, ensure_ascii=…)`.
pub(super) fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let mut bytes = Vec::new();
    let written = match indent {
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Spaced)),
        Some(width) => {
            let indent = " ".repeat(width.min(16));
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))
        }
    };
    let failed = |reason: String| Error::new(ErrorKind::InvalidOperation, reason);
    written.map_err(|error| failed(format!("tojson: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| failed(format!("tojson: {error}")))?;
    Ok(Value::from(if ascii == Some(true) { escaped(&text) } else { text }))
}

/// One line, with a space after each separator.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Written<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Written<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> Written<()> {
        writer.write_all(b": ")
    }
}

/// Characters beyond ASCII as UTF-16 escapes; they stand in strings alone.
fn escaped(text: &str) -> String {
    let mut units = [0; 2];
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, character| {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
        escaped
    })
}
