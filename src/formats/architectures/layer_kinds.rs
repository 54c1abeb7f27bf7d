//! Layers of several kinds, as configurations list them.

use crate::formats::error::FormatError;
use crate::formats::fields::Fields;

/// The list of kinds that transformers has in every family with several.
pub(super) const LAYER_TYPES: &str = "layer_types";

/// What the list in field `name` says of each of so many layers, by the kinds that are `known`; `None` where there is no
/// such list.
pub(super) fn read<K: Copy>(
    fields: &Fields,
    name: &str,
    layers: usize,
    known: &[(&str, K)],
) -> Result<Option<Vec<K>>, FormatError> {
    let Some(kinds) = fields.optional_texts(name)? else { return Ok(None) };
    if kinds.len() != layers {
        return Err(fields.error(name, format!("it has to have an entry for each of the {layers} layers")));
    }
    let kind = |found: &str| {
        let kind = known.iter().find(|(spelling, _)| *spelling == found).map(|(_, kind)| *kind);
        kind.ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(spelling, _)| *spelling).collect();
            let (last, others) = names.split_last().unwrap_or((&"", &[]));
            fields.error(name, format!("only {} and {last} are supported", others.join(", ")))
        })
    };
    kinds.into_iter().map(kind).collect::<Result<_, _>>().map(Some)
}
