//! Dense families as llama.cpp's converter writes them that differ little from Llama.

use serde_json::json;

use super::form::{
    EXPERT_FIELDS, EXPERTS, FIELDS, FUSED_GATE, Form, GATED, GRANITE, HEAD_NORMS, NORMS, PLAIN,
    QUERY_AND_KEY, RMS, SHARE, TURNED, TURNED_LLAMA, USUAL, VALUE_AND_OUTPUT, WINDOW,
};
use crate::formats::architectures::family::{laid_out, stored};
use crate::formats::rewrite::Layout;

/// GLM-4-9B, and files of its own code, in which queries, keys and values are one matrix.
pub(super) const CHATGLM: Form = Form {
    architecture: "chatglm",
    family: "glm",
    share: Some(SHARE),
    tensors: &[
        TURNED,
        VALUE_AND_OUTPUT,
        &[laid_out(
            Layout::NeighboursRotate,
            "blk.#.attn_qkv",
            &["layers.#.attention.query", "layers.#.attention.key", "layers.#.attention.value"],
        )],
        FUSED_GATE,
        NORMS,
    ],
    ..USUAL
};

/// Hunyuan's dense models. The raised base is in the file.
pub(super) const HUNYUAN_DENSE: Form = Form {
    architecture: "hunyuan-dense",
    family: "hunyuan_v1_dense",
    tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, NORMS],
    ..USUAL
};

/// Apertus. The numbers of its activation are keys.
pub(super) const APERTUS: Form = Form {
    architecture: "apertus",
    family: "apertus",
    tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, PLAIN, NORMS],
    ..USUAL
};

/// EXAONE 3.
pub(super) const EXAONE: Form = Form {
    architecture: "exaone",
    family: "exaone",
    // The converter writes the ε of the family's own files, too.
    fields: &[FIELDS, RMS, &[("attention.layer_norm_epsilon", "_layer_norm_epsilon")]],
    ..USUAL
};

/// InternLM 2, its matrix of queries, keys and values in three.
pub(super) const INTERNLM2: Form =
    Form { architecture: "internlm2", family: "internlm2", tensors: TURNED_LLAMA, ..USUAL };

/// Baichuan 7B, the same.
pub(super) const BAICHUAN: Form =
    Form { architecture: "baichuan", family: "baichuan", tensors: TURNED_LLAMA, ..USUAL };

/// MiniCPM. For older files without the factors llama.cpp has numbers that changed their meaning.
pub(super) const MINICPM: Form = Form {
    architecture: "minicpm",
    family: "minicpm",
    fields: &[
        FIELDS,
        RMS,
        &[
            ("embedding_scale", "scale_emb"),
            ("residual_scale", "_residual_scale"),
            ("logit_scale", "_logit_scale"),
        ],
    ],
    needs: &["embedding_scale", "residual_scale", "logit_scale"],
    tensors: TURNED_LLAMA,
    ..USUAL
};

/// Granite Swash.
pub(super) const GRANITE_SWA: Form = Form {
    architecture: "granite_swa",
    family: "granite_swa",
    fields: &[FIELDS, RMS, GRANITE, WINDOW, &[("attention.rope_pattern", "_rotates_by_layer")]],
    needs: &["logit_scale", "attention.sliding_window"],
    complete: |config| config.granite_scales(),
    tensors: &[
        TURNED,
        VALUE_AND_OUTPUT,
        GATED,
        NORMS,
        &[stored("blk.#.attn_sinks", &["layers.#.attention.sinks"])],
    ],
    ..USUAL
};

/// Qwen2-VL's decoder. Its sections rotate alike for text.
pub(super) const QWEN2_VL: Form = Form { architecture: "qwen2vl", family: "qwen2", ..USUAL };

/// Qwen3-VL's decoder.
pub(super) const QWEN3_VL: Form = Form {
    architecture: "qwen3vl",
    family: "qwen3",
    tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, NORMS],
    ..USUAL
};

/// Qwen3-VL's decoder with experts.
pub(super) const QWEN3_VL_MOE: Form = Form {
    architecture: "qwen3vlmoe",
    family: "qwen3_moe",
    fields: &[FIELDS, RMS, EXPERT_FIELDS],
    complete: |config| config.or("norm_topk_prob", json!(true)),
    tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, EXPERTS, NORMS],
    ..USUAL
};

/// Mellum 2. Only layers without a window have stretched frequencies.
pub(super) const MELLUM: Form = Form {
    architecture: "mellum",
    family: "mellum",
    fields: &[FIELDS, RMS, EXPERT_FIELDS, WINDOW, &[("rope.freq_base_swa", "_rope_theta_of_windows")]],
    complete: |config| {
        config.or("sliding_window", json!(null));
        config.same_unless("rope_theta", "_rope_theta_of_windows");
    },
    ..QWEN3_VL_MOE
};
