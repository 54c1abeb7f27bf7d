//! The families as llama.cpp's converter writes them: what their metadata keys are called in `config.json`, and
//! GGUF's names of their tensors.
//!
//! Tables, and what the converter leaves out because llama.cpp knows it; reading is for [`super`].

use serde_json::{Value, json};

use super::bailing::{BAILING_MOE, BAILING_MOE2};
use super::cohere::{COHERE2, COHERE2_MOE, COHERE2_MOE_RMS, COMMAND_R};
use super::form::{
    AFTER, CAPS, EXPERT_FIELDS, EXPERTS, FIELDS, FUSED, FUSED_GATE, Form, GATED, GRANITE, GRANITE4,
    HEAD_NORMS, LAYER_NORM, NORMS, PLAIN, QUERY_AND_KEY, RMS, SEED_NORMS, SHARE, SHARED_EXPERT, TABLE,
    TURNED, TURNED_LLAMA, UPDATE_NORMS, USUAL, VALUE_AND_OUTPUT, WINDOW,
};
use super::gemma::GEMMA4;
use super::laguna::LAGUNA;
use super::lfm::{LFM2, LFM2_MOE};
use super::llama4::LLAMA4;
use super::ministral::MISTRAL3;
use super::muse_glimmer::MUSE_GLIMMER;
use super::qwen::{QWEN3_NEXT, QWEN35, QWEN35_MOE};
use super::{dense, expert_forms, latent_forms, mamba_forms};
use crate::formats::architectures::family::{laid_out, stored};
use crate::formats::rewrite::Layout;

