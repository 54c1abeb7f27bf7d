//! Python's operators, comparisons, attributes and items.
//!
//! They stand in for minijinja's own, which differ where texts are formatted or floats are written, and in what is
//! an error.

use std::cmp::Ordering;

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::objects::{Dict, Generator, Method, Range};
use super::python::{Arguments, failure, float, integer, is_float, items, kind, pay, str, text, whole};
use super::{filters, format, methods, objects, strings};

/// How deep values may be nested where they are compared.
const MAX_DEPTH: usize = 100;

/// Adds the functions that [`super::lower`] puts in place of operators. No template can name them.
pub(super) fn add_to(environment: &mut Environment) {
    environment.add_function("+", add);
    for operator in ["-", "*", "/", "//", "%", "**"] {
        environment.add_function(operator, move |state: &State, left: Value, right: Value| {
            arithmetic(state, operator, &left, &right)
        });
    }
    environment.add_function("~", concatenated);
    environment
        .add_function("negative", |value: Value| arithmetic_number("-", &Value::from(0), &value, true));
    environment.add_function("compare", compare);
    environment.add_function(".", |value: Value, name: &str| attribute(&value, name));
    environment.add_function("[]", |value: Value, key: Value| item(&value, &key));
    environment.add_function("[:]", slice);
    environment.add_function("{}", literal);
    environment.add_function("iterate", |state: &State, value: Value| iterated(state, value));
    environment.add_function("make macro", objects::make_macro);
}

fn unsupported(operator: &str, left: &Value, right: &Value) -> Error {
    failure(format!("{operator} has no meaning for {} and {}", kind(left), kind(right)))
}

fn add(state: &State, left: Value, right: Value) -> Result<Value, Error> {
    if let (Some(first), Some(second)) = (left.as_str(), right.as_str()) {
        pay(state, first.len() + second.len())?;
        if left.is_safe() || right.is_safe() {
            return Ok(Value::from_safe_string(filters::escaped(&left)? + &filters::escaped(&right)?));
        }
        return Ok(Value::from([first, second].concat()));
    }
    if methods::is_list(&left) && methods::is_list(&right) && left.is_tuple() == right.is_tuple() {
        let mut all = items(state, &left)?;
        all.extend(items(state, &right)?);
        return Ok(if left.is_tuple() { Value::from(Tuple::from(all)) } else { Value::from(all) });
    }
    arithmetic_number("+", &left, &right, false)
}

/// Sums of numbers, for filters.
pub(super) fn sum(state: &State, left: Value, right: Value) -> Result<Value, Error> {
    add(state, left, right)
}

fn arithmetic(state: &State, operator: &str, left: &Value, right: &Value) -> Result<Value, Error> {
    match operator {
        "%" if left.is_safe() => Err(failure("texts that are safe for HTML are not formatted here")),
        "%" if left.kind() == ValueKind::String => {
            format::percent(state, text(left)?, right).map(Value::from)
        }
        "*" if is_sequence(left) => repeated(state, left, right),
        "*" if is_sequence(right) => repeated(state, right, left),
        _ => arithmetic_number(operator, left, right, false),
    }
}

fn is_sequence(value: &Value) -> bool {
    value.kind() == ValueKind::String || methods::is_list(value)
}

fn repeated(state: &State, value: &Value, times: &Value) -> Result<Value, Error> {
    let times = integer(times).ok_or_else(|| unsupported("*", value, times))?;
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    if let Some(own) = value.as_str() {
        pay(state, own.len().saturating_mul(times))?;
        return filters::same_safety(value, Value::from(own.repeat(if own.is_empty() { 0 } else { times })));
    }
    let all = items(state, value)?;
    pay(state, all.len().saturating_mul(times).saturating_mul(64))?;
    let times = if all.is_empty() { 0 } else { times };
    let all: Vec<Value> = std::iter::repeat_n(all, times).flatten().collect();
    Ok(if value.is_tuple() { Value::from(Tuple::from(all)) } else { Value::from(all) })
}

