//! Values as Python writes them.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};
use unicode_general_category::{GeneralCategory as Category, get_general_category};

use super::kinds::is_of_minijinja;
use super::objects::{Group, Range, View};
use super::values::{failure, is_float, items, pay, text};

/// How deep values may be nested where they are walked.
const MAX_DEPTH: usize = 100;

/// Python's `str`.
pub(super) fn str(state: &State, value: &Value) -> Result<String, Error> {
    match (value.kind(), value.as_str()) {
        (ValueKind::String, Some(text)) => Ok(text.to_owned()),
        (ValueKind::Undefined, _) => Ok(String::new()),
        _ => repr(state, value),
    }
}

/// Python's `repr`.
pub(super) fn repr(state: &State, value: &Value) -> Result<String, Error> {
    let mut written = String::new();
    write_repr(state, value, &mut written, 0)?;
    Ok(written)
}

fn write_repr(state: &State, value: &Value, to: &mut String, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(failure("values are nested too deep"));
    }
    let before = to.len();
    match value.kind() {
        ValueKind::Undefined => to.push_str("Undefined"),
        ValueKind::None => to.push_str("None"),
        ValueKind::Bool => to.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => to.push_str(&number(value)),
        ValueKind::String if value.is_safe() => {
            to.push_str("Markup(");
            quote(text(value)?, to);
            to.push(')');
        }
        ValueKind::String => quote(text(value)?, to),
        ValueKind::Bytes => quote_bytes(value.as_bytes().unwrap_or_default(), to),
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
            write_container(state, value, to, depth)?;
        }
        _ => return Err(failure(format!("{} has no text", value.kind()))),
    }
    pay(state, to.len() - before)?;
    Ok(())
}

fn write_container(state: &State, value: &Value, to: &mut String, depth: usize) -> Result<(), Error> {
    if let Some(range) = value.downcast_object_ref::<Range>() {
        to.push_str(&range.to_string());
        return Ok(());
    }
    let view = value.downcast_object_ref::<View>().map(View::name);
    let is_map = value.kind() == ValueKind::Map;
    let (open, close) = match view {
        _ if is_map => ("{", "}"),
        Some(_) => ("([", "])"),
        None if value.is_tuple() || value.downcast_object_ref::<Group>().is_some() => ("(", ")"),
        None if value.kind() == ValueKind::Iterable && value.len().is_none() => {
            return Err(failure("a generator has no text: make a list of it"));
        }
        None => ("[", "]"),
    };
    if is_of_minijinja(value) {
        return Err(failure("a loop or a namespace has no text here"));
    }
    to.push_str(view.unwrap_or_default());
    to.push_str(open);
    let items = items(state, value)?;
    let count = items.len();
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            to.push_str(", ");
        }
        write_repr(state, &item, to, depth + 1)?;
        if is_map {
            to.push_str(": ");
            write_repr(state, &value.get_item(&item)?, to, depth + 1)?;
        }
    }
    if value.is_tuple() && count == 1 {
        to.push(',');
    }
    to.push_str(close);
    Ok(())
}

/// A number as `repr` writes it.
pub(super) fn number(value: &Value) -> String {
    match (is_float(value), f64::try_from(value.clone())) {
        (true, Ok(float)) => float_repr(float),
        _ => value.to_string(),
    }
}

/// The shortest digits that mean the same number, with an exponent beyond 16 digits.
pub(super) fn float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = value.to_string();
        if plain.contains('.') { plain } else { plain + ".0" }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

/// A text in quotes, with escapes for what cannot be printed.
fn quote(text: &str, to: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    to.push(mark);
    for character in text.chars() {
        match character {
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            _ if character == mark => to.extend(['\\', mark]),
            _ if is_printable(character) => to.push(character),
            _ => to.push_str(&escape(character)),
        }
    }
    to.push(mark);
}

/// The shortest of Python's escapes by number.
pub(super) fn escape(character: char) -> String {
    match character as u32 {
        code @ 0..0x100 => format!("\\x{code:02x}"),
        code @ 0x100..0x1_0000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

/// The text of `repr` in ASCII.
pub(super) fn ascii(state: &State, value: &Value) -> Result<String, Error> {
    let mut to = String::new();
    for character in repr(state, value)?.chars() {
        if character.is_ascii() { to.push(character) } else { to.push_str(&escape(character)) }
    }
    Ok(to)
}

fn quote_bytes(bytes: &[u8], to: &mut String) {
    let mark = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    to.extend(['b', char::from(mark)]);
    for &byte in bytes {
        match byte {
            b'\\' => to.push_str("\\\\"),
            b'\n' => to.push_str("\\n"),
            b'\r' => to.push_str("\\r"),
            b'\t' => to.push_str("\\t"),
            _ if byte == mark => to.extend(['\\', char::from(mark)]),
            b' '..=b'~' => to.push(char::from(byte)),
            _ => to.push_str(&format!("\\x{byte:02x}")),
        }
    }
    to.push(char::from(mark));
}

/// Python's `str.isprintable` for one character.
pub(super) fn is_printable(character: char) -> bool {
    character == ' '
        || !matches!(
            get_general_category(character),
            Category::Control
                | Category::Format
                | Category::Surrogate
                | Category::PrivateUse
                | Category::Unassigned
                | Category::LineSeparator
                | Category::ParagraphSeparator
                | Category::SpaceSeparator
        )
}

/// Python's white space: Unicode's, and four separators of ASCII.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}
