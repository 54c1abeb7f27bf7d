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

pub(super) fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    for layer in &mut config.layers {
        layer.attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
    }
    window::read_optional(fields, &mut config)?;
    Ok(config)
}
