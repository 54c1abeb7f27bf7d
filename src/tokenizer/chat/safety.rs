//! Texts that are safe for HTML, and texts made so: markupsafe's part.

use minijinja::{Error, Value};

use super::values::text;

/// A text that is as safe as another.
pub(super) fn same_safety(like: &Value, value: Value) -> Result<Value, Error> {
    match value.as_str() {
        Some(text) if like.is_safe() => Ok(Value::from_safe_string(text.to_owned())),
        _ => Ok(value),
    }
}

/// A text for HTML, unless it is one already.
pub(super) fn escaped(value: &Value) -> Result<String, Error> {
    let own = text(value)?;
    Ok(if value.is_safe() { own.to_owned() } else { escape(own) })
}

/// Markupsafe's `escape`.
pub(super) fn escape(own: &str) -> String {
    let mut escaped = String::with_capacity(own.len());
    for character in own.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&#39;"),
            '"' => escaped.push_str("&#34;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
