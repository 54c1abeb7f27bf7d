//! The families with experts beside one that computes every row, as [`super::forms`] has the others.

use serde_json::{Value, json};

use super::form::{
    EXPERTS, FIELDS, Form, GATED, GRANITE, HEAD_NORMS, NORMS, QUERY_AND_KEY, RMS, SEED_NORMS, SHARE,
    SHARED_EXPERT, TURNED, UPDATE_NORMS, USUAL, VALUE_AND_OUTPUT, WINDOW,
};
use crate::formats::architectures::family::{Mapping, stored};

/// GLM-4.5.
pub(super) const GLM4_MOE: Form = Form {
    architecture: "glm4moe",
    family: "glm4_moe",
    fields: &[FIELDS, RMS, SIGMOID_FIELDS],
    needs: NEEDS,
    share: Some(SHARE),
    complete: |config| {
        let has_head_norms = config.has("blk.0.attn_q_norm.weight");
        config.or("use_qk_norm", json!(has_head_norms));
        config.sigmoids();
    },
    tensors: &[
        HEAD_NORMS,
        QUERY_AND_KEY,
        VALUE_AND_OUTPUT,
        GATED,
        EXPERTS,
        SHARED_EXPERT,
        SELECTION,
        SEED_NORMS,
    ],
    ..USUAL
};

/// dots.llm1, which has no windows in llama.cpp.
pub(super) const DOTS1: Form = Form {
    architecture: "dots1",
    family: "dots1",
    needs: &[
        "expert_count",
        "expert_used_count",
        "expert_feed_forward_length",
        "expert_shared_count",
        "expert_gating_func",
    ],
    share: None,
    complete: |config| {
        config.or("sliding_window", Value::Null);
        config.sigmoids();
    },
    tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, EXPERTS, SHARED_EXPERT, SELECTION, NORMS],
    ..GLM4_MOE
};

/// ERNIE 4.5 with experts.
pub(super) const ERNIE4_5_MOE: Form = Form {
    architecture: "ernie4_5-moe",
    family: "ernie4_5_moe",
    fields: &[
        FIELDS,
        RMS,
        &[
            ("expert_count", "moe_num_experts"),
            ("expert_used_count", "moe_k"),
            ("expert_feed_forward_length", "moe_intermediate_size"),
            ("expert_shared_feed_forward_length", "_shared_width"),
            ("expert_shared_count", "_moe_num_shared_experts"),
            ("interleave_moe_layer_step", "moe_layer_interval"),
            ("leading_dense_block_count", "moe_layer_start_index"),
        ],
    ],
    needs: &[
        "expert_count",
        "expert_used_count",
        "expert_feed_forward_length",
        "interleave_moe_layer_step",
        "leading_dense_block_count",
    ],
    complete: |config| config.without_zero("_shared_width"),
    tensors: &[TURNED, VALUE_AND_OUTPUT, GATED, EXPERTS, SHARED_EXPERT, SELECTION, NORMS],
    ..USUAL
};

/// Granite 3 with experts.
pub(super) const GRANITE_MOE: Form = Form {
    architecture: "granitemoe",
    family: "granitemoe",
    fields: &[
        FIELDS,
        RMS,
        GRANITE,
        &[
            ("expert_count", "num_local_experts"),
            ("expert_used_count", "num_experts_per_tok"),
            (SHARED_WIDTH, "shared_intermediate_size"),
        ],
    ],
    needs: &["logit_scale", "expert_count", "expert_used_count"],
    complete: |config| config.granite_scales(),
    tensors: &[TURNED, VALUE_AND_OUTPUT, EXPERTS, SHARED_EXPERT, NORMS],
    ..USUAL
};

/// The same beside one that computes every row.
pub(super) const GRANITE_MOE_SHARED: Form =
    Form { family: "granitemoeshared", with: Some(SHARED_WIDTH), ..GRANITE_MOE };

const SHARED_WIDTH: &str = "expert_shared_feed_forward_length";

