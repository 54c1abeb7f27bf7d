//! Python's `'%s' % value`.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::format_spec::{Number, Spec, character, count};
use super::repr::{ascii, repr, str};
use super::values::{failure, float, integer, is_float, items, pay};

/// `format % arguments`.
pub(super) fn percent(state: &State, format: &str, arguments: &Value) -> Result<String, Error> {
    let mut values =
        if arguments.is_tuple() { items(state, arguments)? } else { vec![arguments.clone()] }.into_iter();
    let is_mapping = arguments.kind() == ValueKind::Map;
    let mut used_names = false;
    let mut to = String::new();
    let mut rest = format.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '%' {
            to.push(character);
            continue;
        }
        let mut named = None;
        if rest.next_if_eq(&'(').is_some() {
            let mut depth = 1;
            let mut name = String::new();
            loop {
                let character = rest.next().ok_or_else(|| failure("incomplete format key"))?;
                depth += i32::from(character == '(') - i32::from(character == ')');
                if depth == 0 {
                    break;
                }
                name.push(character);
            }
            if !is_mapping {
                return Err(failure("format requires a mapping"));
            }
            let value =
                arguments.as_object().and_then(|object| object.get_value(&Value::from(name.as_str())));
            named = Some(value.ok_or_else(|| failure(format!("nothing is named {name}")))?);
            used_names = true;
        }
        let mut spec = Spec::default();
        let mut left = false;
        while let Some(flag) = rest.next_if(|c| "-+ #0".contains(*c)) {
            match flag {
                '-' => left = true,
                '+' => spec.sign = Some('+'),
                ' ' => spec.sign = spec.sign.or(Some(' ')),
                '#' => spec.alternate = true,
                _ => spec.zeros = true,
            }
        }
        let missing = || failure("not enough arguments for format string");
        let mut star = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            if rest.next_if_eq(&'*').is_none() {
                return Ok(count(rest));
            }
            let value = values.next().ok_or_else(missing)?;
            integer(&value).map(Some).ok_or_else(|| failure("* wants int"))
        };
        let width = star(&mut rest)?.unwrap_or(0);
        left |= width < 0;
        spec.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        if rest.next_if_eq(&'.').is_some() {
            spec.precision = Some(usize::try_from(star(&mut rest)?.unwrap_or(0)).unwrap_or(0));
        }
        if left {
            spec.align = Some('<');
            spec.fill = Some(' ');
        }
        rest.next_if(|c| "lhL".contains(*c));
        let kind = rest.next().ok_or_else(|| failure("incomplete format"))?;
        if kind == '%' {
            to.push('%');
            continue;
        }
        let value = match named {
            Some(value) => value,
            None if used_names => arguments.clone(),
            None => values.next().ok_or_else(missing)?,
        };
        spec.pay(state)?;
        to.push_str(&one(state, spec, kind, &value)?);
        pay(state, 256)?;
    }
    let all_used = values.next().is_none() || is_mapping || methods_are_sequences(arguments);
    if all_used { Ok(to) } else { Err(failure("not all arguments converted during string formatting")) }
}

/// Lists take part in formatting as mappings do: what is not used of them is no error.
fn methods_are_sequences(arguments: &Value) -> bool {
    super::kinds::is_list(arguments) && !arguments.is_tuple()
}

/// One value of `%`.
fn one(state: &State, mut spec: Spec, kind: char, value: &Value) -> Result<String, Error> {
    let no_number = || failure(format!("%{kind} format: a number is required, not {}", value.kind()));
    match kind {
        's' | 'r' | 'a' | 'c' => {
            let text = match kind {
                's' => str(state, value)?,
                'r' => repr(state, value)?,
                'a' => ascii(state, value)?,
                _ => character(value)?,
            };
            spec.zeros = false;
            spec.align = spec.align.or(Some('>'));
            Ok(spec.text(&text))
        }
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
            let number = match integer(value) {
                None if is_float(value) && matches!(kind, 'd' | 'i' | 'u') => {
                    float(value).filter(|float| float.is_finite()).map(|float| float.trunc() as i128)
                }
                number => number,
            };
            spec.kind = Some(if matches!(kind, 'i' | 'u') { 'd' } else { kind });
            let number = number.ok_or_else(no_number)?;
            let digits = spec.precision.take().unwrap_or(0);
            if digits == 0 {
                return Ok(spec.integer(number));
            }
            // So many digits at least; they take the place of zeros up to the width.
            let bare = Spec { kind: spec.kind, ..Spec::default() };
            let digits = format!("{:0>digits$}", bare.integer(number.saturating_abs()));
            let prefix = match (spec.alternate, kind) {
                (true, 'x') => "0x",
                (true, 'X') => "0X",
                (true, 'o') => "0o",
                _ => "",
            };
            Ok(spec.number(Number { sign: spec.sign_of(number < 0), prefix, digits }))
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            spec.kind = Some(kind);
            Ok(spec.float(float(value).ok_or_else(no_number)?))
        }
        _ => Err(failure(format!("unsupported format character {kind}"))),
    }
}
