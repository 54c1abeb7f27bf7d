//! The methods of Python's lists, tuples and mappings that change nothing.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::kinds::{is_dict, is_list};
use super::mappings::{from_keys, pairs};
use super::objects::View;
use super::values::{bind, failure, integer_or, items, needed, whole};
use super::{comparison, mappings, string_parts, strings};

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

fn mapping(state: &State, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    match method {
        "get" => {
            let [key, default] = bind(arguments, ["", ""])?;
            let key = mappings::key(&needed(key)?)?;
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
                count += i128::from(comparison::equal(state, item, &wanted)?);
            }
            Ok(whole(count))
        }
        "index" => {
            let [wanted, start, stop] = bind(arguments, ["", "", ""])?;
            let wanted = needed(wanted)?;
            let start = string_parts::place(integer_or(start.as_ref(), 0)?, all.len());
            let stop = string_parts::place(integer_or(stop.as_ref(), i128::MAX)?, all.len());
            for (index, item) in all.iter().enumerate().take(stop).skip(start) {
                if comparison::equal(state, item, &wanted)? {
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
