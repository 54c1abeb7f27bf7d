//! The `tojson` filter as transformers has it: Python's `json.dumps` with `ensure_ascii=False`.
//!
//! Other than Jinja's own it escapes nothing for HTML, writes a space after separators, and keeps the order of keys.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::repr::float_repr;
use super::values::{bind, failure, integer, is_float, items, kind, pay, text};
use super::{kinds, mappings, sorting};

/// How deep values may be nested.
const MAX_DEPTH: usize = 100;

/// `value|tojson(ensure_ascii, indent, separators, sort_keys)`.
pub(super) fn to_json(state: &State, value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    let [ascii, indent, separators, sorted] =
        bind(arguments, ["ensure_ascii", "indent", "separators", "sort_keys"])?;
    let indent =
        indent.filter(|indent| !indent.is_none()).map(|indent| indentation(state, &indent)).transpose()?;
    let (item, key) = match separators.filter(|separators| !separators.is_none()) {
        Some(separators) => match items(state, &separators)?.as_slice() {
            [item, key] => (text(item)?.to_owned(), text(key)?.to_owned()),
            _ => return Err(failure("tojson takes two separators")),
        },
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let is = |option: Option<Value>| option.is_some_and(|option| option.is_true());
    let mut writer =
        Writer { state, ascii: is(ascii), indent, item, key, sorted: is(sorted), to: String::new() };
    writer.write(value, 0)?;
    Ok(Value::from(writer.to))
}

/// So many spaces, or a text as it is.
fn indentation(state: &State, indent: &Value) -> Result<String, Error> {
    if let Some(indent) = indent.as_str() {
        return Ok(indent.to_owned());
    }
    let width = integer(indent).ok_or_else(|| failure("tojson takes a number or a text to indent with"))?;
    let width = usize::try_from(width.max(0)).unwrap_or(usize::MAX);
    pay(state, width)?;
    Ok(" ".repeat(width))
}

struct Writer<'a> {
    state: &'a State<'a, 'a>,
    ascii: bool,
    indent: Option<String>,
    item: String,
    key: String,
    sorted: bool,
    to: String,
}

impl Writer<'_> {
    fn write(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(failure("tojson: values are nested too deep"));
        }
        let before = self.to.len();
        match value.kind() {
            ValueKind::String => self.quote(text(value)?),
            ValueKind::Map if kinds::is_dict(value) => self.mapping(value, depth)?,
            ValueKind::Seq | ValueKind::Iterable if kinds::is_listed(value) => self.list(value, depth)?,
            _ => {
                let scalar =
                    scalar(value).ok_or_else(|| failure(format!("tojson: {} is not JSON", kind(value))))?;
                self.to.push_str(&scalar);
            }
        }
        pay(self.state, (self.to.len() - before).saturating_mul(2) + 64)
    }

    fn mapping(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut pairs = mappings::pairs(self.state, value)?;
        if self.sorted {
            pairs = sorting::sorted(self.state, pairs, |(key, _)| Ok(key.clone()), false)?;
        }
        let is_empty = pairs.is_empty();
        self.to.push('{');
        for (index, (key, value)) in pairs.into_iter().enumerate() {
            self.begin(index, depth)?;
            match key.as_str().map(str::to_owned).or_else(|| scalar(&key)) {
                Some(key) => self.quote(&key),
                None => return Err(failure("tojson: keys must be texts, numbers, truth values or none")),
            }
            let separator = self.key.clone();
            self.to.push_str(&separator);
            self.write(&value, depth + 1)?;
        }
        self.end(is_empty, depth)?;
        self.to.push('}');
        Ok(())
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let items = items(self.state, value)?;
        self.to.push('[');
        for (index, item) in items.iter().enumerate() {
            self.begin(index, depth)?;
            self.write(item, depth + 1)?;
        }
        self.end(items.is_empty(), depth)?;
        self.to.push(']');
        Ok(())
    }

    /// What stands before an item.
    fn begin(&mut self, index: usize, depth: usize) -> Result<(), Error> {
        if index > 0 {
            self.to.push_str(&self.item);
        }
        self.line(depth + 1)
    }

    fn end(&mut self, is_empty: bool, depth: usize) -> Result<(), Error> {
        if is_empty { Ok(()) } else { self.line(depth) }
    }

    fn line(&mut self, depth: usize) -> Result<(), Error> {
        if let Some(indent) = &self.indent {
            pay(self.state, indent.len().saturating_mul(depth))?;
            self.to.push('\n');
            self.to.push_str(&indent.repeat(depth));
        }
        Ok(())
    }

    fn quote(&mut self, text: &str) {
        self.to.push('"');
        let mut units = [0; 2];
        for character in text.chars() {
            match character {
                '"' => self.to.push_str("\\\""),
                '\\' => self.to.push_str("\\\\"),
                '\n' => self.to.push_str("\\n"),
                '\r' => self.to.push_str("\\r"),
                '\t' => self.to.push_str("\\t"),
                '\x08' => self.to.push_str("\\b"),
                '\x0c' => self.to.push_str("\\f"),
                _ if character < ' ' || self.ascii && !matches!(character, ' '..='~') => {
                    for unit in character.encode_utf16(&mut units) {
                        // Writing to a text cannot fail.
                        let _ = write!(self.to, "\\u{unit:04x}");
                    }
                }
                _ => self.to.push(character),
            }
        }
        self.to.push('"');
    }
}

/// What JSON writes without quotes.
fn scalar(value: &Value) -> Option<String> {
    match value.kind() {
        ValueKind::None => Some("null".to_owned()),
        ValueKind::Bool => Some(value.is_true().to_string()),
        ValueKind::Number if is_float(value) => {
            let float = f64::try_from(value.clone()).ok()?;
            Some(match float {
                _ if float.is_nan() => "NaN".to_owned(),
                _ if float.is_infinite() => if float > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
                _ => float_repr(float),
            })
        }
        ValueKind::Number => Some(value.to_string()),
        _ => None,
    }
}
