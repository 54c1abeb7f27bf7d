//! Qwen3 (Yang et al. 2025): each head of queries and keys is normalised.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{norm, usual, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::HeadNormExtent;

pub(super) const FAMILY: Family = Family {
    name: "qwen3",
    read,
    part: None,
    prefixes: usual::PREFIXES,
    tensors: &[usual::ATTENTION, usual::FEED_FORWARD, usual::NORMS, usual::HEAD_NORMS],
    head: usual::HEAD,
    ignored: usual::ROTARY_TABLES,
    other_parts: &[],
    harmless_fields: &[],
};

pub(super) fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let mut config = usual::read(fields, names, norm, Rope::default())?;
    for layer in &mut config.layers {
        layer.attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
    }
    window::read_optional(fields, &mut config)?;
    Ok(config)
}
