//! Gemma 4 as llama.cpp's converter writes it: the widths of heads without and with a window by two keys, and which pairs
//! of the former turn by a tensor of divisors.

use serde_json::{Value, json};

use super::completion::Completion;
use super::form::{
    EXPERTS, Form, GATED, HEAD_NORMS, NORMS, QUERY_AND_KEY, READ_ELSEWHERE, RMS, UPDATE_NORMS, USUAL,
    VALUE_AND_OUTPUT, WINDOW,
};
use crate::formats::architectures::family::{Mapping, laid_out, stored};
use crate::formats::rewrite::Layout;

pub(super) const GEMMA4: Form = Form {
    architecture: "gemma4",
    family: "gemma4_text",
    fields: &[FIELDS, RMS, WINDOW],
    lists: &["attention.head_count_kv", "feed_forward_length"],
    needs: &[
        "attention.sliding_window",
        "attention.sliding_window_pattern",
        "attention.key_length",
        "attention.key_length_swa",
        "rope.freq_base_swa",
    ],
    divisors_spare_windows: true,
    ignored: UNREAD,
    complete,
    tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, UPDATE_NORMS, NORMS, OWN, EXPERTS],
    ..USUAL
};

const FIELDS: &[(&str, &str)] = &[
    ("embedding_length", "hidden_size"),
    ("block_count", "num_hidden_layers"),
    ("context_length", "max_position_embeddings"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "global_head_dim"),
    ("attention.key_length_swa", "head_dim"),
    ("attention.value_length_swa", "width_of_values"),
    ("attention.shared_kv_layers", "num_kv_shared_layers"),
    ("feed_forward_length", "intermediate_size"),
    ("embedding_length_per_layer_input", "hidden_size_per_layer_input"),
    ("rope.freq_base", "rope_theta"),
    ("rope.freq_base_swa", "rope_theta_of_windows"),
    ("rope.dimension_count_swa", "rotary_width_of_windows"),
    ("final_logit_softcapping", "final_logit_softcapping"),
    ("expert_count", "num_experts"),
    ("expert_used_count", "top_k_experts"),
    ("expert_feed_forward_length", "moe_intermediate_size"),
];

const OWN: &[Mapping] = &[
    stored("blk.#.layer_output_scale.weight", &["layers.#.stream.factor.weight"]),
    stored("blk.#.ffn_gate", &["layers.#.feed_forward.shared.gate"]),
    stored("blk.#.ffn_up", &["layers.#.feed_forward.shared.up"]),
    stored("blk.#.ffn_down", &["layers.#.feed_forward.shared.down"]),
    stored("per_layer_token_embd", &["embed.by_layer"]),
    stored("per_layer_model_proj", &["embed.projection"]),
    stored("per_layer_proj_norm", &["embed.projection_norm"]),
    stored("blk.#.inp_gate", &["layers.#.feed_forward.by_layer.gate"]),
    stored("blk.#.proj", &["layers.#.feed_forward.by_layer.output"]),
    stored("blk.#.post_norm", &["layers.#.feed_forward.by_layer.norm"]),
    // Factors of other kinds than those on matrices.
    stored("blk.#.ffn_gate_inp.scale", &["layers.#.feed_forward.router.norm.weight"]),
    stored("blk.#.ffn_down_exps.scale", &["layers.#.feed_forward.experts.factors.weight"]),
    laid_out(
        Layout::ByExpert,
        "blk.#.ffn_gate_up_exps",
        &["layers.#.feed_forward.experts.gate", "layers.#.feed_forward.experts.up"],
    ),
    stored("blk.#.pre_ffw_norm_2", &["layers.#.feed_forward.experts.norm"]),
    stored("blk.#.post_ffw_norm_2", &["layers.#.feed_forward.experts.update_norm"]),
    stored("blk.#.post_ffw_norm_1", &["layers.#.feed_forward.shared.update_norm"]),
];

/// What is read elsewhere, and projections that files have for layers that do not use them.
const UNREAD: &[&str] = &[
    READ_ELSEWHERE[0],
    READ_ELSEWHERE[1],
    READ_ELSEWHERE[2],
    "blk.#.attn_k.weight",
    "blk.#.attn_v.weight",
    "blk.#.attn_k_norm.weight",
];

fn complete(config: &mut Completion<'_>) {
    let has_experts = config.has("blk.0.ffn_gate_inp.weight");
    config.or("enable_moe_block", json!(has_experts));
    config.without_zero("final_logit_softcapping");
    config.or("final_logit_softcapping", Value::Null);
}
