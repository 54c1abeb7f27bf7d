//! OLMo 2 (Walsh et al. 2024): results of blocks are normalised, and whole rows of queries and keys.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{BlockNorms, HeadNormExtent};

pub(super) const FAMILY: Family = Family {
    name: "olmo2",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, llama_like::HEAD_NORMS, NORMS_AFTER],
    ..llama_like::USUAL
};

/// The norms after each block, and the last one.
pub(super) const NORMS_AFTER: &[Mapping] = &[
    stored("layers.#.post_attention_layernorm", &["layers.#.attention.update_norm"]),
    stored("layers.#.post_feedforward_layernorm", &["layers.#.feed_forward.update_norm"]),
    stored("norm", &["final_norm"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read_with(fields, names, Rope::default().theta)
}

/// As this family and its successor are; `theta` is the base of the frequencies where the configuration has none.
pub(super) fn read_with(
    fields: &Fields,
    names: &dyn StoredNames,
    theta: f64,
) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let mut config = llama_like::read(fields, names, norm, Rope { theta, ..Rope::default() })?;
    for layer in &mut config.layers {
        let Some(attention) = &mut layer.attention else { continue };
        (layer.attention_norms, layer.feed_forward_norms) =
            (BlockNorms::after(norm), BlockNorms::after(norm));
        attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Row));
    }
    Ok(config)
}
