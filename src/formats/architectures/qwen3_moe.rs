//! Qwen3-MoE (Yang et al. 2025): Qwen3 with experts.

use super::family::{Family, Mapping, StoredNames, laid_out, stored};
use super::{experts, llama_like, qwen3};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::RouterConfig;

pub(super) const FAMILY: Family = Family {
    name: "qwen3_moe",
    read,
    tensors: &[
        llama_like::ATTENTION,
        llama_like::FEED_FORWARD,
        experts::QWEN,
        llama_like::NORMS,
        llama_like::HEAD_NORMS,
    ],
    harmless_fields: experts::HARMLESS_FIELDS,
    ..llama_like::USUAL
};

/// Inside a model for images and text: each layer's experts in two tensors.
pub(super) const INSIDE: Family = Family {
    read: read_inside,
    tensors: &[
        llama_like::ATTENTION,
        llama_like::FEED_FORWARD,
        EXPERTS_TOGETHER,
        llama_like::NORMS,
        llama_like::HEAD_NORMS,
    ],
    harmless_fields: &[
        "output_router_logits",
        "router_aux_loss_coef",
        "model_type",
        // Always done.
        "norm_topk_prob",
    ],
    ..FAMILY
};

const EXPERTS_TOGETHER: &[Mapping] = &[
    stored("layers.#.mlp.gate", &["layers.#.feed_forward.router"]),
    laid_out(
        Layout::ByExpertTurned,
        "layers.#.mlp.experts.gate_up_proj",
        &["layers.#.feed_forward.experts.gate.weight", "layers.#.feed_forward.experts.up.weight"],
    ),
    laid_out(
        Layout::ByExpertTurned,
        "layers.#.mlp.experts.down_proj",
        &["layers.#.feed_forward.experts.down.weight"],
    ),
];

fn read_inside(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = qwen3::read_with(fields, names, qwen3::INSIDE_ROPE)?;
    experts::read_routed(fields, &mut config, None, RouterConfig::SOFTMAX_OF_CHOSEN)?;
    Ok(config)
}

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = qwen3::read(fields, names)?;
    experts::read_qwen(fields, &mut config, None)?;
    Ok(config)
}
