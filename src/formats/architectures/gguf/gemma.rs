//! Gemma 4 as llama.cpp's converter writes it: the widths of heads without and with a window by two keys, and which pairs
//! of the former turn by a tensor of divisors.

use serde_json::Value;

use super::completion::Completion;
use super::form::{
    Form, GATED, HEAD_NORMS, NORMS, QUERY_AND_KEY, READ_ELSEWHERE, RMS, UPDATE_NORMS, USUAL,
    VALUE_AND_OUTPUT, WINDOW,
};
use crate::formats::architectures::family::{Mapping, stored};

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
    tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, UPDATE_NORMS, NORMS, OWN],
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
];

const OWN: &[Mapping] = &[stored("blk.#.layer_output_scale.weight", &["layers.#.stream.factor.weight"])];

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
    config.without_zero("final_logit_softcapping");
    config.or("final_logit_softcapping", Value::Null);
}
