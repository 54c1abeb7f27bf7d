//! Cohere's models as llama.cpp's converter writes them.

use serde_json::json;

use super::form::{
    EXPERTS, FIELDS, Form, GATED, LAYER_NORM, RMS, SHARED_EXPERT, TURNED, USUAL, VALUE_AND_OUTPUT, WINDOW,
};
use crate::formats::architectures::family::{laid_out, stored};
use crate::formats::rewrite::Layout;

/// Command R.
pub(super) const COMMAND_R: Form = Form {
    architecture: "command-r",
    family: "cohere",
    fields: &[FIELDS, LAYER_NORM, &[("logit_scale", "logit_scale")]],
    needs: &["logit_scale"],
    complete: |config| {
        let has_head_norms = config.has("blk.0.attn_q_norm.weight");
        config.or("use_qk_norm", json!(has_head_norms));
    },
    // Neighbouring elements of heads rotate together, as in the family's own files.
    tensors: &[
        TURNED,
        VALUE_AND_OUTPUT,
        GATED,
        &[
            laid_out(Layout::NeighboursRotate, "blk.#.attn_q_norm", &["layers.#.attention.query_norm"]),
            laid_out(Layout::NeighboursRotate, "blk.#.attn_k_norm", &["layers.#.attention.key_norm"]),
            stored("blk.#.attn_norm", &["layers.#.attention.norm"]),
            stored("output_norm", &["final_norm"]),
        ],
    ],
    ..USUAL
};

/// Command R7B and Command A.
pub(super) const COHERE2: Form = Form {
    architecture: "cohere2",
    family: "cohere2",
    fields: &[FIELDS, LAYER_NORM, WINDOW, &[("logit_scale", "logit_scale")]],
    needs: &["logit_scale", "attention.sliding_window"],
    ..COMMAND_R
};

/// Command A with experts, with norms by root mean square.
pub(super) const COHERE2_MOE_RMS: Form = Form {
    with: Some("attention.layer_norm_rms_epsilon"),
    fields: &[EXPERT_FIELDS, FIELDS, RMS, &[("attention.layer_norm_epsilon", "_layer_norm_eps")], WINDOW],
    ..COHERE2_MOE
};

/// The same with LayerNorms.
pub(super) const COHERE2_MOE: Form = Form {
    architecture: "cohere2moe",
    family: "cohere2_moe",
    fields: &[EXPERT_FIELDS, FIELDS, LAYER_NORM, WINDOW],
    needs: &[
        "logit_scale",
        "attention.sliding_window",
        "leading_dense_block_count",
        "expert_count",
        "expert_used_count",
        "expert_feed_forward_length",
    ],
    complete: |config| {
        // Sigmoids, 2, where the file does not say it.
        let is_softmax = config.size("_expert_gating_func") == Some(1);
        config.or("expert_selection_fn", json!(if is_softmax { "softmax" } else { "sigmoid" }));
        config.or("norm_topk_prob", json!(false));
    },
    tensors: &[
        TURNED,
        VALUE_AND_OUTPUT,
        GATED,
        EXPERTS,
        SHARED_EXPERT,
        &[stored("blk.#.attn_norm", &["layers.#.attention.norm"]), stored("output_norm", &["final_norm"])],
    ],
    ..USUAL
};

const EXPERT_FIELDS: &[(&str, &str)] = &[
    ("feed_forward_length", "prefix_dense_intermediate_size"),
    ("expert_feed_forward_length", "intermediate_size"),
    ("expert_count", "num_experts"),
    ("expert_used_count", "num_experts_per_tok"),
    ("expert_shared_count", "num_shared_experts"),
    ("expert_shared_feed_forward_length", "_shared_width"),
    ("expert_gating_func", "_expert_gating_func"),
    ("expert_weights_norm", "norm_topk_prob"),
    ("leading_dense_block_count", "first_k_dense_replace"),
    ("logit_scale", "logit_scale"),
];
