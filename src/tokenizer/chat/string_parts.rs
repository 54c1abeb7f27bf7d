//! Parts of texts: stripped, split, cut.

use minijinja::value::Tuple;
use minijinja::{Error, Value};

use super::repr::is_space;
use super::values::{failure, integer_or, text};

/// Takes characters, or white space, off a text's edges.
pub(super) fn strip<'a>(own: &'a str, characters: Option<&str>, left: bool, right: bool) -> &'a str {
    let is = |c: char| characters.map_or_else(|| is_space(c), |characters| characters.contains(c));
    let own = if left { own.trim_start_matches(is) } else { own };
    if right { own.trim_end_matches(is) } else { own }
}

/// The parts of `split` and `rsplit`.
pub(super) fn parts<'a>(
    own: &'a str,
    method: &str,
    separator: Option<&Value>,
    most: usize,
) -> Result<Vec<&'a str>, Error> {
    let from_right = method == "rsplit";
    let pieces = most.saturating_add(1);
    if let Some(separator) = separator {
        let separator = text(separator)?;
        if separator.is_empty() {
            return Err(failure("empty separator"));
        }
        let mut parts: Vec<&str> = if from_right {
            own.rsplitn(pieces, separator).collect()
        } else {
            own.splitn(pieces, separator).collect()
        };
        if from_right {
            parts.reverse();
        }
        return Ok(parts);
    }
    let mut parts = Vec::new();
    let mut rest = strip(own, None, !from_right, from_right);
    while !rest.is_empty() && parts.len() < most {
        let at = if from_right { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(at) = at else { break };
        if from_right {
            let (before, word) = rest.split_at(at);
            parts.push(word.trim_start_matches(is_space));
            rest = before.trim_end_matches(is_space);
        } else {
            let (word, after) = rest.split_at(at);
            parts.push(word);
            rest = after.trim_start_matches(is_space);
        }
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    if from_right {
        parts.reverse();
    }
    Ok(parts)
}

/// A text's lines; Python knows ten ways to end one.
pub(super) fn lines(own: &str, keep: bool) -> Vec<&str> {
    let ends = |c: char| matches!(c, '\n'..='\r' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut lines = Vec::new();
    let mut rest = own;
    while let Some(at) = rest.find(ends) {
        let end = rest[at..].chars().next().map_or(0, char::len_utf8);
        let end = at + if rest[at..].starts_with("\r\n") { 2 } else { end };
        lines.push(&rest[..if keep { end } else { at }]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

pub(super) fn partition(own: &str, separator: &str, from_right: bool) -> Result<Value, Error> {
    if separator.is_empty() {
        return Err(failure("empty separator"));
    }
    let parts = if from_right { own.rsplit_once(separator) } else { own.split_once(separator) };
    let parts = match parts {
        Some((before, after)) => [before, separator, after],
        None if from_right => ["", "", own],
        None => [own, "", ""],
    };
    Ok(Value::from(Tuple::from(parts.map(Value::from).to_vec())))
}

/// A place within `length` items, counted from behind where it is negative.
pub(super) fn place(at: i128, length: usize) -> usize {
    let at = if at < 0 { at + length as i128 } else { at };
    usize::try_from(at.clamp(0, length as i128)).unwrap_or(0)
}

/// The part of a text from one character to another, with the byte where it begins. Nothing where they cross.
pub(super) fn part<'a>(
    own: &'a str,
    start: Option<&Value>,
    stop: Option<&Value>,
) -> Result<Option<(usize, &'a str)>, Error> {
    let start = start.filter(|value| !value.is_none());
    let stop = stop.filter(|value| !value.is_none());
    if start.is_none() && stop.is_none() {
        return Ok(Some((0, own)));
    }
    let length = own.chars().count();
    let (from, to) = (integer_or(start, 0)?, integer_or(stop, i128::MAX)?);
    let byte = |at: usize| own.char_indices().nth(at).map_or(own.len(), |(byte, _)| byte);
    if from > length as i128 || place(from, length) > place(to, length) {
        return Ok(None);
    }
    let (from, to) = (byte(place(from, length)), byte(place(to, length)));
    Ok(Some((from, &own[from..to])))
}
