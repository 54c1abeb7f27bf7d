//! How one value is written where a text is formatted: what both of Python's ways to format share.

use minijinja::{Error, State, Value};

use super::repr::float_repr;
use super::values::{failure, integer, pay};

/// The most digits behind a point that Rust writes.
const MAX_PRECISION: usize = 60_000;

/// How one value is to be written.
#[derive(Debug, Clone, Default)]
pub(super) struct Spec {
    pub(super) fill: Option<char>,
    /// `<`, `>`, `^`, or `=` for behind the sign.
    pub(super) align: Option<char>,
    pub(super) sign: Option<char>,
    pub(super) alternate: bool,
    pub(super) zeros: bool,
    pub(super) width: usize,
    pub(super) grouping: Option<char>,
    pub(super) precision: Option<usize>,
    pub(super) kind: Option<char>,
}

/// A number in parts: what stands before padding with zeros, and what behind.
pub(super) struct Number {
    pub(super) sign: &'static str,
    pub(super) prefix: &'static str,
    pub(super) digits: String,
}

impl Spec {
    /// Pays for what the specification asks for.
    pub(super) fn pay(&self, state: &State) -> Result<(), Error> {
        if self.precision.is_some_and(|precision| precision > MAX_PRECISION) && self.kind != Some('s') {
            return Err(failure("so many digits cannot be written"));
        }
        pay(
            state,
            self.width.saturating_mul(4).saturating_add(self.precision.unwrap_or(0).min(MAX_PRECISION)),
        )
    }

    /// A text, cut and padded.
    pub(super) fn text(&self, text: &str) -> String {
        let text: String = text.chars().take(self.precision.unwrap_or(usize::MAX)).collect();
        self.pad("", text, '<')
    }

    pub(super) fn pad(&self, head: &str, text: String, align: char) -> String {
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
    pub(super) fn number(&self, number: Number) -> String {
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

    pub(super) fn sign_of(&self, negative: bool) -> &'static str {
        match self.sign {
            _ if negative => "-",
            Some('+') => "+",
            Some(' ') => " ",
            _ => "",
        }
    }

    /// A whole number in the base that the kind asks for.
    pub(super) fn integer(&self, value: i128) -> String {
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
    pub(super) fn float(&self, value: f64) -> String {
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
pub(super) fn exponent(size: f64, precision: usize) -> String {
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

/// Digits, as a number.
pub(super) fn count(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<i128> {
    let mut number = None;
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        let digit = i128::from(digit.to_digit(10).unwrap_or(0));
        number = Some(number.unwrap_or(0_i128).saturating_mul(10).saturating_add(digit));
    }
    number
}

/// The character of `%c`: one of a text, or by its number.
pub(super) fn character(value: &Value) -> Result<String, Error> {
    let by_number = || char::from_u32(u32::try_from(integer(value)?).ok()?).map(String::from);
    let single = value.as_str().filter(|text| text.chars().count() == 1).map(str::to_owned);
    single.or_else(by_number).ok_or_else(|| failure("%c requires int or char"))
}

/// A specification of `str.format`.
pub(super) fn parse(spec: &str) -> Option<Spec> {
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
