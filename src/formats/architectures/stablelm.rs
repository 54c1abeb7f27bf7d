//! StableLM 2 (Bellagamba et al. 2024): LayerNorm, heads that rotate in part, blocks one after the other or side
//! by side.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    Bias, BlockNorms, HeadNormConfig, HeadNormExtent, HeadNormPlace, NormKind, Residual,
};

pub(super) const FAMILY: Family = Family {
    name: "stablelm",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, llama_like::NORMS, HEAD_NORMS],
    harmless_fields: &["rotary_scaling_factor"],
    ..llama_like::USUAL
};

/// Each head has a norm of its own.
const HEAD_NORMS: &[Mapping] = &[
    stored("layers.#.self_attn.q_layernorm.norms.*", &["layers.#.attention.query_norm"]),
    stored("layers.#.self_attn.k_layernorm.norms.*", &["layers.#.attention.key_norm"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let rope = Rope { share: Some(0.25), ..Rope::default() };
    let norm = norm::layer(fields, "layer_norm_eps", Bias::Present)?;
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let head_norm = HeadNormConfig {
        kind: NormKind::Layer,
        epsilon: norm.epsilon,
        extent: HeadNormExtent::OwnWeights,
        place: HeadNormPlace::BeforeRotary,
    };
    let has_head_norms = fields.optional_flag("qk_layernorm")?.unwrap_or(false);
    let (has_biases, parallel) =
        (fields.optional_flag("use_qkv_bias")?, fields.optional_flag("use_parallel_residual")?);
    for layer in &mut config.layers {
        let Some(attention) = &mut layer.attention else { continue };
        attention.head_norm = has_head_norms.then_some(head_norm);
        if has_biases == Some(true) {
            attention.query_key_value_bias = Bias::Present;
        }
        if parallel == Some(true) {
            layer.residual.kind = Residual::Parallel;
            layer.feed_forward_norms = BlockNorms::NONE;
        }
    }
    Ok(config)
}
