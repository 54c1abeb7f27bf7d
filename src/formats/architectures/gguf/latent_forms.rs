//! The families with latent attention, as [`super::forms`] has the others.
//!
//! What makes keys and values of latent vectors is in one matrix, or in newer files in two by head, the one for keys
//! transposed; those have other widths of heads in their metadata.

use serde_json::{Value, json};

use super::completion::Completion;
use super::expert_forms::{SELECTION, SIGMOID_FIELDS};
use super::form::{EXPERTS, Form, GATED, NORMS, RMS, SHARED_EXPERT, USUAL};
use crate::formats::architectures::family::{Mapping, laid_out, stored};
use crate::formats::gguf::Metadata;
use crate::formats::rewrite::Layout;

const ARCHITECTURE: &str = "deepseek2";

/// DeepSeek-V2, and what has its experts.
pub(super) const DEEPSEEK_V2: Form = Form {
    architecture: ARCHITECTURE,
    family: "deepseek_v2",
    fields: &[FIELDS, RMS, SIGMOID_FIELDS],
    needs: &[
        "attention.kv_lora_rank",
        "rope.dimension_count",
        "attention.key_length",
        "attention.value_length",
        "expert_count",
        "expert_used_count",
        "expert_feed_forward_length",
        "expert_shared_count",
    ],
    complete: |config| {
        config.sigmoids();
        config.or("n_group", json!(1));
        // Files have no name for it. llama.cpp ranks groups by their two largest numbers, as DeepSeek-V3's are; the model
        // itself by the largest.
        config.or("topk_method", json!("group_limited_greedy"));
        widths(config, "qk_nope_head_dim", "v_head_dim");
        magnitudes(config);
    },
    tensors: &[ATTENTION, GATED, EXPERTS, SHARED_EXPERT, SELECTION, NORMS],
    ..USUAL
};

/// The same with experts that are chosen by sigmoids.
pub(super) const DEEPSEEK_V3: Form =
    Form { family: "deepseek_v3", fits: |metadata| scores(metadata) == Some(2), ..DEEPSEEK_V2 };

/// GLM-4.7-Flash, whose files do not say how experts are chosen: llama.cpp knows it by its sizes.
pub(super) const GLM4_MOE_LITE: Form = Form {
    family: "glm4_moe_lite",
    fits: |metadata| {
        let layers = whole(metadata, "block_count");
        let drafting = whole(metadata, "nextn_predict_layers").unwrap_or(0);
        let layers = layers.map(|layers| layers.saturating_sub(drafting));
        let tokens = metadata.length("tokenizer.ggml.tokens").map(|tokens| tokens as u64);
        let vocabulary = whole(metadata, "vocab_size").or(tokens);
        scores(metadata).is_none_or(|scores| scores == 0)
            && matches!(layers, Some(47 | 48))
            && vocabulary == Some(154_880)
    },
    ..DEEPSEEK_V2
};

/// MiniCPM3.
pub(super) const MINICPM3: Form = Form {
    architecture: "minicpm3",
    family: "minicpm3",
    fields: &[FIELDS, RMS],
    needs: &[
        "attention.kv_lora_rank",
        "attention.q_lora_rank",
        "rope.dimension_count",
        "attention.key_length",
    ],
    complete: |config| widths(config, "_key_length", "_value_length"),
    tensors: &[ATTENTION, GATED, NORMS],
    ..USUAL
};

const FIELDS: &[(&str, &str)] = &[
    ("embedding_length", "hidden_size"),
    ("block_count", "num_hidden_layers"),
    ("context_length", "max_position_embeddings"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "_key_length"),
    ("attention.value_length", "_value_length"),
    ("attention.key_length_mla", "qk_nope_head_dim"),
    ("attention.value_length_mla", "v_head_dim"),
    ("attention.kv_lora_rank", "kv_lora_rank"),
    ("attention.q_lora_rank", "q_lora_rank"),
    ("feed_forward_length", "intermediate_size"),
    ("rope.dimension_count", "qk_rope_head_dim"),
    ("rope.freq_base", "rope_theta"),
];

const ATTENTION: &[Mapping] = &[
    stored("token_embd", &["embed.tokens"]),
    stored("blk.#.attn_q_a", &["layers.#.attention.query_latent"]),
    stored("blk.#.attn_q_a_norm", &["layers.#.attention.query_latent_norm"]),
    laid_out(Layout::RotatingLast, "blk.#.attn_q_b", &["layers.#.attention.query"]),
    laid_out(Layout::RotatingLast, "blk.#.attn_q", &["layers.#.attention.query"]),
    laid_out(Layout::RotatingLast, "blk.#.attn_kv_a_mqa", &["layers.#.attention.latent"]),
    stored("blk.#.attn_kv_a_norm", &["layers.#.attention.latent_norm"]),
    laid_out(Layout::ByHead, "blk.#.attn_k_b", &["layers.#.attention.query_to_latent"]),
    laid_out(Layout::ByHead, "blk.#.attn_v_b", &["layers.#.attention.value"]),
    laid_out(Layout::LatentKeys, "blk.#.attn_kv_b", &["layers.#.attention.query_to_latent"]),
    laid_out(Layout::LatentValues, "blk.#.attn_kv_b", &["layers.#.attention.value"]),
    stored("blk.#.attn_output", &["layers.#.attention.output"]),
];

fn whole(metadata: &Metadata, name: &str) -> Option<u64> {
    metadata.whole(&format!("{ARCHITECTURE}.{name}")).ok().flatten()
}

/// How experts are chosen, as GGUF numbers it.
fn scores(metadata: &Metadata) -> Option<u64> {
    whole(metadata, "expert_gating_func")
}

/// The widths of plain keys and of values: by these fields where the file has them, otherwise by those of files that do
/// not tell the widths of heads from those of what is cached.
fn widths(config: &mut Completion<'_>, keys: &str, values: &str) {
    let rotating = config.size("qk_rope_head_dim").unwrap_or(0);
    let whole_key = config.size(keys).or(config.size("_key_length"));
    if let Some(plain) = whole_key.map(|width| width.saturating_sub(rotating)) {
        config.config.insert("qk_nope_head_dim".to_owned(), json!(plain));
    }
    if let Some(width) = config.size(values).or(config.size("_value_length")) {
        config.config.insert("v_head_dim".to_owned(), json!(width));
    }
}

/// What llama.cpp takes for the factors of YaRN: files have a tenth of one of them, and it takes it for the other too.
fn magnitudes(config: &mut Completion<'_>) {
    const TENTH: f32 = 0.1;
    let scaling = config.config.get("rope_scaling");
    let Some(tenth) = scaling.and_then(|scaling| scaling.get("mscale_all_dim")).and_then(Value::as_f64)
    else {
        return;
    };
    // By its shortest name, as the number was before it became a tenth.
    let whole: f64 = (tenth as f32 / TENTH).to_string().parse().unwrap_or(tenth / f64::from(TENTH));
    config.scaling("mscale_all_dim", json!(whole));
    config.scaling("mscale", json!(whole));
}
