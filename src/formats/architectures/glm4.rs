//! GLM-4-0414 (Zhipu AI 2025): norms around both blocks, neighbouring elements of half of each head rotate
//! together, gate and up in one matrix.

use super::family::{Family, Mapping, StoredNames, laid_out, stored};
use super::rope::Rope;
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{Bias, BlockNorms, NormConfig};

pub(super) const FAMILY: Family = Family {
    name: "glm4",
    read,
    tensors: &[TENSORS, llama_like::ATTENTION, llama_like::FEED_FORWARD, llama_like::NORMS],
    ..llama_like::USUAL
};

/// Inside a model for images and text.
pub(super) const INSIDE: Family = Family { read: read_inside, ..FAMILY };

const TENSORS: &[Mapping] = &[
    laid_out(Layout::NeighboursRotate, "layers.#.self_attn.q_proj", &["layers.#.attention.query"]),
    laid_out(Layout::NeighboursRotate, "layers.#.self_attn.k_proj", &["layers.#.attention.key"]),
    stored("layers.#.post_self_attn_layernorm", &["layers.#.attention.update_norm"]),
    stored("layers.#.post_mlp_layernorm", &["layers.#.feed_forward.update_norm"]),
    stored("layers.#.mlp.gate_up_proj", &["layers.#.feed_forward.gate", "layers.#.feed_forward.up"]),
];

pub(super) fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let rope = Rope { share: Some(0.5), ..Rope::default() };
    read_with(fields, names, rope, norm::rms_or(fields, "rms_norm_eps", 1.5625e-7)?)
}

fn read_inside(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let rope = Rope { share: Some(1.0), ..Rope::default() };
    read_with(fields, names, rope, norm::rms_or(fields, "rms_norm_eps", 1e-5)?)
}

fn read_with(
    fields: &Fields,
    names: &dyn StoredNames,
    rope: Rope,
    norm: NormConfig,
) -> Result<ModelConfig, FormatError> {
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let bias = match fields.optional_flag("attention_bias")? {
        Some(false) => Bias::Absent,
        _ => Bias::Present,
    };
    for layer in &mut config.layers {
        let Some(attention) = &mut layer.attention else { continue };
        (layer.attention_norms, layer.feed_forward_norms) =
            (BlockNorms::around(norm), BlockNorms::around(norm));
        (attention.query_key_value_bias, attention.output_bias) = (bias, Bias::Absent);
    }
    Ok(config)
}
