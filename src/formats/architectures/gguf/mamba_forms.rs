//! The families with Mamba 2's blocks, as [`super::forms`] has the others.

use serde_json::json;

use super::form::{
    EXPERTS, FIELDS, Form, GATED, GRANITE, LAST_NORM, NORMS, PLAIN, QUERY_AND_KEY, RMS, TABLE, TURNED, USUAL,
    VALUE_AND_OUTPUT,
};
use crate::formats::architectures::family::{Mapping, laid_out, stored};
use crate::formats::architectures::mamba::INPUT;
use crate::formats::rewrite::Layout;

pub(super) const MAMBA2: Form = Form {
    architecture: "mamba2",
    family: "mamba2",
    fields: &[&[
        ("embedding_length", "hidden_size"),
        ("block_count", "num_hidden_layers"),
        ("context_length", "max_position_embeddings"),
        ("attention.layer_norm_rms_epsilon", "layer_norm_epsilon"),
        // What such a model does not have; both are 0.
        ("attention.head_count", "_num_attention_heads"),
        ("feed_forward_length", "_intermediate_size"),
        ("ssm.conv_kernel", "conv_kernel"),
        ("ssm.group_count", "n_groups"),
        ("ssm.inner_size", "_inner_width"),
        ("ssm.state_size", "state_size"),
        ("ssm.time_step_rank", "num_heads"),
    ]],
    needs: &[
        "attention.head_count",
        "ssm.conv_kernel",
        "ssm.group_count",
        "ssm.inner_size",
        "ssm.state_size",
        "ssm.time_step_rank",
    ],
    tensors: &[MAMBA, TABLE, LAST_NORM, &[stored("blk.#.attn_norm", &["layers.#.attention.norm"])]],
    ..USUAL
};

pub(super) const NEMOTRON_H: Form = Form {
    architecture: "nemotron_h",
    family: "nemotron_h",
    fields: &[
        FIELDS,
        &[
            ("attention.layer_norm_epsilon", "layer_norm_epsilon"),
            ("attention.layer_norm_rms_epsilon", "_rms_norm_eps"),
            ("ssm.conv_kernel", "conv_kernel"),
            ("ssm.group_count", "n_groups"),
            ("ssm.inner_size", "_inner_width"),
            ("ssm.state_size", "ssm_state_size"),
            ("ssm.time_step_rank", "mamba_num_heads"),
            // Heads do not rotate.
            ("rope.scaling.finetuned", "_rotates"),
        ],
    ],
    lists: &["attention.head_count", "attention.head_count_kv", "feed_forward_length"],
    needs: STATE,
    // The converter writes another width than the heads have, and nothing reads it.
    share: Some("_rotating_share"),
    tensors: NEMOTRON_H_TENSORS,
    ..USUAL
};

pub(super) const NEMOTRON_H_MOE: Form = Form {
    architecture: "nemotron_h_moe",
    fields: &[
        NEMOTRON_H.fields[0],
        NEMOTRON_H.fields[1],
        &[
            ("expert_count", "n_routed_experts"),
            ("expert_used_count", "num_experts_per_tok"),
            ("expert_feed_forward_length", "moe_intermediate_size"),
            ("expert_shared_count", "n_shared_experts"),
            ("expert_shared_feed_forward_length", "moe_shared_expert_intermediate_size"),
            ("expert_weights_norm", "norm_topk_prob"),
            ("expert_weights_scale", "routed_scaling_factor"),
            ("expert_group_count", "n_group"),
            ("expert_group_used_count", "topk_group"),
            ("moe_latent_size", "moe_latent_size"),
        ],
    ],
    ..NEMOTRON_H
};

