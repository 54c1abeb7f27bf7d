//! Ling as llama.cpp's converter writes it.

use serde_json::json;

use super::completion::Completion;
use super::expert_forms::SELECTION;
use super::form::{
    EXPERTS, FIELDS, FUSED, Form, GATED, HEAD_NORMS, NORMS, RMS, SHARE, SHARED_EXPERT, TABLE, TURNED, USUAL,
    VALUE_AND_OUTPUT,
};

/// Ling 2.0.
pub(super) const BAILING_MOE2: Form = Form {
    architecture: "bailingmoe2",
    family: "bailing_moe",
    fields: &[FIELDS, RMS, EXPERT_FIELDS, SCORES],
    needs: &[
        "expert_count",
        "expert_used_count",
        "expert_feed_forward_length",
        "expert_shared_count",
        "expert_gating_func",
    ],
    share: Some(SHARE),
    complete: |config| {
        config.or("score_function", json!("sigmoid"));
        let has_head_norms = config.has("blk.0.attn_q_norm.weight");
        config.or("use_qk_norm", json!(has_head_norms));
        usual_experts(config);
    },
    tensors: &[HEAD_NORMS, FUSED, TABLE, GATED, EXPERTS, SHARED_EXPERT, SELECTION, NORMS],
    ..USUAL
};

/// Ling before that.
pub(super) const BAILING_MOE: Form = Form {
    architecture: "bailingmoe",
    family: "bailing_moe",
    fields: &[FIELDS, RMS, EXPERT_FIELDS],
    needs: &["expert_count", "expert_used_count", "expert_feed_forward_length", "expert_shared_count"],
    complete: usual_experts,
    tensors: &[TURNED, VALUE_AND_OUTPUT, GATED, EXPERTS, SHARED_EXPERT, NORMS],
    ..USUAL
};

/// What llama.cpp takes where a file leaves it out, or writes it as 0.
fn usual_experts(config: &mut Completion<'_>) {
    config.or("norm_topk_prob", json!(false));
    for field in ["routed_scaling_factor", "n_group", "moe_shared_expert_intermediate_size"] {
        config.without_zero(field);
    }
}

const EXPERT_FIELDS: &[(&str, &str)] = &[
    ("expert_count", "num_experts"),
    ("expert_used_count", "num_experts_per_tok"),
    ("expert_feed_forward_length", "moe_intermediate_size"),
    ("expert_shared_feed_forward_length", "moe_shared_expert_intermediate_size"),
    ("expert_shared_count", "num_shared_experts"),
    ("leading_dense_block_count", "first_k_dense_replace"),
    ("expert_weights_norm", "norm_topk_prob"),
    ("expert_weights_scale", "routed_scaling_factor"),
];

const SCORES: &[(&str, &str)] = &[
    ("expert_gating_func", "expert_gating_func"),
    ("expert_group_count", "n_group"),
    ("expert_group_used_count", "topk_group"),
];
