//! Python's attributes, items, slices and lengths.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, State, Value};

use super::functions::Dict;
use super::mappings::key;
use super::objects::{Method, Range};
use super::values::{failure, integer, is_float, items, kind, pay, whole};
use super::{kinds, method_names, safety};

fn defined(value: &Value, of: &str) -> Result<(), Error> {
    if value.is_undefined() { Err(failure(format!("an undefined value has no {of}"))) } else { Ok(()) }
}

/// `value.name`: a method or another attribute of Python's, or else an item.
pub(super) fn attribute(value: &Value, name: &str) -> Result<Value, Error> {
    defined(value, name)?;
    if name.starts_with("__") {
        return Ok(Value::UNDEFINED);
    }
    if method_names::has(value, name) {
        return Ok(Value::from_object(Method { of: value.clone(), name: name.to_owned() }));
    }
    match (value.kind(), name) {
        (ValueKind::Number | ValueKind::Bool, "real") => {
            Ok(integer(value).map_or_else(|| value.clone(), whole))
        }
        (ValueKind::Number | ValueKind::Bool, "imag") if is_float(value) => Ok(Value::from(0.0)),
        (ValueKind::Number | ValueKind::Bool, "imag") => Ok(Value::from(0)),
        (ValueKind::Plain, "fromkeys") if value.downcast_object_ref::<Dict>().is_some() => {
            Ok(Value::from_object(Method { of: value.clone(), name: name.to_owned() }))
        }
        (ValueKind::Map | ValueKind::Plain, _) | (ValueKind::Seq, "grouper" | "list") => {
            let found = value.as_object().and_then(|object| object.get_value(&Value::from(name)));
            Ok(found.unwrap_or_default())
        }
        _ => Ok(Value::UNDEFINED),
    }
}

/// `value[key]`: an item, or else an attribute.
pub(super) fn item(value: &Value, key: &Value) -> Result<Value, Error> {
    defined(value, "items")?;
    if value.kind() == ValueKind::Map {
        let found = self::key(key).ok().and_then(|key| value.as_object()?.get_value(&key));
        if let Some(found) = found {
            return Ok(found);
        }
    }
    if let Some(name) = key.as_str() {
        return attribute(value, name);
    }
    let Some(index) = integer(key) else { return Ok(Value::UNDEFINED) };
    let found = if let Some(own) = value.as_str() {
        let at = if index < 0 {
            own.chars().rev().nth(distance(-1 - index))
        } else {
            own.chars().nth(distance(index))
        };
        at.map(|at| safety::same_safety(value, Value::from(at))).transpose()?
    } else if let (true, Some(length)) = (kinds::is_list(value), value.len()) {
        let index = if index < 0 { index + length as i128 } else { index };
        let index = usize::try_from(index).ok().filter(|index| *index < length);
        match index {
            Some(index) if value.kind() == ValueKind::Seq => value.get_item_by_index(index).ok(),
            Some(index) => value.try_iter()?.nth(index),
            None => None,
        }
    } else {
        None
    };
    Ok(found.unwrap_or_default())
}

fn distance(index: i128) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// `value[start:stop:step]`.
pub(super) fn slice(
    state: &State,
    value: Value,
    start: Value,
    stop: Value,
    step: Value,
) -> Result<Value, Error> {
    defined(&value, "slices")?;
    let bound = |value: &Value| match value {
        value if value.is_none() => Ok(None),
        value => integer(value).map(Some).ok_or_else(|| failure("slice indices must be integers or None")),
    };
    let step = bound(&step)?.unwrap_or(1);
    let length = match value.as_str() {
        Some(own) => own.chars().count(),
        None => value
            .len()
            .filter(|_| kinds::is_list(&value))
            .ok_or_else(|| failure("the value has no slices"))?,
    } as i128;
    if step == 0 {
        return Err(failure("slice step cannot be zero"));
    }
    let (least, most) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamp = |at: i128| (if at < 0 { at.saturating_add(length) } else { at }).clamp(least, most);
    let start = bound(&start)?.map_or(if step > 0 { least } else { most }, clamp);
    let stop = bound(&stop)?.map_or(if step > 0 { most } else { least }, clamp);
    if let Some(range) = value.downcast_object_ref::<Range>() {
        return Ok(Value::from_object(range.part(start, stop, step)));
    }
    let chosen = |index: i128| if step > 0 { index < stop } else { index > stop };
    let places = std::iter::successors(Some(start), |at| at.checked_add(step)).take_while(|at| chosen(*at));
    let places: Vec<usize> = places.map(distance).collect();
    pay(state, places.len() * 16)?;
    if let Some(own) = value.as_str() {
        let characters: Vec<char> = own.chars().collect();
        let part: String = places.into_iter().filter_map(|at| characters.get(at)).collect();
        return safety::same_safety(&value, Value::from(part));
    }
    let all = items(state, &value)?;
    let part: Vec<Value> = places.into_iter().filter_map(|at| all.get(at).cloned()).collect();
    Ok(if value.is_tuple() { Value::from(Tuple::from(part)) } else { Value::from(part) })
}

/// The number of items or characters.
pub(super) fn length(value: &Value) -> Result<Value, Error> {
    match value.as_str() {
        Some(own) => Ok(whole(own.chars().count() as i128)),
        None if value.is_undefined() => Ok(Value::from(0)),
        None if value.kind() == ValueKind::Bytes => {
            Ok(Value::from(value.as_bytes().unwrap_or_default().len()))
        }
        None => match value.len().filter(|_| value.as_object().is_some()) {
            Some(length) => Ok(Value::from(length)),
            None => Err(failure(format!("{} has no length", kind(value)))),
        },
    }
}
