//! Python's two ways to format: `'%s' % value` and `'{}'.format(value)`.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::operators;
use super::python::{escape, failure, float, float_repr, integer, is_float, items, pay, repr, str, whole};

/// The most digits behind a point that Rust writes.
const MAX_PRECISION: usize = 60_000;

/// How one value is to be written.
#[derive(Debug, Clone, Default)]
struct Spec {
    fill: Option<char>,
    /// `<`, `>`, `^`, or `=` for behind the sign.
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zeros: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

/// A number in parts: what stands before padding with zeros, and what behind.
struct Number {
    sign: &'static str,
    prefix: &'static str,
    digits: String,
}

impl Spec {
    /// Pays for what the specification asks for.
    fn pay(&self, state: &State) -> Result<(), Error> {
        if self.precision.is_some_and(|precision| precision > MAX_PRECISION) && self.kind != Some('s') {
            return Err(failure("so many digits cannot be written"));
        }
        pay(
            state,
            self.width.saturating_mul(4).saturating_add(self.precision.unwrap_or(0).min(MAX_PRECISION)),
        )
    }

    /// A text, cut and padded.
    fn text(&self, text: &str) -> String {
        let text: String = text.chars().take(self.precision.unwrap_or(usize::MAX)).collect();
        self.pad("", text, '<')
    }

    fn pad(&self, head: &str, text: String, align: char) -> String {
        let missing = self.width.saturating_sub(head.chars().count() + text.chars().count());
        let align = self.align.unwrap_or(align);
        let left = match align {
            '<' => 0,
            '^' => missing / 2,
            _ => missing,
        };
        let fill = self.fill.unwrap_or(if self.zeros { '0' } else { ' ' });
        let fills = |count| std::iter::repeat_n(fill, count);
        let (outside, inside) = if align == '=' { (0, left) } else { (left, 0) };
        let begin = fills(outside).chain(head.chars()).chain(fills(inside));
        begin.chain(text.chars()).chain(fills(missing - left)).collect()
    }

    /// A number, padded behind its sign where zeros or `=` ask for that.
    fn number(&self, number: Number) -> String {
        let align = if self.zeros && self.align.is_none() { '=' } else { '>' };
        let mut digits = number.digits;
        let head = format!("{}{}", number.sign, number.prefix);
        if let Some(mark) = self.grouping {
            let zeros = self.align.unwrap_or(align) == '=' && self.fill.unwrap_or('0') == '0' && self.zeros;
            digits = grouped(
                &digits,
                mark,
                self.kind,
                if zeros { self.width.saturating_sub(head.len()) } else { 0 },
            );
        }
        self.pad(&head, digits, align)
    }

    fn sign_of(&self, negative: bool) -> &'static str {
        match self.sign {
            _ if negative => "-",
            Some('+') => "+",
            Some(' ') => " ",
            _ => "",
        }
    }

    /// A whole number in the base that the kind asks for.
    fn integer(&self, value: i128) -> String {
        let size = value.unsigned_abs();
        let (prefix, digits) = match self.kind {
            Some('x') => ("0x", format!("{size:x}")),
            Some('X') => ("0X", format!("{size:X}")),
            Some('o') => ("0o", format!("{size:o}")),
            Some('b') => ("0b", format!("{size:b}")),
            _ => ("", size.to_string()),
        };
        let prefix = if self.alternate { prefix } else { "" };
        self.number(Number { sign: self.sign_of(value < 0), prefix, digits })
    }

    /// A number with a fraction.
    fn float(&self, value: f64) -> String {
        let size = value.abs();
        let kind = self.kind.unwrap_or(' ');
        let precision = self.precision.unwrap_or(6);
        let mut digits = match kind {
            _ if size.is_nan() => "nan".to_owned(),
            _ if size.is_infinite() => "inf".to_owned(),
            'e' | 'E' => exponent(size, precision),
            'f' | 'F' => format!("{size:.precision$}"),
            '%' => format!("{:.precision$}", size * 100.0),
            'g' | 'G' | 'n' => general(size, precision, self.alternate),
            _ => match self.precision {
                None => float_repr(size),
                Some(precision) => {
                    let digits = general(size, precision, self.alternate);
                    if digits.contains(['.', 'e']) { digits } else { short(size, precision, digits) }
                }
            },
        };
        if kind.is_ascii_uppercase() {
            digits.make_ascii_uppercase();
        }
        if self.alternate && precision == 0 && matches!(kind, 'f' | 'F') {
            digits.push('.');
        }
        if kind == '%' {
            digits.push('%');
        }
        let negative = value.is_sign_negative() && !value.is_nan();
        let number = Number { sign: self.sign_of(negative), prefix: "", digits };
        self.number(number)
    }
}

/// A whole number that `format` without a kind writes with a point, if its digits leave room.
fn short(size: f64, precision: usize, digits: String) -> String {
    let scientific = format!("{size:.*e}", precision.max(1) - 1);
    let power: i32 = scientific.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    if power + 1 < precision.max(1) as i32 { digits + ".0" } else { exponent(size, 0).replace(".e", "e") }
}

