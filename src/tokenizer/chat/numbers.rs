//! Jinja's filters of numbers.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::format_spec::tenths;
use super::repr::is_space;
use super::values::{bind, failure, float, integer, integer_or, is_float, text, truncated, whole};
use super::{casing, string_parts, values};

pub(super) fn call(_: &State, name: &str, value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    match name {
        "abs" => {
            let [] = bind(arguments, [])?;
            match integer(value) {
                Some(number) => Ok(whole(number.saturating_abs())),
                None => Ok(Value::from(values::number_of(value)?.abs())),
            }
        }
        "filesizeformat" => {
            let [binary] = bind(arguments, ["binary"])?;
            let size = parsed_float(value).ok_or_else(|| failure("a size is a number"))?;
            Ok(Value::from(size_text(size, binary.is_some_and(|binary| binary.is_true()))?))
        }
        "float" => {
            let [default] = bind(arguments, ["default"])?;
            let number = parsed_float(value).map(Value::from);
            Ok(number.unwrap_or_else(|| default.unwrap_or_else(|| Value::from(0.0))))
        }
        "int" => {
            let [default, base] = bind(arguments, ["default", "base"])?;
            let base = integer_or(base.as_ref(), 10)?;
            let parsed = match value.as_str() {
                Some(own) => parsed_integer(own, base).or_else(|| parsed_float(value).and_then(truncated)),
                None if float(value).is_some_and(f64::is_infinite) => {
                    return Err(failure("an infinite number is not a whole one"));
                }
                None => integer(value).map(whole).or_else(|| float(value).and_then(truncated)),
            };
            Ok(parsed.unwrap_or_else(|| default.unwrap_or_else(|| Value::from(0))))
        }
        _ => round(value, arguments),
    }
}

/// Python's `float` of a text or a number.
fn parsed_float(value: &Value) -> Option<f64> {
    let Some(own) = value.as_str() else { return float(value) };
    let own = without_marks(string_parts::strip(own, None, true, true))?;
    let bare = own.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let is_word = matches!(bare.as_str(), "inf" | "infinity" | "nan");
    (is_word || bare.starts_with(|c: char| c.is_ascii_digit() || c == '.')).then(|| own.parse().ok())?
}

/// A number's text without underscores, which may stand between digits alone.
fn without_marks(own: &str) -> Option<String> {
    let between = |index: usize| {
        let bytes = own.as_bytes();
        index > 0
            && bytes[index - 1].is_ascii_alphanumeric()
            && bytes.get(index + 1).is_some_and(u8::is_ascii_alphanumeric)
    };
    let marks_stand_well = own.match_indices('_').all(|(index, _)| between(index));
    let ascii = |c: char| casing::decimal(c).and_then(|digit| char::from_digit(digit, 10)).unwrap_or(c);
    marks_stand_well.then(|| own.replace('_', "").chars().map(ascii).collect())
}

/// Python's `int` of a text.
fn parsed_integer(own: &str, base: i128) -> Option<Value> {
    let own = own.trim_matches(is_space);
    let (negative, digits) = match own.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, own.strip_prefix('+').unwrap_or(own)),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find_map(|(prefix, of)| {
        let rest = lower.strip_prefix(prefix)?;
        (base == 0 || base == of).then_some((rest.strip_prefix('_').unwrap_or(rest).to_owned(), of))
    });
    let (digits, base) = match prefixed {
        Some(prefixed) => prefixed,
        None if base == 0 && lower.starts_with('0') && lower.chars().any(|c| !matches!(c, '0' | '_')) => {
            return None;
        }
        None => (lower, if base == 0 { 10 } else { base }),
    };
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
    let digits = without_marks(&digits).filter(|digits| !digits.starts_with(['+', '-']))?;
    let number = i128::from_str_radix(&digits, base).ok()?;
    Some(whole(if negative { -number } else { number }))
}

fn size_text(size: f64, binary: bool) -> Result<String, Error> {
    if size == 1.0 {
        return Ok("1 Byte".to_owned());
    }
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if size < base {
        let whole = truncated(size).ok_or_else(|| failure("a size is a number"))?;
        return Ok(format!("{whole} Bytes"));
    }
    let units = if binary {
        ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]
    } else {
        ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]
    };
    let mut unit = base * base;
    for name in &units[..7] {
        if size < unit {
            return Ok(format!("{} {name}", tenths(base * size / unit)));
        }
        unit *= base;
    }
    Ok(format!("{} {}", tenths(base * size / unit), units[7]))
}

fn round(value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    let [precision, method] = bind(arguments, ["precision", "method"])?;
    let precision = integer_or(precision.as_ref(), 0)?.clamp(-400, 400) as i32;
    let method = method.as_ref().map_or(Ok("common"), text)?;
    if !matches!(method, "common" | "ceil" | "floor") {
        return Err(failure("method must be common, ceil or floor"));
    }
    if method == "common" {
        if let Some(number) = integer(value) {
            return Ok(whole(rounded_integer(number, precision)));
        }
        return Ok(Value::from(rounded(values::number_of(value)?, precision)));
    }
    let number = values::number_of(value)?;
    let power = 10_f64.powi(precision);
    let scaled = number * power;
    let number = if method == "ceil" { scaled.ceil() } else { scaled.floor() };
    // In Python a whole number stands above the division, which gives a fraction all the same.
    if value.kind() == ValueKind::Undefined || !number.is_finite() || is_float(value) && !scaled.is_finite() {
        return Err(failure("the number cannot be rounded"));
    }
    Ok(Value::from(number / power))
}

/// To the nearest, or to the even one in the middle.
fn rounded(number: f64, precision: i32) -> f64 {
    if !number.is_finite() {
        return number;
    }
    if let Ok(precision) = usize::try_from(precision) {
        return format!("{number:.precision$}").parse().unwrap_or(number);
    }
    let power = 10_f64.powi(-precision);
    if power.is_finite() { (number / power).round_ties_even() * power } else { 0.0_f64.copysign(number) }
}

fn rounded_integer(number: i128, precision: i32) -> i128 {
    if precision >= 0 {
        return number;
    }
    let Some(unit) = 10_i128.checked_pow(precision.unsigned_abs()) else { return 0 };
    let (below, rest) = (number.div_euclid(unit), number.rem_euclid(unit));
    let up = rest * 2 > unit || rest * 2 == unit && below % 2 != 0;
    (below + i128::from(up)).saturating_mul(unit)
}
