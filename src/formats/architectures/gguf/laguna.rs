//! Laguna as llama.cpp's converter writes it: layers with a window have a base of their own, and other numbers of heads and
//! of elements that rotate.

use serde_json::{Value, json};

use super::completion::Completion;
use super::expert_forms::SELECTION;
use super::form::{
    EXPERT_FIELDS, EXPERTS, FIELDS, Form, GATED, HEAD_NORMS, NORMS, QUERY_AND_KEY, RMS, SHARE, SHARED_EXPERT,
    USUAL, VALUE_AND_OUTPUT, WINDOW,
};
use crate::formats::architectures::family::stored;
use crate::model::config::limits;

pub(super) const LAGUNA: Form = Form {
    architecture: "laguna",
    family: "laguna",
    fields: &[
        &[(HEADS, HEADS_BY_LAYER)],
        FIELDS,
        RMS,
        WINDOW,
        OF_WINDOWS,
        EXPERT_FIELDS,
        &[
            ("leading_dense_block_count", "first_k_dense_replace"),
            ("expert_shared_count", "_num_shared_experts"),
            ("expert_gating_func", "expert_gating_func"),
            ("expert_weights_norm", "norm_topk_prob"),
            ("expert_weights_scale", "moe_routed_scaling_factor"),
        ],
    ],
    lists: &[HEADS],
    needs: &[
        "leading_dense_block_count",
        "expert_count",
        "expert_used_count",
        "expert_feed_forward_length",
        "expert_shared_feed_forward_length",
    ],
    share: Some(SHARE),
    complete: |config| {
        config.or("sliding_window", Value::Null);
        // Every fourth layer from the first sees all.
        let layers = config.size("num_hidden_layers").unwrap_or(0).min(limits::LAYERS as u64);
        let has_windows = config.size("sliding_window").is_some();
        let kind = |layer| match has_windows && layer % 4 > 0 {
            true => "sliding_attention",
            false => "full_attention",
        };
        config.or("layer_types", (0..layers).map(kind).collect());
        if let Some(heads) = config.config.get(HEADS_BY_LAYER).cloned() {
            let first = heads.as_array().and_then(|heads| heads.first()).cloned();
            config.or("num_attention_heads", first.unwrap_or(heads));
        }
        let gates = config.rows("blk.0.attn_gate.weight");
        let is_by_head = gates.is_some() && gates == config.size("num_attention_heads");
        config.or("gating", json!(if is_by_head { "per-head" } else { "per-element" }));
        config.or("norm_topk_prob", json!(false));
        config.without_zero("moe_routed_scaling_factor");
        config.without_zero("expert_gating_func");
        rope_of_windows(config);
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
    ],
    ..USUAL
};

const HEADS: &str = "attention.head_count";
const HEADS_BY_LAYER: &str = "num_attention_heads_per_layer";
const BASE: &str = "_rope_theta_of_windows";
const ROTATING: &str = "_rotating_of_windows";
const OF_WINDOWS: &[(&str, &str)] = &[("rope.freq_base_swa", BASE), ("rope.dimension_count_swa", ROTATING)];

/// The rotary embedding of layers with a window. The other layers' is in fields of its own; what is not told is as theirs.
fn rope_of_windows(config: &mut Completion<'_>) {
    let base = config.config.get(BASE).or_else(|| config.config.get("rope_theta")).cloned();
    let width = config.size("head_dim").filter(|width| *width > 0);
    let share =
        config.size(ROTATING).zip(width).map(|(rotating, width)| json!(rotating as f64 / width as f64));
    let share = share.or_else(|| config.config.get(SHARE).cloned());
    let of_windows = json!({"rope_theta": base, SHARE: share});
    config.or("rope_parameters", json!({"full_attention": {}, "sliding_attention": of_windows}));
}
