//! Tokens as visible text: spaces and line ends get signs, split characters show their bytes.

use super::{Candidate, Node, PromptToken, Token};

/// The sign for a space.
pub const SPACE: char = '·';
/// The sign for a line end.
pub const NEWLINE: char = '↵';

/// A text with its white space made visible.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' => shown.push(SPACE),
            '\n' => shown.push(NEWLINE),
            '\t' => shown.push('→'),
            '\r' => shown.push('⏎'),
            c if c.is_control() => shown.push('�'),
            c if has_no_ink(c) => shown.push_str(&format!("‹U+{:04X}›", c as u32)),
            c => shown.push(c),
        }
    }
    shown
}

/// Whether a character is another white space than the usual ones, or has no width: it would show as nothing.
fn has_no_ink(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// A vocabulary entry's spelling as visible text: byte-level spellings (`Ġthe`) and word-start marks (`▁the`)
/// are undone where that gives a text, bytes that make no whole character (`<0xE4><0xB8>`) stand in hexadecimal; other
/// spellings stay.
pub fn visible_piece(piece: &str) -> String {
    let mut shown = String::new();
    let mut rest = piece;
    while let Some(start) = rest.find("<0x") {
        let (bytes, length) = leading_bytes(&rest[start..]);
        let end = if bytes.is_empty() { start + 3 } else { start };
        shown.push_str(&visible_letters(&rest[..end]));
        if !bytes.is_empty() {
            shown.push_str(&visible_bytes(&bytes));
        }
        rest = &rest[end + length..];
    }
    shown + &visible_letters(rest)
}

/// The bytes that a text begins with, spelled `<0xE4>`, and how much of it they take.
fn leading_bytes(text: &str) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.get(..6).and_then(sentence_piece_byte).zip(rest.get(6..)) {
        bytes.push(byte);
        rest = after;
    }
    (bytes, text.len() - rest.len())
}

/// A spelling without bytes of their own, as visible text.
fn visible_letters(piece: &str) -> String {
    let spaced = piece.replace('▁', " ");
    match byte_level(&spaced) {
        Some(bytes) => match String::from_utf8(bytes) {
            Ok(text) => visible(&text),
            Err(_) if spaced.is_ascii() => visible(&spaced),
            Err(error) if spaced.chars().any(|c| c as u32 >= 0x100) => visible_bytes(error.as_bytes()),
            Err(_) => visible(&spaced),
        },
        None => visible(&spaced),
    }
}

/// Bytes in hexadecimal, as one sign.
pub fn visible_bytes(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("‹{}›", hex.join(" "))
}

/// A text, and the bytes behind it: its token may end one character and begin another.
fn with_begun(text: &str, held: &[u8]) -> String {
    let begun = if held.is_empty() { String::new() } else { visible_bytes(held) };
    visible(text) + &begun
}

/// What a step's chip says.
pub fn of_node(node: &Node) -> String {
    let broken = node.text.contains('\u{fffd}') && node.piece.contains("<0x");
    if !node.text.is_empty() && !broken {
        with_begun(&node.text, &node.held)
    } else if !node.piece.is_empty() {
        visible_piece(&node.piece)
    } else if !node.held.is_empty() {
        visible_bytes(&node.held)
    } else {
        format!("#{}", node.token)
    }
}

/// What stands for a token of the vocabulary.
pub fn of_token(token: &Token) -> String {
    if token.piece.is_empty() { format!("#{}", token.id) } else { visible_piece(&token.piece) }
}

/// What stands for a candidate.
pub fn of_candidate(candidate: &Candidate) -> String {
    let text = visible_piece(&candidate.piece);
    if text.is_empty() { format!("#{}", candidate.token) } else { text }
}

/// What a prompt token's chip says.
pub fn of_prompt(token: &PromptToken) -> String {
    if !token.text.is_empty() {
        with_begun(&token.text, &token.held)
    } else if !token.piece.is_empty() {
        visible_piece(&token.piece)
    } else {
        format!("#{}", token.token)
    }
}

/// `<0x0A>`, the spelling of a byte fallback.
fn sentence_piece_byte(piece: &str) -> Option<u8> {
    let hex = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    (hex.len() == 2).then(|| u8::from_str_radix(hex, 16).ok()).flatten()
}

/// The bytes behind a byte-level spelling (Radford et al. 2019, `bytes_to_unicode`); `None` if a character is
/// outside that alphabet.
fn byte_level(piece: &str) -> Option<Vec<u8>> {
    piece
        .chars()
        .map(|c| match c as u32 {
            code @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => Some(code as u8),
            0x20 => Some(b' '),
            // The bytes without a printable sign, in order, were moved to U+0100 and up.
            code @ 0x100..=0x120 => Some((code - 0x100) as u8),
            code @ 0x121..=0x142 => Some((code - 0x121 + 0x7F) as u8),
            0x143 => Some(0xAD),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_become_text() {
        assert_eq!(visible_piece("Ġthe"), "·the");
        assert_eq!(visible_piece("▁the"), "·the");
        assert_eq!(visible_piece("Ċ"), "↵");
        assert_eq!(visible_piece("âĢĻ"), "’");
        assert_eq!(visible_piece("é"), "é");
        assert_eq!(visible_piece("<|end|>"), "<|end|>");
        assert_eq!(visible_piece("<0x0A>"), "‹0A›");
        assert_eq!(visible_piece("âĢ"), "‹E2 80›");
        assert_eq!(visible_piece("日本"), "日本");
        assert_eq!(visible_piece("<0xE4><0xB8>"), "‹E4 B8›");
        assert_eq!(visible_piece("Ġ<0xC3>"), "·‹C3›");
        assert_eq!(visible_piece("a<0xzz> <0x41"), "a<0xzz>·<0x41");
    }

    #[test]
    fn a_node_without_text_shows_what_it_has() {
        let mut node = Node { token: 7, ..Node::default() };
        assert_eq!(of_node(&node), "#7");
        node.held = vec![0xE2, 0x82];
        assert_eq!(of_node(&node), "‹E2 82›");
        node.text = " a\n".into();
        assert_eq!(of_node(&node), "·a↵‹E2 82›", "what begins a character stands behind what ends one");
        node.held.clear();
        assert_eq!(of_node(&node), "·a↵");
        (node.text, node.piece) = ("\u{fffd}".into(), "<0xE4>".into());
        assert_eq!(of_node(&node), "‹E4›");
    }
}
