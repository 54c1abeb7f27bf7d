//! Which methods a value has.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::kinds::{is_dict, is_list};

/// What texts can do.
pub(super) const METHODS: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "maketrans",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
];

/// Whether a value has a method of this name.
pub(super) fn has(value: &Value, method: &str) -> bool {
    match value.kind() {
        ValueKind::String => METHODS.contains(&method),
        ValueKind::Bytes => matches!(method, "decode" | "hex"),
        ValueKind::Map if is_dict(value) => {
            matches!(method, "get" | "keys" | "values" | "items" | "copy" | "fromkeys")
        }
        ValueKind::Seq | ValueKind::Iterable if is_list(value) => match method {
            "count" | "index" => true,
            "copy" => !value.is_tuple(),
            _ => false,
        },
        _ => false,
    }
}
