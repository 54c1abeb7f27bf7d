//! Qwen3-Next (Qwen Team 2025): as Qwen3.5 with experts, which came after it, but what a state reads is stored by key head.

use super::family::{Family, Mapping, StoredNames, laid_out};
use super::{experts, llama_like, qwen3_5};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::RouterConfig;

pub(super) const FAMILY: Family = Family {
    name: "qwen3_next",
    read,
    tensors: &[
        qwen3_5::ATTENTION,
        BY_KEY_HEAD,
        qwen3_5::DELTA,
        llama_like::FEED_FORWARD,
        experts::QWEN,
        experts::TOGETHER,
        qwen3_5::NORMS,
        qwen3_5::JOIN,
    ],
    ..qwen3_5::FAMILY
};

/// What the gated delta rule reads.
const BY_KEY_HEAD: &[Mapping] = &[
    laid_out(
        Layout::ByKeyHead,
        "layers.#.linear_attn.in_proj_qkvz",
        &["layers.#.recurrent.input", "layers.#.recurrent.gate"],
    ),
    laid_out(
        Layout::ByKeyHead,
        "layers.#.linear_attn.in_proj_ba.weight",
        &["layers.#.recurrent.strength.weight", "layers.#.recurrent.time_step.weight"],
    ),
];

/// Sizes where the configuration does not say them.
const SIZES: &[(&str, usize)] = &[
    ("head_dim", 256),
    ("num_key_value_heads", 2),
    ("linear_key_head_dim", 128),
    ("linear_value_head_dim", 128),
    ("linear_num_key_heads", 16),
    ("linear_num_value_heads", 32),
    ("num_experts", 512),
    ("num_experts_per_tok", 10),
    ("moe_intermediate_size", 512),
    ("shared_expert_intermediate_size", 512),
    ("intermediate_size", 5632),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = fields.or_sizes(SIZES);
    let mut config = qwen3_5::read_with(&fields, names)?;
    let shared_width = fields.size("shared_expert_intermediate_size")?;
    let router = match fields.get("norm_topk_prob") {
        None => RouterConfig::SOFTMAX_OF_CHOSEN,
        Some(_) => experts::router(&fields)?,
    };
    experts::read_routed(&fields, &mut config, Some(shared_width), router)?;
    Ok(config)
}
