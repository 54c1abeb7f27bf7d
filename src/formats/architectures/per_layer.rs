//! Sizes that may differ by layer, 0 where a layer has no such thing.

use super::family::layer_indices;
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;

/// What field `name` says of each of so many layers: one number for all, or a list.
pub(super) fn sizes(fields: &Fields, name: &str, layers: usize) -> Result<Vec<usize>, FormatError> {
    if !fields.get(name).is_some_and(|value| value.is_array()) {
        return Ok(vec![fields.size(name)?; layers]);
    }
    let sizes = fields.optional_indices(name)?.unwrap_or_default();
    if sizes.len() == layers {
        return Ok(sizes);
    }
    let reason = format!("it has {} numbers, but there are {layers} layers", sizes.len());
    Err(fields.error(name, reason))
}

/// How many layers there are, by field `name`.
pub(super) fn layers(fields: &Fields, name: &str) -> Result<usize, FormatError> {
    layer_indices(fields, name).map(|layers| layers.len())
}
