//! Qwen3.5 and Qwen3-Next as llama.cpp's converter writes them: one is added to the weights of norms already, but to those
//! of what states gave.

use serde_json::json;

use super::form::{
    EXPERT_FIELDS, EXPERTS, FIELDS, Form, GATED, HEAD_NORMS, RMS, SEED_NORMS, SHARE, SHARED_EXPERT, USUAL,
    VALUE_AND_OUTPUT,
};
use crate::formats::architectures::family::{Mapping, laid_out, stored};
use crate::formats::rewrite::Layout;

/// Qwen3.5.
pub(super) const QWEN35: Form = Form {
    architecture: "qwen35",
    family: "qwen3_5_text",
    fields: &[FIELDS, RMS, DELTA_FIELDS],
    needs: DELTA_NEEDS,
    share: Some(SHARE),
    // The converter reorders the heads of values.
    complete: |config| config.or("_linear_heads_in_turns", json!(true)),
    tensors: &[ATTENTION, VALUE_AND_OUTPUT, HEAD_NORMS, DELTA, APART, GATED, SEED_NORMS, JOIN],
    ..USUAL
};

/// Qwen3.5 with experts.
pub(super) const QWEN35_MOE: Form = Form {
    architecture: "qwen35moe",
    family: "qwen3_5_moe_text",
    fields: &[FIELDS, RMS, EXPERT_FIELDS, DELTA_FIELDS],
    needs: EXPERT_NEEDS,
    tensors: &[
        ATTENTION,
        VALUE_AND_OUTPUT,
        HEAD_NORMS,
        DELTA,
        APART,
        EXPERTS,
        SHARED_EXPERT,
        SEED_NORMS,
        JOIN,
    ],
    ..QWEN35
};

/// Qwen3-Next, whose heads of values are as in the family's own files.
pub(super) const QWEN3_NEXT: Form = Form {
    architecture: "qwen3next",
    family: "qwen3_next",
    complete: |_| {},
    tensors: &[
        ATTENTION,
        VALUE_AND_OUTPUT,
        HEAD_NORMS,
        DELTA,
        BY_KEY_HEAD,
        EXPERTS,
        SHARED_EXPERT,
        SEED_NORMS,
        JOIN,
    ],
    ..QWEN35_MOE
};

/// Of each head the query, then the gate.
const ATTENTION: &[Mapping] = &[
    laid_out(Layout::ByQueryHead, "blk.#.attn_q", &["layers.#.attention.query", "layers.#.attention.gate"]),
    stored("blk.#.attn_k", &["layers.#.attention.key"]),
];

/// What a state's layer stores; `ssm_a` is −exp of what the family's own files have.
const DELTA: &[Mapping] = &[
    stored("blk.#.attn_qkv", &["layers.#.recurrent.input"]),
    stored("blk.#.attn_gate", &["layers.#.recurrent.gate"]),
    stored("blk.#.ssm_dt.bias", &["layers.#.recurrent.time_step.bias"]),
    stored("blk.#.ssm_a", &["layers.#.recurrent.rate.weight"]),
    stored("blk.#.ssm_conv1d", &["layers.#.recurrent.convolution"]),
    stored("blk.#.ssm_norm", &["layers.#.recurrent.norm"]),
    stored("blk.#.ssm_out", &["layers.#.recurrent.output"]),
];

/// Strengths and time steps in two matrices.
const APART: &[Mapping] = &[
    stored("blk.#.ssm_beta", &["layers.#.recurrent.strength"]),
    stored("blk.#.ssm_alpha", &["layers.#.recurrent.time_step"]),
];

/// Strengths and time steps in one matrix, and in older files all that the others have in two.
const BY_KEY_HEAD: &[Mapping] = &[
    laid_out(
        Layout::ByKeyHead,
        "blk.#.ssm_ba.weight",
        &["layers.#.recurrent.strength.weight", "layers.#.recurrent.time_step.weight"],
    ),
    laid_out(Layout::ByKeyHead, "blk.#.ssm_in", &["layers.#.recurrent.input", "layers.#.recurrent.gate"]),
];

/// What a drafting head begins and ends with; without a norm of its own it ends with the decoder's.
const JOIN: &[Mapping] = &[
    laid_out(Layout::SideBySide, "blk.#.nextn.eh_proj", &["layers.#.join.token", "layers.#.join.state"]),
    stored("blk.#.nextn.enorm", &["layers.#.join.token_norm"]),
    stored("blk.#.nextn.hnorm", &["layers.#.join.state_norm"]),
    stored("blk.#.nextn.shared_head_norm", &["layers.#.final_norm"]),
    stored("output_norm", &["layers.#.final_norm"]),
];

const DELTA_FIELDS: &[(&str, &str)] = &[
    ("ssm.conv_kernel", "linear_conv_kernel_dim"),
    ("ssm.state_size", "linear_key_head_dim"),
    ("ssm.group_count", "linear_num_key_heads"),
    ("ssm.time_step_rank", "linear_num_value_heads"),
    ("ssm.inner_size", "_linear_inner_size"),
    ("full_attention_interval", "full_attention_interval"),
];

const DELTA_NEEDS: &[&str] =
    &["ssm.conv_kernel", "ssm.state_size", "ssm.group_count", "ssm.time_step_rank", "ssm.inner_size"];

const EXPERT_NEEDS: &[&str] = &[
    "ssm.conv_kernel",
    "ssm.state_size",
    "ssm.group_count",
    "ssm.time_step_rank",
    "ssm.inner_size",
    "expert_count",
    "expert_used_count",
    "expert_feed_forward_length",
    "expert_shared_feed_forward_length",
];
