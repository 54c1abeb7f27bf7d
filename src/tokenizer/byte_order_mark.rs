//! The mark that some editors put before a text.

/// A text without a byte order mark before it, which is no part of the text.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
