//! Values and arguments, as functions, filters and methods take them.

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// What functions, filters and methods take.
pub(super) type Arguments = Rest<ValueOrKwargs>;

/// An error of the template's.
pub(super) fn failure(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

/// Pays for `bytes` before they are made; what is returned is paid once more by the engine.
pub(super) fn pay(state: &State, bytes: usize) -> Result<(), Error> {
    state.consume_fuel(bytes as u64 / 64)
}

/// Arguments by their names.
type Named = Vec<(String, Value)>;

/// The positional and the named arguments of a call.
pub(super) fn split(arguments: &[Value]) -> Result<(&[Value], Named), Error> {
    let Some((last, positional)) = arguments.split_last().filter(|(last, _)| last.is_kwargs()) else {
        return Ok((arguments, Vec::new()));
    };
    let (named,): (Kwargs,) = from_args(std::slice::from_ref(last))?;
    let pairs = named.args().map(|name| Ok((name.to_owned(), named.get(name)?)));
    Ok((positional, pairs.collect::<Result<_, Error>>()?))
}

/// Arguments by place or by name, in the order of `names`; an empty name can only be given by place.
pub(super) fn bind<const N: usize>(
    arguments: &[Value],
    names: [&str; N],
) -> Result<[Option<Value>; N], Error> {
    let (positional, named) = split(arguments)?;
    if positional.len() > N {
        return Err(Error::new(ErrorKind::TooManyArguments, format!("at most {N} can be given")));
    }
    let mut bound = [const { None }; N];
    for (place, value) in bound.iter_mut().zip(positional) {
        *place = Some(value.clone());
    }
    for (name, value) in named {
        let place = names.iter().position(|known| *known == name).filter(|place| bound[*place].is_none());
        let place = place.ok_or_else(|| failure(format!("the argument {name} is unknown or given twice")))?;
        bound[place] = Some(value);
    }
    Ok(bound)
}

/// An argument that must be given.
pub(super) fn needed(argument: Option<Value>) -> Result<Value, Error> {
    argument.ok_or_else(|| Error::new(ErrorKind::MissingArgument, "an argument is missing"))
}

/// An argument that must be a text.
pub(super) fn text(value: &Value) -> Result<&str, Error> {
    value.as_str().ok_or_else(|| failure(format!("a text is needed in place of {}", kind(value))))
}

/// A whole number; truth counts as one.
pub(super) fn integer(value: &Value) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    }
}

/// An argument that must be a whole number, or what it is if it is not given.
pub(super) fn integer_or(argument: Option<&Value>, default: i128) -> Result<i128, Error> {
    let Some(value) = argument else { return Ok(default) };
    integer(value).ok_or_else(|| failure(format!("a whole number is needed in place of {}", kind(value))))
}

/// A number; truth counts as one.
pub(super) fn float(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => integer(value).map(|integer| integer as f64),
    }
}

/// Whether a value is a number with a fraction.
pub(super) fn is_float(value: &Value) -> bool {
    value.kind() == ValueKind::Number && !value.is_integer()
}

/// A whole number that exceeds no template's needs.
pub(super) fn whole(value: i128) -> Value {
    i64::try_from(value).map_or_else(|_| Value::from(value), Value::from)
}

/// What a value is, for errors.
pub(super) fn kind(value: &Value) -> String {
    if value.is_undefined() { "an undefined value".to_owned() } else { value.kind().to_string() }
}

/// The items that a loop over a value meets.
pub(super) fn items(state: &State, value: &Value) -> Result<Vec<Value>, Error> {
    if let Some(text) = value.as_str() {
        pay(state, text.len() * 24)?;
        return Ok(text.chars().map(Value::from).collect());
    }
    if matches!(value.kind(), ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::Plain) {
        return Err(failure(format!("{} is not iterable", kind(value))));
    }
    let mut items = Vec::new();
    for item in value.try_iter()?.checked() {
        pay(state, 64)?;
        items.push(item?);
    }
    Ok(items)
}

/// Numbers, texts and such for the modules beside.
pub(super) fn number_of(value: &Value) -> Result<f64, Error> {
    float(value).ok_or_else(|| failure(format!("a number is needed in place of {}", kind(value))))
}

/// The nearest whole number of a float that has one.
pub(super) fn truncated(value: f64) -> Option<Value> {
    (value.is_finite() && value.abs() < 1e38).then(|| whole(value.trunc() as i128))
}
