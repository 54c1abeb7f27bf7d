//! LFM2 as llama.cpp's converter writes it.

use serde_json::json;

use super::form::{
    EXPERT_FIELDS, EXPERTS, FIELDS, Form, GATED, HEAD_NORMS, QUERY_AND_KEY, USUAL, VALUE_AND_OUTPUT, WINDOW,
};
use crate::formats::architectures::family::{Mapping, stored};

/// LFM2.
pub(super) const LFM2: Form = Form {
    architecture: "lfm2",
    family: "lfm2",
    fields: &[FIELDS, LFM, WINDOW],
    needs: &["shortconv.l_cache"],
    without_heads: Some("conv"),
    // The width is what has come of the fields that make it.
    complete: |config| config.or("block_auto_adjust_ff_dim", json!(false)),
    tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, CONVOLUTIONS],
    ..USUAL
};

const LFM: &[(&str, &str)] =
    &[("attention.layer_norm_rms_epsilon", "norm_eps"), ("shortconv.l_cache", "conv_L_cache")];

const CONVOLUTIONS: &[Mapping] = &[
    stored(
        "blk.#.shortconv.in_proj",
        &["layers.#.recurrent.input_gate", "layers.#.recurrent.output_gate", "layers.#.recurrent.input"],
    ),
    stored("blk.#.shortconv.conv", &["layers.#.recurrent.convolution"]),
    stored("blk.#.shortconv.out_proj", &["layers.#.recurrent.output"]),
    stored("blk.#.attn_norm", &["layers.#.attention.norm"]),
    stored("blk.#.ffn_norm", &["layers.#.feed_forward.norm"]),
    // In spite of its name.
    stored("token_embd_norm", &["final_norm"]),
];

/// LFM2 with experts.
pub(super) const LFM2_MOE: Form = Form {
    architecture: "lfm2moe",
    family: "lfm2_moe",
    fields: &[FIELDS, LFM, WINDOW, EXPERT_FIELDS, ROUTER],
    needs: &["shortconv.l_cache", "expert_gating_func"],
    complete: |config| {
        config.or("num_dense_layers", json!(0));
        config.without_zero("routed_scaling_factor");
    },
    tensors: &[
        HEAD_NORMS,
        QUERY_AND_KEY,
        VALUE_AND_OUTPUT,
        GATED,
        EXPERTS,
        &[stored("blk.#.exp_probs_b", &["layers.#.feed_forward.selection"])],
        CONVOLUTIONS,
    ],
    ..LFM2
};

const ROUTER: &[(&str, &str)] = &[
    ("leading_dense_block_count", "num_dense_layers"),
    ("expert_gating_func", "expert_gating_func"),
    ("expert_weights_norm", "norm_topk_prob"),
    ("expert_weights_scale", "routed_scaling_factor"),
];
