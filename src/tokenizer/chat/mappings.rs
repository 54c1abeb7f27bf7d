//! Pairs of keys and values.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::values::{bind, failure, items, needed};

/// A value as a mapping's key; lists and mappings are none.
pub(super) fn key(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Map => Err(failure("a mapping cannot be a key")),
        ValueKind::Seq | ValueKind::Iterable if !value.is_tuple() => Err(failure("a list cannot be a key")),
        _ => Ok(value.clone()),
    }
}

/// The pairs of a mapping, or of what holds pairs.
pub(super) fn pairs(state: &State, from: &Value) -> Result<Vec<(Value, Value)>, Error> {
    let keys = items(state, from)?;
    if from.kind() == ValueKind::Map {
        return keys.into_iter().map(|key| Ok((key.clone(), from.get_item(&key)?))).collect();
    }
    let pair = |pair: Value| match items(state, &pair)?.as_slice() {
        [key, value] => Ok((self::key(key)?, value.clone())),
        _ => Err(failure("pairs of a key and a value are needed")),
    };
    keys.into_iter().map(pair).collect()
}

/// `dict.fromkeys(keys, value)`.
pub(super) fn from_keys(state: &State, arguments: &[Value]) -> Result<Value, Error> {
    let [keys, value] = bind(arguments, ["", ""])?;
    let value = value.unwrap_or_else(|| Value::from(()));
    let keys = items(state, &needed(keys)?)?;
    let keys: Result<Vec<Value>, Error> = keys.iter().map(key).collect();
    Ok(Value::from_pairs(keys?.into_iter().map(|key| (key, value.clone()))))
}
