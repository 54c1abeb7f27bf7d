//! JSON as Python's `json` reads it, which wrote the files: `NaN`, `Infinity` and `-Infinity` are numbers, a number that
//! is too large for 64 bits is infinite, and half a surrogate pair stands for a character. A byte-order mark at the
//! beginning is skipped.
//!
//! A JSON value here has no room for such numbers: they are texts that begin with a mark. Only this file knows that.

use std::borrow::Cow;

use serde_json::Value;

/// What stands before the name of a number that is not finite. No text of a file is meant to have this character: it is
/// none, and there for programs' own use.
const MARK: char = '\u{fdd0}';

/// The names of numbers that are not finite, as Python writes them.
const NAMES: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// A byte-order mark in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The value that a file's contents are; otherwise what is wrong.
pub fn read(contents: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(without_mark(contents))
        .map_err(|error| format!("no valid UTF-8 from byte {} on", error.valid_up_to()))?;
    serde_json::from_str(&strict(text)).map_err(|error| error.to_string())
}

/// Contents without a byte-order mark before them.
pub fn without_mark(contents: &[u8]) -> &[u8] {
    contents.strip_prefix(BYTE_ORDER_MARK).unwrap_or(contents)
}

/// A number as a value, finite or not.
pub fn number(number: f64) -> Value {
    let name = match number {
        finite if finite.is_finite() => return Value::from(finite),
        number if number.is_nan() => "NaN",
        number if number > 0.0 => "Infinity",
        _ => "-Infinity",
    };
    Value::String(format!("{MARK}{name}"))
}

/// A value as a number, finite or not; `None` where it is none.
pub fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| special(value).or_else(|| named(value))?.parse().ok())
}

/// The name of a number that is not finite, as transformers 5 writes it: `{"__float__": "Infinity"}`.
fn named(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get("__float__")?.as_str().filter(|name| NAMES.contains(name))
}

/// A value as a text; `None` where it is none.
pub fn as_text(value: &Value) -> Option<&str> {
    value.as_str().filter(|_| special(value).is_none())
}

/// A value as JSON text in one line, for a message.
pub fn shown(value: &Value) -> String {
    NAMES.iter().fold(value.to_string(), |text, name| text.replace(&format!("\"{MARK}{name}\""), name))
}

/// The name of a number that is not finite.
fn special(value: &Value) -> Option<&str> {
    let name = value.as_str()?.strip_prefix(MARK)?;
    NAMES.contains(&name).then_some(name)
}

/// The same in JSON as the standard has it. What neither takes stays as it is, to be refused.
fn strict(text: &str) -> Cow<'_, str> {
    let mut made = String::new();
    // What comes before it is in `made`.
    let mut kept = 0;
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        let (length, replacement) = match byte {
            b'"' => {
                at += 1;
                at = string(text, at, &mut made, &mut kept);
                continue;
            }
            b'N' | b'I' | b'-' | b'0'..=b'9' => token(&text[at..]),
            _ => (1, None),
        };
        // No key of an object is a number.
        let is_key = || text[at + length..].trim_start().starts_with(':');
        if let Some(replacement) = replacement.filter(|_| !is_key()) {
            made.push_str(&text[kept..at]);
            made.push_str(&replacement);
            kept = at + length;
        }
        at += length;
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    made.push_str(&text[kept..]);
    Cow::Owned(made)
}

/// Goes to the end of the string whose first character is at `at`; halves of surrogate pairs become �.
fn string(text: &str, mut at: usize, made: &mut String, kept: &mut usize) -> usize {
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => match surrogate(bytes, at) {
                Some(0xd800..=0xdbff) if matches!(surrogate(bytes, at + 6), Some(0xdc00..=0xdfff)) => {
                    at += 12
                }
                Some(_) => {
                    made.push_str(&text[*kept..at]);
                    made.push_str("\\ufffd");
                    at += 6;
                    *kept = at;
                }
                // Whatever is escaped, its first byte does not end the string.
                None => at += 2,
            },
            _ => at += 1,
        }
    }
    at
}

/// The half of a surrogate pair that is escaped at `at`.
fn surrogate(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
    let digits = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(digits, 16).ok().filter(|code| (0xd800..=0xdfff).contains(code))
}

/// The length of the number or name that `rest` begins with, and what stands for it where JSON has no such number.
fn token(rest: &str) -> (usize, Option<String>) {
    let marked = |name: &str| Some(format!("\"{MARK}{name}\""));
    if let Some(name) = NAMES.iter().find(|name| rest.starts_with(**name)) {
        return (name.len(), marked(name));
    }
    let is_part = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let length = rest.bytes().take_while(|byte| is_part(*byte)).count().max(1);
    let number = rest[..length].parse::<f64>().ok();
    match number.filter(|number| number.is_infinite() && is_number(&rest[..length])) {
        Some(number) => (length, marked(if number > 0.0 { "Infinity" } else { "-Infinity" })),
        None => (length, None),
    }
}

/// Whether it is a number by JSON's grammar.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, part) = mantissa.split_once('.').map_or((mantissa, None), |(w, p)| (w, Some(p)));
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && part.is_none_or(digits)
        && exponent.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_finite_come_back_and_are_shown_by_name() {
        for (written, shown_as) in
            [(f64::INFINITY, "Infinity"), (f64::NEG_INFINITY, "-Infinity"), (f64::NAN, "NaN"), (1.5, "1.5")]
        {
            let value = number(written);
            let back = as_number(&value).expect("a number");
            assert!(back == written || back.is_nan() && written.is_nan());
            assert_eq!(as_text(&value), None);
            assert_eq!(shown(&Value::Array(vec![value])), format!("[{shown_as}]"));
        }
        assert_eq!(as_number(&Value::from("Infinity")), None, "a text is not a number");
        assert_eq!(as_number(&serde_json::json!({"__float__": "-Infinity"})), Some(f64::NEG_INFINITY));
        assert_eq!(as_number(&serde_json::json!({"__float__": "5"})), None);
        assert_eq!(as_text(&Value::from("Infinity")), Some("Infinity"));
    }

    #[test]
    fn plain_json_is_not_copied() {
        let text = r#"{"a": [1, -2.5e3, "NaN \" Infinity \\", true], "\ud83d\ude00": null}"#;
        assert!(matches!(strict(text), Cow::Borrowed(_)));
    }
}
