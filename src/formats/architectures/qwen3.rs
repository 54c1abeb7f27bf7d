//! Qwen3 (Yang et al. 2025): each head of queries and keys is normalised.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{llama_like, norm, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::HeadNormExtent;

pub(super) const FAMILY: Family = Family {
    name: "qwen3",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, llama_like::NORMS, llama_like::HEAD_NORMS],
    ..llama_like::USUAL
};

/// Inside a model for images and text.
pub(super) const INSIDE: Family = Family { read: read_inside, harmless_fields: &["model_type"], ..FAMILY };

fn read_inside(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read_with(&fields.or_sizes(&[("head_dim", 128)]), names, INSIDE_ROPE)
}

/// What is left out inside a model for images and text.
pub(super) const INSIDE_ROPE: Rope = Rope { theta: 500_000.0, share: None, elsewhere: &[] };

pub(super) fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read_with(fields, names, Rope::default())
}

pub(super) fn read_with(
    fields: &Fields,
    names: &dyn StoredNames,
    rope: Rope,
) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let mut config = llama_like::read(fields, names, norm, rope)?;
    for attention in config.attentions() {
        attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
    }
    window::read_optional(fields, &mut config)?;
    Ok(config)
}
