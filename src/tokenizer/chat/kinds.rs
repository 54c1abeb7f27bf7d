//! What Python would call a value.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::objects::{Generator, Group, View};

/// Whether a value is a Python mapping, other than a namespace or a loop.
pub(super) fn is_dict(value: &Value) -> bool {
    value.kind() == ValueKind::Map && !is_of_minijinja(value)
}

/// Whether a value is a list or a tuple; sums and multiples of lists are lazy in minijinja.
pub(super) fn is_list(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Seq => true,
        ValueKind::Iterable => {
            let streams = value.downcast_object_ref::<View>().is_some()
                || value.downcast_object_ref::<Generator>().is_some();
            !streams && value.len().is_some()
        }
        _ => false,
    }
}

/// Whether Python has a value as a list or a tuple, which JSON can write.
pub(super) fn is_listed(value: &Value) -> bool {
    let is_range = value.downcast_object_ref::<super::objects::Range>().is_some();
    is_list(value) && !is_range || value.downcast_object_ref::<Group>().is_some()
}

pub(super) fn is_sequence(value: &Value) -> bool {
    value.kind() == ValueKind::String || is_list(value)
}

/// Whether a value is the variable of a loop or a namespace, which minijinja takes for mappings.
pub(super) fn is_of_minijinja(value: &Value) -> bool {
    value.as_object().is_some_and(|object| {
        let name = object.type_name();
        name.ends_with("::Loop") || name.ends_with("::Namespace")
    })
}