/// With an exponent of at least two digits.
fn exponent(size: f64, precision: usize) -> String {
    let scientific = format!("{size:.precision$e}");
    let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{digits}e{sign}{power:0>2}")
}

/// C's `%g`.
fn general(size: f64, precision: usize, alternate: bool) -> String {
    let precision = precision.max(1);
    let scientific = exponent(size, precision - 1);
    let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let trimmed = |digits: &str| {
        if alternate || !digits.contains('.') {
            return digits.to_owned();
        }
        digits.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let exponent: i64 = power.parse().unwrap_or(0);
    if exponent < -4 || exponent >= precision as i64 {
        return format!("{}e{power}", trimmed(digits));
    }
    let behind = usize::try_from(precision as i64 - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{size:.behind$}"))
}

/// With a mark between groups of three digits (four in other bases), and zeros before up to a width.
fn grouped(digits: &str, mark: char, kind: Option<char>, width: usize) -> String {
    let size = if matches!(kind, Some('x' | 'X' | 'o' | 'b')) { 4 } else { 3 };
    let end = digits.find(['.', 'e', '%']).filter(|_| size == 3).unwrap_or(digits.len());
    let (whole, rest) = digits.split_at(end);
    let mut whole = whole.to_owned();
    let with_marks = |length: usize| length + length.saturating_sub(1) / size;
    while with_marks(whole.len()) + rest.len() < width {
        whole.insert(0, '0');
    }
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % size == 0 {
            grouped.push(mark);
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// The text of `repr` in ASCII.
fn ascii(state: &State, value: &Value) -> Result<String, Error> {
    let mut to = String::new();
    for character in repr(state, value)?.chars() {
        if character.is_ascii() { to.push(character) } else { to.push_str(&escape(character)) }
    }
    Ok(to)
}

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
    super::methods::is_list(arguments) && !arguments.is_tuple()
}

/// Digits, as a number.
fn count(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<i128> {
    let mut number = None;
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        let digit = i128::from(digit.to_digit(10).unwrap_or(0));
        number = Some(number.unwrap_or(0_i128).saturating_mul(10).saturating_add(digit));
    }
    number
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

/// The character of `%c`: one of a text, or by its number.
fn character(value: &Value) -> Result<String, Error> {
    let by_number = || char::from_u32(u32::try_from(integer(value)?).ok()?).map(String::from);
    let single = value.as_str().filter(|text| text.chars().count() == 1).map(str::to_owned);
    single.or_else(by_number).ok_or_else(|| failure("%c requires int or char"))
}

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
                value = operators::item(&value, &key)?;
                rest = after;
            } else {
                let after =
                    rest.strip_prefix('.').ok_or_else(|| failure("only '.' or '[' may follow ']'"))?;
                let end = after.find(['.', '[']).unwrap_or(after.len());
                value = operators::attribute(&value, &after[..end])?;
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

/// A specification of `str.format`.
fn parse(spec: &str) -> Option<Spec> {
    let mut parsed = Spec::default();
    let mut characters: Vec<char> = spec.chars().collect();
    if let Some(&align) = characters.get(1).filter(|c| "<>=^".contains(**c)) {
        parsed.fill = characters.first().copied();
        parsed.align = Some(align);
        characters.drain(..2);
    } else if let Some(&align) = characters.first().filter(|c| "<>=^".contains(**c)) {
        parsed.align = Some(align);
        characters.drain(..1);
    }
    let rest: String = characters.into_iter().collect();
    let mut rest = rest.chars().peekable();
    parsed.sign = rest.next_if(|c| "+- ".contains(*c));
    parsed.alternate = rest.next_if_eq(&'#').is_some();
    if rest.next_if_eq(&'0').is_some() {
        parsed.zeros = true;
        parsed.fill = parsed.fill.or(Some('0'));
    }
    parsed.width = usize::try_from(count(&mut rest).unwrap_or(0)).ok()?;
    parsed.grouping = rest.next_if(|c| ",_".contains(*c));
    if rest.next_if_eq(&'.').is_some() {
        parsed.precision = Some(usize::try_from(count(&mut rest)?).ok()?);
    }
    parsed.kind = rest.next();
    let known = parsed.kind.is_none_or(|kind| "bcdeEfFgGnosxX%".contains(kind));
    (known && rest.next().is_none()).then_some(parsed)
}

/// A number of the `filesizeformat` filter, with one digit behind the point.
pub(super) fn tenths(value: f64) -> String {
    Spec { kind: Some('f'), precision: Some(1), ..Spec::default() }.float(value)
}

/// The nearest whole number of a float that has one.
pub(super) fn truncated(value: f64) -> Option<Value> {
    (value.is_finite() && value.abs() < 1e38).then(|| whole(value.trunc() as i128))
}
