//! Python's comparisons.

use std::cmp::Ordering;

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::kinds::is_sequence;
use super::mappings::key;
use super::values::{failure, float, integer, items, kind, pay, text};
use super::{kinds, mappings};

/// How deep values may be nested where they are compared.
const MAX_DEPTH: usize = 100;

pub(super) fn unsupported(operator: &str, left: &Value, right: &Value) -> Error {
    failure(format!("{operator} has no meaning for {} and {}", kind(left), kind(right)))
}

/// One comparison.
pub(super) fn holds(state: &State, left: &Value, operator: &str, right: &Value) -> Result<bool, Error> {
    Ok(match operator {
        "==" => equal(state, left, right)?,
        "!=" => !equal(state, left, right)?,
        "in" => contains(state, right, left)?,
        "not in" => !contains(state, right, left)?,
        operator => {
            let order = order(state, left, right, 0)?;
            match operator {
                "<" => order == Some(Ordering::Less),
                "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                ">" => order == Some(Ordering::Greater),
                _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            }
        }
    })
}

/// Python's `==`.
pub(super) fn equal(state: &State, left: &Value, right: &Value) -> Result<bool, Error> {
    equal_within(state, left, right, 0)
}

fn equal_within(state: &State, left: &Value, right: &Value, depth: usize) -> Result<bool, Error> {
    if depth > MAX_DEPTH {
        return Err(failure("values are nested too deep"));
    }
    pay(state, 64)?;
    if let (Some(a), Some(b)) = (integer(left), integer(right)) {
        return Ok(a == b);
    }
    if let (Some(a), Some(b)) = (float(left), float(right)) {
        return Ok(a == b);
    }
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        pay(state, a.len())?;
        return Ok(a == b);
    }
    if kinds::is_list(left) && kinds::is_list(right) {
        let (a, b) = (items(state, left)?, items(state, right)?);
        if a.len() != b.len() || left.is_tuple() != right.is_tuple() {
            return Ok(false);
        }
        for (a, b) in a.iter().zip(&b) {
            if !equal_within(state, a, b, depth + 1)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if kinds::is_dict(left) && kinds::is_dict(right) {
        let pairs = mappings::pairs(state, left)?;
        if Some(pairs.len()) != right.len() {
            return Ok(false);
        }
        for (key, value) in pairs {
            let other = right.as_object().and_then(|object| object.get_value(&key));
            let Some(other) = other else { return Ok(false) };
            if !equal_within(state, &value, &other, depth + 1)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    let same = |a: &Value, b: &Value| a.kind() == b.kind() && (a.as_object().is_none() || a == b);
    Ok(!matches!(left.kind(), ValueKind::Number | ValueKind::Bool) && same(left, right) && !is_sequence(left))
}

/// Python's `<` and its kin; nothing where not-a-number takes part.
pub(super) fn order(
    state: &State,
    left: &Value,
    right: &Value,
    depth: usize,
) -> Result<Option<Ordering>, Error> {
    if depth > MAX_DEPTH {
        return Err(failure("values are nested too deep"));
    }
    pay(state, 64)?;
    if let (Some(a), Some(b)) = (integer(left), integer(right)) {
        return Ok(Some(a.cmp(&b)));
    }
    if let (Some(a), Some(b)) = (float(left), float(right)) {
        return Ok(a.partial_cmp(&b));
    }
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        pay(state, a.len())?;
        return Ok(Some(a.cmp(b)));
    }
    if kinds::is_list(left) && kinds::is_list(right) && left.is_tuple() == right.is_tuple() {
        let (a, b) = (items(state, left)?, items(state, right)?);
        for (a, b) in a.iter().zip(&b) {
            if !equal_within(state, a, b, depth + 1)? {
                return order(state, a, b, depth + 1);
            }
        }
        return Ok(Some(a.len().cmp(&b.len())));
    }
    Err(unsupported("<", left, right))
}

/// Python's `in`.
pub(super) fn contains(state: &State, container: &Value, wanted: &Value) -> Result<bool, Error> {
    match container.kind() {
        ValueKind::String => {
            pay(state, text(container)?.len())?;
            Ok(text(container)?.contains(text(wanted)?))
        }
        ValueKind::Undefined => Ok(false),
        ValueKind::Map => {
            let key = key(wanted)?;
            Ok(container.as_object().is_some_and(|object| object.get_value(&key).is_some()))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            for item in items(state, container)? {
                if equal(state, &item, wanted)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Err(failure(format!("{} contains nothing", kind(container)))),
    }
}
