//! The numbers of a JSON schema that a grammar cannot hold: llguidance keeps them as doubles, and would let a rounded
//! one through in place of the one that is meant.
//!
//! Knows which keywords have numbers that constrain a text; nothing else of schemas.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The largest whole number up to which all are doubles, with the one after it (RFC 8259, section 6).
const MOST_EXACT: f64 = 9_007_199_254_740_991.0;

/// A number that would be rounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rounded {
    /// The keyword that it belongs to.
    pub keyword: String,
    /// The number, as it is written.
    pub number: String,
}

/// The first number of a schema that would be rounded, in the order of the keywords.
pub(super) fn rounded(schema: &str) -> Option<Rounded> {
    match Kind::of(schema) {
        Kind::Object(members) => members.into_iter().find_map(|(keyword, value)| {
            let value = value.get();
            match keyword.as_str() {
                "const" | "enum" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum"
                | "multipleOf" => rounded_number(value).map(|number| Rounded { keyword, number }),
                // Names of the user's, whatever they are.
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                    let Kind::Object(schemas) = Kind::of(value) else { return None };
                    schemas.values().find_map(|schema| rounded(schema.get()))
                }
                // These say something about texts, and constrain none.
                "default" | "examples" => None,
                _ => rounded(value),
            }
        }),
        Kind::Array(schemas) => schemas.into_iter().find_map(|schema| rounded(schema.get())),
        Kind::Number(_) | Kind::Other => None,
    }
}

/// The first number in a value, at any depth, that would be rounded.
fn rounded_number(value: &str) -> Option<String> {
    match Kind::of(value) {
        Kind::Object(members) => members.values().find_map(|member| rounded_number(member.get())),
        Kind::Array(elements) => elements.iter().find_map(|element| rounded_number(element.get())),
        Kind::Number(number) => is_rounded(number).then(|| number.to_owned()),
        Kind::Other => None,
    }
}

/// A JSON value as far as numbers are looked for.
enum Kind<'a> {
    Object(BTreeMap<String, &'a RawValue>),
    Array(Vec<&'a RawValue>),
    Number(&'a str),
    Other,
}

impl<'a> Kind<'a> {
    /// Of a text that is JSON.
    fn of(text: &'a str) -> Self {
        let text = text.trim_ascii();
        match text.bytes().next() {
            Some(b'{') => serde_json::from_str(text).map_or(Self::Other, Self::Object),
            Some(b'[') => serde_json::from_str(text).map_or(Self::Other, Self::Array),
            Some(b'-' | b'0'..=b'9') => Self::Number(text),
            _ => Self::Other,
        }
    }
}

/// Whether the nearest double is another number.
fn is_rounded(number: &str) -> bool {
    let double: f64 = number.parse().unwrap_or(f64::INFINITY);
    double.abs() > MOST_EXACT || Decimal::of(number) != Decimal::of(&double.to_string())
}

/// A number's digits without leading and trailing zeros, and the power of ten of the last one.
#[derive(PartialEq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(number: &str) -> Self {
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(positive) => (true, positive),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let zeros = (all.len() - digits.len()) as i64;
        let digits = digits.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Self { negative: false, digits, exponent: 0 };
        }
        // An exponent beyond this belongs to a number that no double is near to.
        let exponent: i64 = exponent.parse().unwrap_or_default();
        let exponent = exponent.saturating_add(zeros).saturating_sub(fraction.len() as i64);
        Self { negative, digits, exponent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_rounded_where_the_nearest_double_is_another() {
        for exact in [
            "0",
            "-0",
            "0.0",
            "1",
            "-1",
            "10",
            "1e3",
            "1E+3",
            "0.1",
            "1.10",
            "-2.5e-3",
            "0.30000000000000004",
            "9007199254740991",
            "-9007199254740991",
            "900719925474099.1e1",
            "1e15",
            "0e999999999999999999999",
            "5e-324",
        ] {
            assert!(!is_rounded(exact), "{exact}");
        }
        for rounded in [
            "9007199254740992",
            "9007199254740993",
            "-9007199254740993",
            "18446744073709551616",
            "9007199254740993.0",
            "1e16",
            "1e400",
            "-1e400",
            "1e-400",
            "0.1234567890123456789",
            "9007199254740991.5",
            "0.30000000000000003",
            "4503599627370496.1",
            "1e99999999999999999999",
            "1e-99999999999999999999",
        ] {
            assert!(is_rounded(rounded), "{rounded}");
        }
    }

    #[test]
    fn numbers_are_looked_for_where_they_constrain_a_text() {
        let found = |schema: &str| rounded(schema).map(|rounded| rounded.keyword);
        for (schema, keyword) in [
            (r#"{"const": 9007199254740993}"#, Some("const")),
            (r#"{"enum": [1, {"a": ["x", 9007199254740993]}]}"#, Some("enum")),
            (r#"{"properties": {"const": {"type": "integer", "maximum": 1e16}}}"#, Some("maximum")),
            (
                r#"{"anyOf": [{}, {"items": {"exclusiveMinimum": -9007199254740992}}]}"#,
                Some("exclusiveMinimum"),
            ),
            (r##"{"$defs": {"enum": {"minimum": 1e300}}, "$ref": "#/$defs/enum"}"##, Some("minimum")),
            (r##"{"elsewhere": {"a": {"multipleOf": 1e20}}, "$ref": "#/elsewhere/a"}"##, Some("multipleOf")),
            ("{\n \"m\\u0069nimum\" :\t9007199254740993 }", Some("minimum")),
            (r#"{"type": "integer", "default": 9007199254740993, "examples": [1e300]}"#, None),
            (r#"{"const": "9007199254740993", "description": "up to 9007199254740993"}"#, None),
            (r#"{"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991}"#, None),
            (r#"{"properties": {"minimum": {"const": "a"}, "default": {"const": 1}}}"#, None),
            (r#"{"properties": {"default": {"const": 1e16}}}"#, Some("const")),
            ("true", None),
            ("[]", None),
        ] {
            assert_eq!(found(schema).as_deref(), keyword, "{schema}");
        }
    }
}
