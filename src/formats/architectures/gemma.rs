//! Gemma (Gemma Team 2024): scaled embeddings, norms stored as the distance of their weights from one.

use super::family::{Family, Mapping, StoredNames, laid_out};
use super::rope::Rope;
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{Activation, HeadWeights};

pub(super) const FAMILY: Family = Family {
    name: "gemma",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, NORMS],
    harmless_fields: HARMLESS_FIELDS,
    ..llama_like::USUAL
};

/// Caches are the program's own affair.
pub(super) const HARMLESS_FIELDS: &[&str] = &["cache_implementation", "_sliding_window_pattern"];

const NORMS: &[Mapping] = &[
    laid_out(Layout::StoredMinusOne, "layers.#.input_layernorm", &["layers.#.attention.norm"]),
    laid_out(Layout::StoredMinusOne, "layers.#.post_attention_layernorm", &["layers.#.feed_forward.norm"]),
    laid_out(Layout::StoredMinusOne, "norm", &["final_norm"]),
];

/// What all generations share; every norm is RMSNorm.
pub(super) fn read_with(
    fields: &Fields,
    names: &dyn StoredNames,
    rope: Rope,
) -> Result<ModelConfig, FormatError> {
    let activation = ["hidden_activation", "hidden_act"].into_iter().find(|name| fields.get(name).is_some());
    // The first files call the tanh form just `gelu`.
    let is_known = |name: &&str| {
        matches!(fields.optional_text(name), Ok(Some("gelu" | "gelu_pytorch_tanh" | "gelu_new")))
    };
    if let Some(name) = activation.filter(|name| !is_known(name)) {
        return Err(fields.error(name, "no published model has this"));
    }
    let mut config =
        llama_like::read_with(fields, names, norm::rms(fields, "rms_norm_eps")?, rope, Activation::GeluTanh)?;
    config.head = llama_like::head(fields, HeadWeights::Tied)?;
    config.embedding.scale = (config.width as f64).sqrt() as f32;
    Ok(config)
}

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read_with(fields, names, Rope::default())
}