/// AFMoE.
pub(super) const AFMOE: Form = Form {
    architecture: "afmoe",
    family: "afmoe",
    fields: &[
        FIELDS,
        RMS,
        WINDOW,
        &[
            ("expert_count", "num_experts"),
            ("expert_used_count", "num_experts_per_tok"),
            ("expert_feed_forward_length", "moe_intermediate_size"),
            ("expert_shared_count", "num_shared_experts"),
            ("leading_dense_block_count", "num_dense_layers"),
            ("expert_gating_func", "expert_gating_func"),
            ("expert_weights_norm", "route_norm"),
            ("expert_weights_scale", "route_scale"),
            ("expert_group_count", "n_group"),
            ("expert_group_used_count", "topk_group"),
        ],
    ],
    needs: NEEDS,
    complete: |config| {
        // What llama.cpp does with every such model.
        config.or("mup_enabled", json!(true));
        config.or("route_norm", json!(false));
        config.or("num_dense_layers", json!(0));
        config.or("sliding_window", Value::Null);
        config.without_zero("route_scale");
        config.without_zero("expert_gating_func");
    },
    tensors: &[
        HEAD_NORMS,
        QUERY_AND_KEY,
        &[stored("blk.#.attn_gate", &["layers.#.attention.gate"])],
        VALUE_AND_OUTPUT,
        GATED,
        EXPERTS,
        SHARED_EXPERT,
        SELECTION,
        NORMS,
        UPDATE_NORMS,
    ],
    ..USUAL
};

/// What is added where experts are chosen.
pub(super) const SELECTION: &[Mapping] =
    &[stored("blk.#.exp_probs_b.bias", &["layers.#.feed_forward.selection.bias"])];

/// K-EXAONE.
pub(super) const EXAONE_MOE: Form = Form {
    architecture: "exaone-moe",
    family: "exaone_moe",
    fields: &[
        FIELDS,
        RMS,
        WINDOW,
        &[
            ("expert_count", "num_experts"),
            ("expert_used_count", "num_experts_per_tok"),
            ("expert_feed_forward_length", "moe_intermediate_size"),
            ("expert_shared_count", "num_shared_experts"),
            ("expert_shared_feed_forward_length", "_shared_width"),
            ("leading_dense_block_count", "first_k_dense_replace"),
            ("expert_gating_func", "expert_gating_func"),
            ("expert_weights_norm", "norm_topk_prob"),
            ("expert_weights_scale", "routed_scaling_factor"),
            ("expert_group_count", "n_group"),
            ("expert_group_used_count", "topk_group"),
        ],
    ],
    needs: &[
        "attention.sliding_window",
        "expert_count",
        "expert_used_count",
        "expert_feed_forward_length",
        "expert_shared_count",
        "expert_gating_func",
    ],
    complete: |config| {
        config.sigmoids();
        config.or("routed_scaling_factor", json!(1.0));
    },
    tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, EXPERTS, SHARED_EXPERT, SELECTION, NORMS],
    ..USUAL
};

/// Hunyuan's models with experts. The raised base is in the file.
pub(super) const HUNYUAN_MOE: Form = Form {
    architecture: "hunyuan-moe",
    family: "hunyuan_v1_moe",
    fields: &[
        FIELDS,
        RMS,
        &[
            ("expert_count", "num_experts"),
            ("expert_used_count", "moe_topk"),
            ("expert_feed_forward_length", "moe_intermediate_size"),
            ("expert_shared_count", "_num_shared_expert"),
            (SHARED_WIDTH, "_shared_width"),
        ],
    ],
    needs: &["expert_count", "expert_used_count", "expert_feed_forward_length"],
    complete: |config| config.without_zero("_shared_width"),
    tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, EXPERTS, SHARED_EXPERT, NORMS],
    ..USUAL
};

/// MiniMax-M2.
pub(super) const MINIMAX_M2: Form = Form {
    architecture: "minimax-m2",
    family: "minimax_m2",
    fields: &[
        FIELDS,
        RMS,
        &[
            ("expert_count", "num_local_experts"),
            ("expert_used_count", "num_experts_per_tok"),
            // The same as `feed_forward_length`.
            ("expert_feed_forward_length", "_expert_width"),
            ("expert_gating_func", "expert_gating_func"),
        ],
    ],
    needs: &["expert_count", "expert_used_count", "expert_feed_forward_length"],
    share: Some(SHARE),
    tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, EXPERTS, SELECTION, NORMS],
    ..USUAL
};

pub(super) const SIGMOID_FIELDS: &[(&str, &str)] = &[
    ("expert_count", "n_routed_experts"),
    ("expert_used_count", "num_experts_per_tok"),
    ("expert_feed_forward_length", "moe_intermediate_size"),
    ("expert_shared_count", "n_shared_experts"),
    ("leading_dense_block_count", "first_k_dense_replace"),
    ("expert_gating_func", "expert_gating_func"),
    ("expert_weights_norm", "norm_topk_prob"),
    ("expert_weights_scale", "routed_scaling_factor"),
    ("expert_group_count", "n_group"),
    ("expert_group_used_count", "topk_group"),
];

const NEEDS: &[&str] =
    &["expert_count", "expert_used_count", "expert_feed_forward_length", "expert_shared_count"];
