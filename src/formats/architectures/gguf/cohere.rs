//! Cohere's models as llama.cpp's converter writes them.

use serde_json::json;

use super::form::{FIELDS, Form, GATED, LAYER_NORM, TURNED, USUAL, VALUE_AND_OUTPUT, WINDOW};
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