fn arithmetic_number(operator: &str, left: &Value, right: &Value, negates: bool) -> Result<Value, Error> {
    let error = || unsupported(operator, left, right);
    if let (Some(a), Some(b)) = (integer(left), integer(right)) {
        let power = |b: i128| u32::try_from(b).ok().and_then(|b| a.checked_pow(b));
        let result = match operator {
            "+" => a.checked_add(b),
            "-" => a.checked_sub(b),
            "*" => a.checked_mul(b),
            "//" | "%" if b == 0 => return Err(failure("division by zero")),
            "//" => a.checked_div(b).map(|quotient| quotient - i128::from(a % b != 0 && (a < 0) != (b < 0))),
            "%" => a.checked_rem(b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
            "**" if b >= 0 => power(b),
            _ => return float_arithmetic(operator, a as f64, b as f64).ok_or_else(error),
        };
        return result.map(whole).ok_or_else(|| failure("a whole number is too large"));
    }
    let (Some(a), Some(b)) = (float(left), float(right)) else { return Err(error()) };
    if negates {
        return Ok(Value::from(-b));
    }
    float_arithmetic(operator, a, b).ok_or_else(error)
}

fn float_arithmetic(operator: &str, a: f64, b: f64) -> Option<Value> {
    let value = match operator {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" | "//" | "%" if b == 0.0 => return None,
        "/" => a / b,
        "//" => floor_division(a, b).0,
        "%" => floor_division(a, b).1,
        "**" if a == 0.0 && b < 0.0 || a < 0.0 && b.is_finite() && b.fract() != 0.0 => return None,
        "**" => Some(a.powf(b)).filter(|power| power.is_finite() || !a.is_finite() || !b.is_finite())?,
        _ => return None,
    };
    Some(Value::from(value))
}

/// Python's `divmod` of floats.
fn floor_division(a: f64, b: f64) -> (f64, f64) {
    let mut rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest == 0.0 {
        rest = 0.0_f64.copysign(b);
    } else if (rest < 0.0) != (b < 0.0) {
        rest += b;
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return (0.0_f64.copysign(a / b), rest);
    }
    let floor = quotient.floor();
    (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, rest)
}

fn concatenated(state: &State, left: Value, right: Value) -> Result<Value, Error> {
    let (left, right) = (str(state, &left)?, str(state, &right)?);
    pay(state, left.len() + right.len())?;
    Ok(Value::from(left + &right))
}

/// `compare(first, "<", second, …)`: a chain of comparisons.
fn compare(state: &State, arguments: Arguments) -> Result<Value, Error> {
    let values = arguments.into_values();
    for link in values.windows(3).step_by(2) {
        let [left, operator, right] = link else { break };
        if !holds(state, left, operator.as_str().unwrap_or_default(), right)? {
            return Ok(Value::from(false));
        }
    }
    Ok(Value::from(true))
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
    if methods::is_list(left) && methods::is_list(right) {
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
    if methods::is_dict(left) && methods::is_dict(right) {
        let pairs = methods::pairs(state, left)?;
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
    if methods::is_list(left) && methods::is_list(right) && left.is_tuple() == right.is_tuple() {
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

/// A value as a mapping's key; lists and mappings are none.
pub(super) fn key(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Map => Err(failure("a mapping is no key")),
        ValueKind::Seq | ValueKind::Iterable if !value.is_tuple() => Err(failure("a list is no key")),
        _ => Ok(value.clone()),
    }
}

fn defined(value: &Value, of: &str) -> Result<(), Error> {
    if value.is_undefined() { Err(failure(format!("an undefined value has no {of}"))) } else { Ok(()) }
}

/// `value.name`: a method or another attribute of Python's, or else an item.
pub(super) fn attribute(value: &Value, name: &str) -> Result<Value, Error> {
    defined(value, name)?;
    if name.starts_with("__") {
        return Ok(Value::UNDEFINED);
    }
    if methods::has(value, name) {
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
        at.map(|at| filters::same_safety(value, Value::from(at))).transpose()?
    } else if let (true, Some(length)) = (methods::is_list(value), value.len()) {
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
fn slice(state: &State, value: Value, start: Value, stop: Value, step: Value) -> Result<Value, Error> {
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
            .filter(|_| methods::is_list(&value))
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
        return filters::same_safety(&value, Value::from(part));
    }
    let all = items(state, &value)?;
    let part: Vec<Value> = places.into_iter().filter_map(|at| all.get(at).cloned()).collect();
    Ok(if value.is_tuple() { Value::from(Tuple::from(part)) } else { Value::from(part) })
}

/// `{key: value, …}`, given as keys and values in turn.
fn literal(arguments: Arguments) -> Result<Value, Error> {
    let values = arguments.into_values();
    let pairs = values.chunks_exact(2).map(|pair| Ok((key(&pair[0])?, pair[1].clone())));
    Ok(Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?))
}

/// What a loop goes through: texts by character, nothing that Python does not iterate over.
fn iterated(state: &State, value: Value) -> Result<Value, Error> {
    match value.kind() {
        _ if value.downcast_object_ref::<Generator>().is_some() => Ok(Value::from(items(state, &value)?)),
        ValueKind::Undefined | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => Ok(value),
        _ => Ok(Value::from(items(state, &value)?)),
    }
}

/// The number of items or characters.
pub(super) fn length(value: &Value) -> Result<Value, Error> {
    match value.as_str() {
        Some(own) => Ok(strings::length(own)),
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
