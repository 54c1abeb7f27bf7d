//! The methods of Python's lists, tuples and mappings that change nothing.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::objects::{Generator, View};
use super::python::{bind, failure, integer_or, items, needed, whole};
use super::{operators, strings};

/// Calls a method of a value that minijinja has none for.
pub(super) fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => strings::call_safely(state, value, method, arguments),
        ValueKind::Bytes => strings::call_bytes(value, method, arguments),
        ValueKind::Map if is_dict(value) => mapping(state, value, method, arguments),
        ValueKind::Seq | ValueKind::Iterable if is_list(value) => list(state, value, method, arguments),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// Whether a value has a method of this name.
pub(super) fn has(value: &Value, method: &str) -> bool {
    match value.kind() {
        ValueKind::String => strings::METHODS.contains(&method),
        ValueKind::Bytes => matches!(method, "decode" | "hex"),
        ValueKind::Map if is_dict(value) => {
            matches!(method, "get" | "keys" | "values" | "items" | "copy" | "fromkeys")
        }
        ValueKind::Seq | ValueKind::Iterable if is_list(value) => match method {
            "count" | "index" => true,
            "copy" => !value.is_tuple(),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a value is a Python mapping, other than a namespace or a loop.
pub(super) fn is_dict(value: &Value) -> bool {
    value.kind() == ValueKind::Map && !super::python::is_of_minijinja(value)
}

/// Whether a value is a list or a tuple; sums and multiples of lists are lazy in minijinja.
pub(super) fn is_list(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Seq => true,
        ValueKind::Iterable => {
            let streams = value.downcast_object_ref::<View>().is_some()
                || value.downcast_object_ref::<Generator>().is_some();
            !streams && value.len().is_some()
        }
        _ => false,
    }
}

/// The pairs of a mapping, or of what holds pairs.
pub(super) fn pairs(state: &State, from: &Value) -> Result<Vec<(Value, Value)>, Error> {
    let keys = items(state, from)?;
    if from.kind() == ValueKind::Map {
        return keys.into_iter().map(|key| Ok((key.clone(), from.get_item(&key)?))).collect();
    }
    let pair = |pair: Value| match items(state, &pair)?.as_slice() {
        [key, value] => Ok((operators::key(key)?, value.clone())),
        _ => Err(failure("pairs of a key and a value are needed")),
    };
    keys.into_iter().map(pair).collect()
}

/// `dict.fromkeys(keys, value)`.
pub(super) fn from_keys(state: &State, arguments: &[Value]) -> Result<Value, Error> {
    let [keys, value] = bind(arguments, ["", ""])?;
    let value = value.unwrap_or_else(|| Value::from(()));
    let keys = items(state, &needed(keys)?)?;
    let keys: Result<Vec<Value>, Error> = keys.iter().map(operators::key).collect();
    Ok(Value::from_pairs(keys?.into_iter().map(|key| (key, value.clone()))))
}

fn mapping(state: &State, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    match method {
        "get" => {
            let [key, default] = bind(arguments, ["", ""])?;
            let key = operators::key(&needed(key)?)?;
            let found = value.as_object().and_then(|object| object.get_value(&key));
            return Ok(found.or(default).unwrap_or_else(|| Value::from(())));
        }
        "fromkeys" => return from_keys(state, arguments),
        _ => {
            let [] = bind(arguments, [])?;
        }
    }
    let pairs = pairs(state, value)?;
    Ok(match method {
        "copy" => Value::from_pairs(pairs),
        "keys" => View::of("dict_keys", pairs.into_iter().map(|(key, _)| key).collect()),
        "values" => View::of("dict_values", pairs.into_iter().map(|(_, value)| value).collect()),
        "items" => {
            let pair = |(key, value)| Value::from(Tuple::from([key, value]));
            View::of("dict_items", pairs.into_iter().map(pair).collect())
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

fn list(state: &State, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let all = items(state, value)?;
    match method {
        "count" => {
            let [wanted] = bind(arguments, [""])?;
            let wanted = needed(wanted)?;
            let mut count = 0;
            for item in &all {
                count += i128::from(operators::equal(state, item, &wanted)?);
            }
            Ok(whole(count))
        }
        "index" => {
            let [wanted, start, stop] = bind(arguments, ["", "", ""])?;
            let wanted = needed(wanted)?;
            let start = strings::place(integer_or(start.as_ref(), 0)?, all.len());
            let stop = strings::place(integer_or(stop.as_ref(), i128::MAX)?, all.len());
            for (index, item) in all.iter().enumerate().take(stop).skip(start) {
                if operators::equal(state, item, &wanted)? {
                    return Ok(Value::from(index));
                }
            }
            Err(failure("the value is not in the list"))
        }
        "copy" if !value.is_tuple() => {
            let [] = bind(arguments, [])?;
            Ok(Value::from(all))
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}
