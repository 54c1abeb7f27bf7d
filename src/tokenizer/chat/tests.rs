//! Jinja's tests, such as `x is defined`.

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, State, Value};

use super::objects::{Generator, View};
use super::repr::str;
use super::values::{Arguments, bind, failure, integer, is_float, needed, text};
use super::{comparison, filters, kinds, strings, values};

/// The tests there are.
const NAMES: &[&str] = &[
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// Gives a template its tests.
pub(super) fn add_to(environment: &mut Environment) {
    for &name in NAMES {
        environment.add_test(name, move |state: &mut State, arguments: Arguments| {
            let arguments = arguments.into_values();
            let (value, arguments) =
                arguments.split_first().ok_or_else(|| failure("a test needs a value"))?;
            holds(state, name, value, arguments)
        });
    }
}

fn holds(state: &mut State, name: &str, value: &Value, arguments: &[Value]) -> Result<bool, Error> {
    let operator = match name {
        "eq" | "equalto" | "==" => "==",
        "ne" | "!=" => "!=",
        "lt" | "lessthan" | "<" => "<",
        "le" | "<=" => "<=",
        "gt" | "greaterthan" | ">" => ">",
        "ge" | ">=" => ">=",
        "in" => "in",
        _ => "",
    };
    if !operator.is_empty() {
        let [other] = bind(arguments, [""])?;
        return comparison::holds(state, value, operator, &needed(other)?);
    }
    match name {
        "divisibleby" => {
            let [number] = bind(arguments, ["num"])?;
            Ok(remainder(value, &needed(number)?)? == 0.0)
        }
        "sameas" => {
            let [other] = bind(arguments, ["other"])?;
            let other = needed(other)?;
            if value.as_object().is_some() && other.as_object().is_some() {
                return Err(failure("whether two values are one object is not known here"));
            }
            let same_kind = value.kind() == other.kind() && is_float(value) == is_float(&other);
            Ok(same_kind && comparison::equal(state, value, &other)?)
        }
        _ => {
            let [] = bind(arguments, [])?;
            is(state, name, value)
        }
    }
}

fn remainder(value: &Value, number: &Value) -> Result<f64, Error> {
    match (integer(value), integer(number)) {
        (Some(_), Some(0)) => Err(failure("division by zero")),
        (Some(value), Some(number)) => Ok(value.checked_rem(number).unwrap_or(0) as f64),
        _ => Ok(values::number_of(value)? % values::number_of(number)?),
    }
}

fn is(state: &State, name: &str, value: &Value) -> Result<bool, Error> {
    let kind = value.kind();
    let is_listed = kinds::is_list(value);
    Ok(match name {
        "boolean" => kind == ValueKind::Bool,
        "callable" => matches!(kind, ValueKind::Plain | ValueKind::Undefined),
        "defined" => !value.is_undefined(),
        "undefined" => value.is_undefined(),
        "escaped" => value.is_safe(),
        "even" => remainder(value, &Value::from(2))? == 0.0,
        "odd" => remainder(value, &Value::from(2))?.abs() == 1.0,
        "true" => kind == ValueKind::Bool && value.is_true(),
        "false" => kind == ValueKind::Bool && !value.is_true(),
        "none" => value.is_none(),
        "filter" => value.as_str().is_some_and(|name| filters::NAMES.contains(&name) || name == "urlize"),
        "test" => value.as_str().is_some_and(|name| NAMES.contains(&name)),
        "float" => is_float(value),
        "integer" => kind == ValueKind::Number && !is_float(value),
        "number" => matches!(kind, ValueKind::Number | ValueKind::Bool),
        "iterable" => {
            let streams = value.downcast_object_ref::<View>().is_some()
                || value.downcast_object_ref::<Generator>().is_some();
            let others = matches!(kind, ValueKind::String | ValueKind::Bytes | ValueKind::Undefined);
            is_listed || streams || others || kinds::is_dict(value)
        }
        "sequence" => {
            is_listed
                || matches!(kind, ValueKind::String | ValueKind::Bytes | ValueKind::Undefined)
                || kinds::is_dict(value)
        }
        "mapping" => kinds::is_dict(value),
        "string" => kind == ValueKind::String,
        "lower" | "upper" => {
            let own = str(state, value)?;
            strings::is(&own, if name == "lower" { "islower" } else { "isupper" }).unwrap_or(false)
        }
        _ => return Err(failure(format!("there is no test {}", text(value)?))),
    })
}
