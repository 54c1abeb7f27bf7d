//! Command R (Cohere 2024): blocks side by side behind one LayerNorm without a bias, neighbouring elements that
//! rotate together, a factor on the logits.

use super::family::{Family, Mapping, StoredNames, laid_out, stored};
use super::rope::Rope;
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{Bias, BlockNorms, HeadNormExtent, HeadWeights, Residual};

pub(super) const FAMILY: Family = Family {
    name: "cohere",
    read,
    tensors: TENSORS,
    harmless_fields: &["tokenizer_class", "cache_implementation"],
    ..llama_like::USUAL
};

/// As this family and its successor store them.
pub(super) const TENSORS: &[&[Mapping]] = &[TURNED, llama_like::ATTENTION, llama_like::FEED_FORWARD, NORMS];

/// Queries and keys.
pub(super) const TURNED: &[Mapping] = &[
    laid_out(Layout::NeighboursRotate, "layers.#.self_attn.q_proj", &["layers.#.attention.query"]),
    laid_out(Layout::NeighboursRotate, "layers.#.self_attn.k_proj", &["layers.#.attention.key"]),
    laid_out(Layout::NeighboursRotate, "layers.#.self_attn.q_norm", &["layers.#.attention.query_norm"]),
    laid_out(Layout::NeighboursRotate, "layers.#.self_attn.k_norm", &["layers.#.attention.key_norm"]),
];

/// The norm of both blocks, and the last one.
pub(super) const NORMS: &[Mapping] =
    &[stored("layers.#.input_layernorm", &["layers.#.attention.norm"]), stored("norm", &["final_norm"])];

pub(super) fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::layer(fields, "layer_norm_eps", Bias::Absent)?;
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    config.head = llama_like::head(fields, HeadWeights::Tied)?;
    config.logits.scale = fields.optional_number("logit_scale")?.unwrap_or(0.0625) as f32;
    let has_head_norms = fields.optional_flag("use_qk_norm")?.unwrap_or(false);
    for layer in &mut config.layers {
        let Some(attention) = &mut layer.attention else { continue };
        layer.residual.kind = Residual::Parallel;
        layer.feed_forward_norms = BlockNorms::NONE;
        if has_head_norms {
            attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::OwnWeights));
        }
    }
    Ok(config)
}
