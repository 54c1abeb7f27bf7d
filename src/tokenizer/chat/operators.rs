//! Python's operators, as functions that [`super::lower`] puts in their place.
//!
//! They stand in for minijinja's own, which differ where texts are formatted or floats are written, and in what is
//! an error.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::access::{attribute, item, slice};
use super::comparison::{holds, unsupported};
use super::kinds::is_sequence;
use super::mappings::key;
use super::objects::Generator;
use super::repr::str;
use super::values::{Arguments, failure, float, integer, items, pay, text, whole};
use super::{kinds, macros, percent, safety};

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
    environment.add_function("make macro", macros::make_macro);
}

fn add(state: &State, left: Value, right: Value) -> Result<Value, Error> {
    if let (Some(first), Some(second)) = (left.as_str(), right.as_str()) {
        pay(state, first.len() + second.len())?;
        if left.is_safe() || right.is_safe() {
            return Ok(Value::from_safe_string(safety::escaped(&left)? + &safety::escaped(&right)?));
        }
        return Ok(Value::from([first, second].concat()));
    }
    if kinds::is_list(&left) && kinds::is_list(&right) && left.is_tuple() == right.is_tuple() {
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
            percent::percent(state, text(left)?, right).map(Value::from)
        }
        "*" if is_sequence(left) => repeated(state, left, right),
        "*" if is_sequence(right) => repeated(state, right, left),
        _ => arithmetic_number(operator, left, right, false),
    }
}

fn repeated(state: &State, value: &Value, times: &Value) -> Result<Value, Error> {
    let times = integer(times).ok_or_else(|| unsupported("*", value, times))?;
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    if let Some(own) = value.as_str() {
        pay(state, own.len().saturating_mul(times))?;
        return safety::same_safety(value, Value::from(own.repeat(if own.is_empty() { 0 } else { times })));
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
