//! Python's `'{}'.format(value)`.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::access;
use super::format_spec::{character, parse};
use super::repr::{ascii, repr, str};
use super::values::{failure, float, integer, is_float, pay};

/// What `str.format` takes its values from.
struct Fields<'a> {
    state: &'a State<'a, 'a>,
    positional: Option<&'a [Value]>,
    named: &'a Value,
    next: usize,
    /// Whether fields have numbers; Python allows no mixture.
    numbered: Option<bool>,
}

/// `format.format(*positional, **named)`.
pub(super) fn str_format(
    state: &State,
    format: &str,
    positional: Option<&[Value]>,
    named: &Value,
) -> Result<String, Error> {
    let mut fields = Fields { state, positional, named, next: 0, numbered: None };
    fields.fill(format, 2)
}

impl Fields<'_> {
    fn fill(&mut self, format: &str, depth: usize) -> Result<String, Error> {
        if depth == 0 {
            return Err(failure("max string recursion exceeded"));
        }
        let mut to = String::new();
        let mut rest = format;
        while let Some(at) = rest.find(['{', '}']) {
            to.push_str(&rest[..at]);
            let brace = &rest[at..at + 1];
            rest = &rest[at + 1..];
            if depth == 2 && rest.starts_with(brace) {
                to.push_str(brace);
                rest = &rest[1..];
                continue;
            }
            if brace == "}" {
                return Err(failure("single '}' encountered in format string"));
            }
            let end = closing(rest).ok_or_else(|| failure("expected '}' before end of string"))?;
            let field = self.field(&rest[..end], depth)?;
            pay(self.state, field.len() + 256)?;
            to.push_str(&field);
            rest = &rest[end + 1..];
        }
        Ok(to + rest)
    }

    /// One field: `name!conversion:specification`.
    fn field(&mut self, field: &str, depth: usize) -> Result<String, Error> {
        let end = field_end(field);
        let (name, rest) = field.split_at(end);
        let mut value = self.value(name)?;
        let (conversion, spec) = match rest.strip_prefix('!') {
            Some(rest) => {
                let (conversion, spec) = rest.split_once(':').unwrap_or((rest, ""));
                (conversion, spec)
            }
            None => ("", rest.strip_prefix(':').unwrap_or(rest)),
        };
        match (conversion, rest.starts_with('!')) {
            ("r", _) => value = Value::from(repr(self.state, &value)?),
            ("s", _) => value = Value::from(str(self.state, &value)?),
            ("a", _) => value = Value::from(ascii(self.state, &value)?),
            ("", false) => {}
            _ => return Err(failure("unknown conversion in a format string")),
        }
        let spec = if spec.contains('{') { self.fill(spec, depth - 1)? } else { spec.to_owned() };
        self.write(&value, &spec)
    }

    /// The value that a name means, with what is looked up in it.
    fn value(&mut self, name: &str) -> Result<Value, Error> {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (first, mut rest) = name.split_at(end);
        let mut value = if first.is_empty() || first.bytes().all(|byte| byte.is_ascii_digit()) {
            let numbered = !first.is_empty();
            if self.numbered.is_some_and(|before| before != numbered) {
                return Err(failure("fields with and without numbers cannot be mixed"));
            }
            self.numbered = Some(numbered);
            let index = if numbered { first.parse().unwrap_or(usize::MAX) } else { self.next };
            self.next += usize::from(!numbered);
            let values = self.positional.ok_or_else(|| failure("format_map takes no positional fields"))?;
            values
                .get(index)
                .cloned()
                .ok_or_else(|| failure("index out of range for a field of a format string"))?
        } else {
            let value = self.named.as_object().and_then(|object| object.get_value(&Value::from(first)));
            value.ok_or_else(|| failure(format!("nothing is named {first}")))?
        };
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('[') {
                let (key, after) =
                    after.split_once(']').ok_or_else(|| failure("missing ']' in format string"))?;
                let key = key.parse::<usize>().map_or_else(|_| Value::from(key), Value::from);
                value = access::item(&value, &key)?;
                rest = after;
            } else {
                let after =
                    rest.strip_prefix('.').ok_or_else(|| failure("only '.' or '[' may follow ']'"))?;
                let end = after.find(['.', '[']).unwrap_or(after.len());
                value = access::attribute(&value, &after[..end])?;
                rest = &after[end..];
            }
        }
        Ok(value)
    }

    /// Python's `format(value, spec)`.
    fn write(&self, value: &Value, spec: &str) -> Result<String, Error> {
        if spec.is_empty() {
            return str(self.state, value);
        }
        let parsed = parse(spec).ok_or_else(|| failure(format!("invalid format specifier {spec}")))?;
        parsed.pay(self.state)?;
        let unknown = || failure(format!("unknown format code in {spec} for {}", value.kind()));
        match (value.kind(), parsed.kind) {
            (ValueKind::String, None | Some('s')) => {
                let plain = parsed.sign.is_none() && !parsed.alternate && parsed.align != Some('=');
                if plain && parsed.grouping.is_none() {
                    Ok(parsed.text(value.as_str().unwrap_or_default()))
                } else {
                    Err(unknown())
                }
            }
            (ValueKind::Number | ValueKind::Bool, Some('c')) => Ok(parsed.pad("", character(value)?, '<')),
            (ValueKind::Number | ValueKind::Bool, None | Some('d' | 'b' | 'o' | 'x' | 'X' | 'n'))
                if !is_float(value) =>
            {
                let number = integer(value).filter(|_| parsed.precision.is_none());
                Ok(parsed.integer(number.ok_or_else(unknown)?))
            }
            (
                ValueKind::Number | ValueKind::Bool,
                None | Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'n' | '%'),
            ) => Ok(parsed.float(float(value).ok_or_else(unknown)?)),
            _ => Err(unknown()),
        }
    }
}

/// Where the brace of a field closes, behind those of fields inside.
fn closing(rest: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, character) in rest.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Where a field's name ends: at `!` or `:` outside of brackets.
fn field_end(field: &str) -> usize {
    let mut inside = false;
    for (at, character) in field.char_indices() {
        match character {
            '[' => inside = true,
            ']' => inside = false,
            '!' | ':' if !inside => return at,
            _ => {}
        }
    }
    field.len()
}