const NEMOTRON_H_TENSORS: &[&[Mapping]] = &[
    MAMBA,
    QUERY_AND_KEY,
    VALUE_AND_OUTPUT,
    PLAIN,
    LAST_NORM,
    &[
        stored("blk.#.attn_norm", &["layers.#.attention.norm"]),
        stored("blk.#.attn_norm", &["layers.#.feed_forward.norm"]),
        stored("blk.#.ffn_gate_inp", &["layers.#.feed_forward.router"]),
        stored("blk.#.exp_probs_b.bias", &["layers.#.feed_forward.selection.bias"]),
        laid_out(Layout::ByExpert, "blk.#.ffn_up_exps", &["layers.#.feed_forward.experts.up"]),
        laid_out(Layout::ByExpert, "blk.#.ffn_down_exps", &["layers.#.feed_forward.experts.down"]),
        stored("blk.#.ffn_up_shexp", &["layers.#.feed_forward.shared.up"]),
        stored("blk.#.ffn_down_shexp", &["layers.#.feed_forward.shared.down"]),
    ],
];

pub(super) const GRANITE_HYBRID: Form = Form {
    architecture: "granitehybrid",
    family: "granitemoehybrid",
    fields: &[
        RMS,
        GRANITE,
        FIELDS,
        &[
            // Whether heads rotate at all.
            ("rope.scaling.finetuned", "_rotates"),
            ("expert_count", "num_local_experts"),
            ("expert_used_count", "num_experts_per_tok"),
            ("expert_shared_feed_forward_length", "shared_intermediate_size"),
        ],
        BESIDE_OTHERS,
    ],
    without_heads: Some("mamba"),
    needs: STATE,
    complete: |config| {
        config.granite_scales();
        config.without_zero("logits_scaling");
        config.or("num_local_experts", json!(0));
        // A feed-forward block alone is what would be the shared one beside experts.
        if config.size("num_local_experts") == Some(0) {
            config.same("intermediate_size", "shared_intermediate_size");
        }
    },
    tensors: &[
        MAMBA,
        TURNED,
        VALUE_AND_OUTPUT,
        GATED,
        NORMS,
        EXPERTS,
        &[
            stored("blk.#.ffn_gate_shexp", &["layers.#.feed_forward.shared.gate"]),
            stored("blk.#.ffn_up_shexp", &["layers.#.feed_forward.shared.up"]),
            stored("blk.#.ffn_down_shexp", &["layers.#.feed_forward.shared.down"]),
        ],
    ],
    ..USUAL
};

pub(super) const FALCON_H1: Form = Form {
    architecture: "falcon-h1",
    family: "falcon_h1",
    fields: &[FIELDS, RMS, BESIDE_OTHERS],
    needs: STATE,
    // The converter has multiplied the weights with all factors.
    complete: |config| {
        let has_norm = config.has("blk.0.ssm_norm.weight");
        config.or("mamba_rms_norm", json!(has_norm));
        config.or("mamba_norm_before_gate", json!(false));
    },
    tensors: &[
        MAMBA,
        QUERY_AND_KEY,
        VALUE_AND_OUTPUT,
        GATED,
        &[stored("blk.#.ffn_norm", &["layers.#.feed_forward.norm.weight"])],
        NORMS,
    ],
    ..USUAL
};

/// The state's sizes, in families that have other blocks beside it.
const BESIDE_OTHERS: &[(&str, &str)] = &[
    ("ssm.conv_kernel", "mamba_d_conv"),
    ("ssm.group_count", "mamba_n_groups"),
    ("ssm.inner_size", "_inner_width"),
    ("ssm.state_size", "mamba_d_state"),
    ("ssm.time_step_rank", "mamba_n_heads"),
];

/// Keys that llama.cpp needs of every model with a state.
const STATE: &[&str] =
    &["ssm.conv_kernel", "ssm.group_count", "ssm.inner_size", "ssm.state_size", "ssm.time_step_rank"];

/// Mamba 2's blocks. Rates are stored as they are, not as logarithms.
const MAMBA: &[Mapping] = &[
    stored("blk.#.ssm_dt.bias", &["layers.#.recurrent.time_step.bias"]),
    stored("blk.#.ssm_in", INPUT),
    stored("blk.#.ssm_conv1d", &["layers.#.recurrent.convolution"]),
    stored("blk.#.ssm_a", &["layers.#.recurrent.rate.weight"]),
    stored("blk.#.ssm_d", &["layers.#.recurrent.skip.weight"]),
    stored("blk.#.ssm_norm", &["layers.#.recurrent.norm"]),
    stored("blk.#.ssm_out", &["layers.#.recurrent.output"]),
];
