//! Values as Python writes them, and arguments as Python takes them.

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use unicode_general_category::{GeneralCategory as Category, get_general_category};

use super::objects::{Group, Range, View};

/// How deep values may be nested where they are walked.
const MAX_DEPTH: usize = 100;

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

/// Python's `str`.
pub(super) fn str(state: &State, value: &Value) -> Result<String, Error> {
    match (value.kind(), value.as_str()) {
        (ValueKind::String, Some(text)) => Ok(text.to_owned()),
        (ValueKind::Undefined, _) => Ok(String::new()),
        _ => repr(state, value),
    }
}

/// Python's `repr`.
pub(super) fn repr(state: &State, value: &Value) -> Result<String, Error> {
    let mut written = String::new();
    write_repr(state, value, &mut written, 0)?;
    Ok(written)
}

fn write_repr(state: &State, value: &Value, to: &mut String, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(failure("values are nested too deep"));
    }
    let before = to.len();
    match value.kind() {
        ValueKind::Undefined => to.push_str("Undefined"),
        ValueKind::None => to.push_str("None"),
        ValueKind::Bool => to.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => to.push_str(&number(value)),
        ValueKind::String if value.is_safe() => {
            to.push_str("Markup(");
            quote(text(value)?, to);
            to.push(')');
        }
        ValueKind::String => quote(text(value)?, to),
        ValueKind::Bytes => quote_bytes(value.as_bytes().unwrap_or_default(), to),
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
            write_container(state, value, to, depth)?;
        }
        _ => return Err(failure(format!("{} has no text", value.kind()))),
    }
    pay(state, to.len() - before)?;
    Ok(())
}

fn write_container(state: &State, value: &Value, to: &mut String, depth: usize) -> Result<(), Error> {
    if let Some(range) = value.downcast_object_ref::<Range>() {
        to.push_str(&range.to_string());
        return Ok(());
    }
    let view = value.downcast_object_ref::<View>().map(View::name);
    let is_map = value.kind() == ValueKind::Map;
    let (open, close) = match view {
        _ if is_map => ("{", "}"),
        Some(_) => ("([", "])"),
        None if value.is_tuple() || value.downcast_object_ref::<Group>().is_some() => ("(", ")"),
        None if value.kind() == ValueKind::Iterable && value.len().is_none() => {
            return Err(failure("a generator has no text: make a list of it"));
        }
        None => ("[", "]"),
    };
    if is_of_minijinja(value) {
        return Err(failure("a loop or a namespace has no text here"));
    }
    to.push_str(view.unwrap_or_default());
    to.push_str(open);
    let items = items(state, value)?;
    let count = items.len();
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            to.push_str(", ");
        }
        write_repr(state, &item, to, depth + 1)?;
        if is_map {
            to.push_str(": ");
            write_repr(state, &value.get_item(&item)?, to, depth + 1)?;
        }
    }
    if value.is_tuple() && count == 1 {
        to.push(',');
    }
    to.push_str(close);
    Ok(())
}

/// Whether a value is the variable of a loop or a namespace, which minijinja takes for mappings.
pub(super) fn is_of_minijinja(value: &Value) -> bool {
    value.as_object().is_some_and(|object| {
        let name = object.type_name();
        name.ends_with("::Loop") || name.ends_with("::Namespace")
    })
}

/// A number as `repr` writes it.
pub(super) fn number(value: &Value) -> String {
    match (is_float(value), f64::try_from(value.clone())) {
        (true, Ok(float)) => float_repr(float),
        _ => value.to_string(),
    }
}

/// The shortest digits that mean the same number, with an exponent beyond 16 digits.
pub(super) fn float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = value.to_string();
        if plain.contains('.') { plain } else { plain + ".0" }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

/// A text in quotes, with escapes for what cannot be printed.
fn quote(text: &str, to: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    to.push(mark);
    for character in text.chars() {
        match character {
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            _ if character == mark => to.extend(['\\', mark]),
            _ if is_printable(character) => to.push(character),
            _ => to.push_str(&escape(character)),
        }
    }
    to.push(mark);
}

/// The shortest of Python's escapes by number.
pub(super) fn escape(character: char) -> String {
    match character as u32 {
        code @ 0..0x100 => format!("\\x{code:02x}"),
        code @ 0x100..0x1_0000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

fn quote_bytes(bytes: &[u8], to: &mut String) {
    let mark = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    to.extend(['b', char::from(mark)]);
    for &byte in bytes {
        match byte {
            b'\\' => to.push_str("\\\\"),
            b'\n' => to.push_str("\\n"),
            b'\r' => to.push_str("\\r"),
            b'\t' => to.push_str("\\t"),
            _ if byte == mark => to.extend(['\\', char::from(mark)]),
            b' '..=b'~' => to.push(char::from(byte)),
            _ => to.push_str(&format!("\\x{byte:02x}")),
        }
    }
    to.push(char::from(mark));
}

/// Python's `str.isprintable` for one character.
pub(super) fn is_printable(character: char) -> bool {
    character == ' '
        || !matches!(
            get_general_category(character),
            Category::Control
                | Category::Format
                | Category::Surrogate
                | Category::PrivateUse
                | Category::Unassigned
                | Category::LineSeparator
                | Category::ParagraphSeparator
                | Category::SpaceSeparator
        )
}

/// Python's white space: Unicode's, and four separators of ASCII.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}
