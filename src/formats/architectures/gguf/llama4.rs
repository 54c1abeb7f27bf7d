//! Llama 4 as llama.cpp's converter writes it, which knows the chunks, the layers that rotate and how scores grow by heart.

use serde_json::json;

use super::form::{EXPERTS, Form, GATED, NORMS, RMS, SHARED_EXPERT, TURNED, USUAL, VALUE_AND_OUTPUT};
use crate::formats::architectures::family::laid_out;
use crate::formats::rewrite::Layout;

pub(super) const LLAMA4: Form = Form {
    architecture: "llama4",
    family: "llama4_text",
    fields: &[
        &[
            ("embedding_length", "hidden_size"),
            ("block_count", "num_hidden_layers"),
            ("context_length", "max_position_embeddings"),
            ("attention.head_count", "num_attention_heads"),
            ("attention.head_count_kv", "num_key_value_heads"),
            ("attention.key_length", "head_dim"),
            ("feed_forward_length", "intermediate_size_mlp"),
            ("rope.freq_base", "rope_theta"),
            ("expert_feed_forward_length", "intermediate_size"),
            ("expert_count", "num_local_experts"),
            ("expert_used_count", "num_experts_per_tok"),
            ("interleave_moe_layer_step", "interleave_moe_layer_step"),
        ],
        RMS,
    ],
    needs: &["expert_count", "expert_used_count", "expert_feed_forward_length", "interleave_moe_layer_step"],
    // The larger model has no norms of heads.
    complete: |config| {
        let has_norms = config.size("num_local_experts") != Some(128);
        config.or("use_qk_norm", json!(has_norms));
    },
    tensors: &[
        TURNED,
        VALUE_AND_OUTPUT,
        GATED,
        EXPERTS,
        SHARED_EXPERT,
        NORMS,
        &[laid_out(Layout::Ones, "", &["layers.#.attention.query_norm", "layers.#.attention.key_norm"])],
    ],
    ..USUAL
};