/// Where several are of one architecture, the first that fits counts.
pub(super) static FORMS: [Form; 76] = [
    // The converter puts rows of queries and keys that rotate together beside each other.
    Form {
        architecture: "llama",
        family: "mixtral",
        with: Some("expert_count"),
        fields: &[FIELDS, RMS, EXPERT_FIELDS],
        tensors: &[TURNED, VALUE_AND_OUTPUT, EXPERTS, NORMS],
        ..USUAL
    },
    Form { architecture: "llama", family: "llama", tensors: TURNED_LLAMA, ..USUAL },
    Form { architecture: "smollm3", family: "smollm3", tensors: TURNED_LLAMA, ..USUAL },
    Form {
        architecture: "granite",
        family: "granite",
        fields: &[FIELDS, RMS, GRANITE, GRANITE4],
        needs: &["logit_scale"],
        complete: |config| config.granite_scales(),
        tensors: TURNED_LLAMA,
        ..USUAL
    },
    Form {
        architecture: "olmo",
        family: "olmo",
        // The family's norms have no weights, and all of them one ε.
        fields: &[
            FIELDS,
            &[("attention.layer_norm_epsilon", "_layer_norm_epsilon"), ("attention.clamp_kqv", "clip_qkv")],
        ],
        needs: &["attention.layer_norm_epsilon"],
        complete: |config| config.without_zero("clip_qkv"),
        tensors: &[
            TURNED,
            VALUE_AND_OUTPUT,
            GATED,
            &[laid_out(
                Layout::Ones,
                "",
                &["layers.#.attention.norm", "layers.#.feed_forward.norm", "final_norm"],
            )],
        ],
        ..USUAL
    },
    Form {
        architecture: "olmo2",
        family: "olmo3",
        with: Some("attention.sliding_window"),
        fields: &[FIELDS, RMS, WINDOW, &[("rope.freq_base_swa", "_rope_theta_of_windows")]],
        tensors: AFTER,
        ..USUAL
    },
    Form { architecture: "olmo2", family: "olmo2", tensors: AFTER, ..USUAL },
    Form {
        architecture: "exaone4",
        family: "exaone4",
        fields: &[FIELDS, RMS, WINDOW],
        // llama.cpp knows by the number of layers which of the two forms it is.
        complete: |config| {
            let size = if config.size("num_hidden_layers") == Some(64) { json!(4096) } else { Value::Null };
            config.or("sliding_window", size);
        },
        tensors: AFTER,
        ..USUAL
    },
    Form {
        architecture: "olmoe",
        family: "olmoe",
        fields: &[FIELDS, RMS, EXPERT_FIELDS],
        tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, EXPERTS, NORMS],
        ..USUAL
    },
    Form {
        architecture: "arcee",
        family: "arcee",
        tensors: &[TURNED, VALUE_AND_OUTPUT, PLAIN, NORMS],
        ..USUAL
    },
    Form {
        architecture: "seed_oss",
        family: "seed_oss",
        complete: |config| {
            let has_biases = config.has("blk.0.attn_q.bias");
            config.or("attention_bias", json!(has_biases));
        },
        tensors: &[QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, SEED_NORMS],
        ..USUAL
    },
    Form { architecture: "ernie4_5", family: "ernie4_5", tensors: TURNED_LLAMA, ..USUAL },
    Form { architecture: "qwen2", family: "qwen2", ..USUAL },
    Form {
        architecture: "qwen3",
        family: "qwen3",
        tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, NORMS],
        ..USUAL
    },
    Form {
        architecture: "qwen2moe",
        family: "qwen2_moe",
        fields: &[FIELDS, RMS, EXPERT_FIELDS],
        tensors: &[QUERY_AND_KEY, VALUE_AND_OUTPUT, EXPERTS, SHARED_EXPERT, NORMS],
        ..USUAL
    },
    Form {
        architecture: "qwen3moe",
        family: "qwen3_moe",
        fields: &[FIELDS, RMS, EXPERT_FIELDS],
        complete: |config| config.or("norm_topk_prob", json!(true)),
        tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, EXPERTS, NORMS],
        ..USUAL
    },
    Form {
        architecture: "gpt-oss",
        family: "gpt_oss",
        fields: &[
            // The same as `feed_forward_length`.
            &[("expert_feed_forward_length", "_expert_width")],
            FIELDS,
            RMS,
            EXPERT_FIELDS,
            WINDOW,
        ],
        needs: &["attention.sliding_window"],
        // The ends of the ramp are not rounded in this family.
        complete: |config| config.scaling("truncate", json!(false)),
        tensors: &[
            QUERY_AND_KEY,
            VALUE_AND_OUTPUT,
            EXPERTS,
            &[
                stored("blk.#.attn_sinks", &["layers.#.attention.sinks"]),
                stored("blk.#.attn_norm", &["layers.#.attention.norm"]),
                stored("blk.#.post_attention_norm", &["layers.#.feed_forward.norm"]),
                stored("output_norm", &["final_norm"]),
            ],
        ],
        ..USUAL
    },
    // One is added to the weights of norms already.
    Form { architecture: "gemma", family: "gemma", ..USUAL },
    Form {
        architecture: "gemma2",
        family: "gemma2",
        fields: &[FIELDS, RMS, WINDOW, CAPS],
        complete: |config| config.gemma_scale(46),
        tensors: &[QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, UPDATE_NORMS, NORMS],
        ..USUAL
    },
    Form {
        architecture: "gemma3",
        family: "gemma3_text",
        fields: &[FIELDS, RMS, WINDOW, CAPS, &[("rope.freq_base_swa", "rope_local_base_freq")]],
        complete: |config| {
            config.gemma_scale(62);
            config.or("sliding_window", Value::Null);
        },
        tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, UPDATE_NORMS, NORMS],
        ..USUAL
    },
    GEMMA4,
    Form {
        architecture: "gpt2",
        family: "gpt2",
        fields: &[&[
            ("embedding_length", "n_embd"),
            ("block_count", "n_layer"),
            ("context_length", "n_positions"),
            ("attention.head_count", "n_head"),
            ("feed_forward_length", "n_inner"),
            ("attention.layer_norm_epsilon", "layer_norm_epsilon"),
        ]],
        // The converter transposes them: they are outputs × inputs, unlike the family's own files.
        tensors: &[
            FUSED,
            PLAIN,
            NORMS,
            &[stored("token_embd", &["embed.tokens"]), stored("position_embd", &["embed.positions"])],
        ],
        ..USUAL
    },
    Form {
        architecture: "gptneox",
        family: "gpt_neox",
        fields: &[FIELDS, LAYER_NORM, &[("use_parallel_residual", "use_parallel_residual")]],
        needs: &["use_parallel_residual"],
        share: Some("rotary_pct"),
        tensors: &[FUSED, PLAIN, NORMS, TABLE],
        ..USUAL
    },
    Form {
        architecture: "bloom",
        family: "bloom",
        fields: &[&[
            ("embedding_length", "hidden_size"),
            ("block_count", "n_layer"),
            ("context_length", "seq_length"),
            ("attention.head_count", "n_head"),
            ("attention.head_count_kv", "_n_head_kv"),
            ("feed_forward_length", "n_inner"),
            ("attention.layer_norm_epsilon", "layer_norm_epsilon"),
        ]],
        tensors: &[FUSED, PLAIN, NORMS, TABLE, &[stored("token_embd_norm", &["embed.norm"])]],
        ..USUAL
    },
    Form {
        architecture: "falcon",
        family: "falcon",
        fields: &[&[
            ("embedding_length", "hidden_size"),
            ("block_count", "num_hidden_layers"),
            ("context_length", "max_position_embeddings"),
            ("attention.head_count", "num_attention_heads"),
            ("attention.head_count_kv", "num_kv_heads"),
            ("feed_forward_length", "ffn_hidden_size"),
            ("attention.layer_norm_epsilon", "layer_norm_epsilon"),
            ("rope.freq_base", "rope_theta"),
        ]],
        // Older files of the family differ from newer ones in the order of rows alone, which is gone here.
        complete: |config| {
            let norms = if config.has("blk.0.attn_norm_2.weight") { 2 } else { 1 };
            config.or("new_decoder_architecture", json!(true));
            config.or("num_ln_in_parallel_attn", json!(norms));
        },
        tensors: &[
            FUSED,
            PLAIN,
            TABLE,
            &[
                stored("blk.#.attn_norm_2", &["layers.#.attention.norm"]),
                stored("blk.#.attn_norm", &["layers.#.attention.norm"]),
                stored("blk.#.attn_norm", &["layers.#.feed_forward.norm"]),
                stored("output_norm", &["final_norm"]),
            ],
        ],
        ..USUAL
    },
    Form {
        architecture: "starcoder2",
        family: "starcoder2",
        fields: &[FIELDS, &[("attention.layer_norm_epsilon", "norm_epsilon")]],
        tensors: &[QUERY_AND_KEY, VALUE_AND_OUTPUT, PLAIN, NORMS],
        ..USUAL
    },
    Form {
        architecture: "stablelm",
        family: "stablelm",
        fields: &[FIELDS, LAYER_NORM, &[("use_parallel_residual", "use_parallel_residual")]],
        share: Some(SHARE),
        complete: |config| {
            let has_head_norms = config.has("blk.0.attn_q_norm.weight");
            config.or("qk_layernorm", json!(has_head_norms));
        },
        tensors: &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, NORMS],
        ..USUAL
    },
    Form {
        architecture: "nemotron",
        family: "nemotron",
        // One is added to the weights of norms already.
        fields: &[
            FIELDS,
            &[
                ("attention.layer_norm_epsilon", "norm_eps"),
                ("attention.layer_norm_rms_epsilon", "_rms_norm_eps"),
            ],
        ],
        share: Some(SHARE),
        tensors: &[QUERY_AND_KEY, VALUE_AND_OUTPUT, PLAIN, NORMS],
        ..USUAL
    },
    Form {
        architecture: "phi2",
        family: "phi",
        fields: &[FIELDS, LAYER_NORM],
        share: Some(SHARE),
        tensors: &[
            FUSED,
            QUERY_AND_KEY,
            VALUE_AND_OUTPUT,
            PLAIN,
            &[
                stored("blk.#.attn_norm", &["layers.#.attention.norm"]),
                stored("output_norm", &["final_norm"]),
            ],
        ],
        ..USUAL
    },
    Form {
        architecture: "phi3",
        family: "phi3",
        fields: &[FIELDS, RMS, WINDOW],
        share: Some(SHARE),
        tensors: &[FUSED, QUERY_AND_KEY, VALUE_AND_OUTPUT, FUSED_GATE, NORMS],
        ..USUAL
    },
    Form {
        architecture: "glm4",
        family: "glm4",
        share: Some(SHARE),
        tensors: &[TURNED, VALUE_AND_OUTPUT, FUSED_GATE, UPDATE_NORMS, NORMS],
        ..USUAL
    },
    mamba_forms::MAMBA2,
    mamba_forms::NEMOTRON_H,
    mamba_forms::NEMOTRON_H_MOE,
    mamba_forms::GRANITE_HYBRID,
    mamba_forms::FALCON_H1,
    QWEN35,
    QWEN35_MOE,
    QWEN3_NEXT,
    LFM2,
    LFM2_MOE,
    COMMAND_R,
    COHERE2,
    expert_forms::GLM4_MOE,
    expert_forms::DOTS1,
    expert_forms::ERNIE4_5_MOE,
    expert_forms::GRANITE_MOE_SHARED,
    expert_forms::GRANITE_MOE,
    expert_forms::AFMOE,
    latent_forms::GLM4_MOE_LITE,
    latent_forms::DEEPSEEK_V3,
    latent_forms::DEEPSEEK_V2,
    latent_forms::MINICPM3,
    expert_forms::EXAONE_MOE,
    expert_forms::MINIMAX_M2,
    expert_forms::HUNYUAN_MOE,
    BAILING_MOE,
    BAILING_MOE2,
    LAGUNA,
    LLAMA4,
    COHERE2_MOE_RMS,
    COHERE2_MOE,
    MISTRAL3,
    MUSE_GLIMMER,
    dense::CHATGLM,
    dense::HUNYUAN_DENSE,
    dense::EXAONE,
    dense::APERTUS,
    dense::INTERNLM2,
    dense::BAICHUAN,
    dense::MINICPM,
    dense::GRANITE_SWA,
    dense::QWEN2_VL,
    dense::QWEN3_VL,
    dense::QWEN3_VL_MOE,
    dense::MELLUM,
];
