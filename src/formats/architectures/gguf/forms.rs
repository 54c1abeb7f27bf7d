//! The families as llama.cpp's converter writes them: what their metadata keys are called in `config.json`, and
//! GGUF's names of their tensors.
//!
//! Tables, and what the converter leaves out because llama.cpp knows it; reading is for [`super`].

use serde_json::{Value, json};

use super::completion::Completion;
use crate::formats::architectures::family::{Mapping, laid_out, stored};
use crate::formats::rewrite::Layout;

/// A family as GGUF files have it.
pub(super) struct Form {
    /// Its `general.architecture`.
    pub architecture: &'static str,
    /// The family that it is.
    pub family: &'static str,
    /// A key, without the architecture before it, that has to be there and above 0 for the architecture to be this family.
    pub with: Option<&'static str>,
    /// From keys, without the architecture before them, to fields of `config.json`. A field that begins with `_` says
    /// what is known otherwise.
    pub fields: &'static [&'static [(&'static str, &'static str)]],
    /// Keys that llama.cpp needs besides those that it needs of every family.
    pub needs: &'static [&'static str],
    /// The field for the part of each head that rotates, where that may be less than the whole.
    pub share: Option<&'static str>,
    /// What `layer_types` calls layers without key/value heads, where the numbers of these tell the kinds of layers.
    pub without_heads: Option<&'static str>,
    /// Adds the fields that no key has.
    pub complete: fn(&mut Completion<'_>),
    /// Its tensors.
    pub tensors: &'static [&'static [Mapping]],
}

/// Where several are of one architecture, the first that fits counts.
pub(super) static FORMS: [Form; 30] = [
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
        fields: &[
            FIELDS,
            RMS,
            &[
                ("attention.scale", "attention_multiplier"),
                ("embedding_scale", "embedding_multiplier"),
                ("residual_scale", "residual_multiplier"),
                ("logit_scale", "logits_scaling"),
            ],
            GRANITE4,
        ],
        needs: &["logit_scale"],
        complete: |config| {
            config.usual_scale("attention_multiplier");
            config.without_zero("embedding_multiplier");
            config.without_zero("residual_multiplier");
        },
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
];

/// What most families are variations of.
pub(super) const USUAL: Form = Form {
    architecture: "",
    family: "",
    with: None,
    fields: &[FIELDS, RMS],
    needs: &[],
    share: None,
    without_heads: None,
    complete: |_| {},
    tensors: &[QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, NORMS],
};

const TURNED_LLAMA: &[&[Mapping]] = &[TURNED, VALUE_AND_OUTPUT, GATED, NORMS];
const AFTER: &[&[Mapping]] = &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, UPDATE_NORMS, LAST_NORM];

const TABLE: &[Mapping] = &[stored("token_embd", &["embed.tokens"])];

pub(super) const QUERY_AND_KEY: &[Mapping] = &[
    stored("blk.#.attn_q", &["layers.#.attention.query"]),
    stored("blk.#.attn_k", &["layers.#.attention.key"]),
];

pub(super) const TURNED: &[Mapping] = &[
    laid_out(Layout::NeighboursRotate, "blk.#.attn_q", &["layers.#.attention.query"]),
    laid_out(Layout::NeighboursRotate, "blk.#.attn_k", &["layers.#.attention.key"]),
];

pub(super) const VALUE_AND_OUTPUT: &[Mapping] = &[
    stored("token_embd", &["embed.tokens"]),
    stored("blk.#.attn_v", &["layers.#.attention.value"]),
    stored("blk.#.attn_output", &["layers.#.attention.output"]),
];

/// Query, key and value one below the other, whatever the order in the family's own files.
const FUSED: &[Mapping] = &[
    stored(
        "blk.#.attn_qkv",
        &["layers.#.attention.query", "layers.#.attention.key", "layers.#.attention.value"],
    ),
    stored("blk.#.attn_output", &["layers.#.attention.output"]),
];

pub(super) const GATED: &[Mapping] = &[
    stored("blk.#.ffn_gate", &["layers.#.feed_forward.gate"]),
    stored("blk.#.ffn_up", &["layers.#.feed_forward.up"]),
    stored("blk.#.ffn_down", &["layers.#.feed_forward.down"]),
];

const FUSED_GATE: &[Mapping] = &[
    stored("blk.#.ffn_up", &["layers.#.feed_forward.gate", "layers.#.feed_forward.up"]),
    stored("blk.#.ffn_down", &["layers.#.feed_forward.down"]),
];

const PLAIN: &[Mapping] = &[
    stored("blk.#.ffn_up", &["layers.#.feed_forward.up"]),
    stored("blk.#.ffn_down", &["layers.#.feed_forward.down"]),
];

/// The matrices of all experts in one tensor, or in older files one tensor an expert.
pub(super) const EXPERTS: &[Mapping] = &[
    stored("blk.#.ffn_gate_inp", &["layers.#.feed_forward.router"]),
    laid_out(Layout::ByExpert, "blk.#.ffn_gate_exps", &["layers.#.feed_forward.experts.gate"]),
    laid_out(Layout::ByExpert, "blk.#.ffn_up_exps", &["layers.#.feed_forward.experts.up"]),
    laid_out(Layout::ByExpert, "blk.#.ffn_down_exps", &["layers.#.feed_forward.experts.down"]),
    stored("blk.#.ffn_gate.*", &["layers.#.feed_forward.experts.gate"]),
    stored("blk.#.ffn_up.*", &["layers.#.feed_forward.experts.up"]),
    stored("blk.#.ffn_down.*", &["layers.#.feed_forward.experts.down"]),
];

pub(super) const SHARED_EXPERT: &[Mapping] = &[
    stored("blk.#.ffn_gate_shexp", &["layers.#.feed_forward.shared.gate"]),
    stored("blk.#.ffn_up_shexp", &["layers.#.feed_forward.shared.up"]),
    stored("blk.#.ffn_down_shexp", &["layers.#.feed_forward.shared.down"]),
    stored("blk.#.ffn_gate_inp_shexp", &["layers.#.feed_forward.shared_gate"]),
];

const NORMS: &[Mapping] = &[
    stored("blk.#.attn_norm", &["layers.#.attention.norm"]),
    stored("blk.#.ffn_norm", &["layers.#.feed_forward.norm"]),
    stored("output_norm", &["final_norm"]),
];

pub(super) const SEED_NORMS: &[Mapping] = &[
    stored("blk.#.attn_norm", &["layers.#.attention.norm"]),
    stored("blk.#.post_attention_norm", &["layers.#.feed_forward.norm"]),
    stored("output_norm", &["final_norm"]),
];

const LAST_NORM: &[Mapping] = &[stored("output_norm", &["final_norm"])];

/// The norms of what blocks make.
const UPDATE_NORMS: &[Mapping] = &[
    stored("blk.#.post_attention_norm", &["layers.#.attention.update_norm"]),
    stored("blk.#.post_ffw_norm", &["layers.#.feed_forward.update_norm"]),
];

pub(super) const HEAD_NORMS: &[Mapping] = &[
    stored("blk.#.attn_q_norm", &["layers.#.attention.query_norm"]),
    stored("blk.#.attn_k_norm", &["layers.#.attention.key_norm"]),
];

/// The keys of most families.
pub(super) const FIELDS: &[(&str, &str)] = &[
    ("embedding_length", "hidden_size"),
    ("block_count", "num_hidden_layers"),
    ("context_length", "max_position_embeddings"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("feed_forward_length", "intermediate_size"),
    ("rope.freq_base", "rope_theta"),
];

pub(super) const RMS: &[(&str, &str)] = &[("attention.layer_norm_rms_epsilon", "rms_norm_eps")];
pub(super) const LAYER_NORM: &[(&str, &str)] = &[("attention.layer_norm_epsilon", "layer_norm_eps")];

pub(super) const EXPERT_FIELDS: &[(&str, &str)] = &[
    ("expert_count", "num_experts"),
    ("expert_used_count", "num_experts_per_tok"),
    ("expert_feed_forward_length", "moe_intermediate_size"),
    ("expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
];

/// What the converter writes for the layers that Granite 4 has beside those with attention, whether there are any or not.
const GRANITE4: &[(&str, &str)] = &[
    ("expert_count", "num_experts"),
    ("expert_used_count", "_num_experts_per_tok"),
    ("expert_shared_feed_forward_length", "_shared_intermediate_size"),
    // Whether heads rotate at all.
    ("rope.scaling.finetuned", "_rotates"),
    ("ssm.conv_kernel", "_mamba_d_conv"),
    ("ssm.group_count", "_mamba_n_groups"),
    ("ssm.inner_size", "_mamba_inner_size"),
    ("ssm.state_size", "_mamba_d_state"),
    ("ssm.time_step_rank", "_mamba_n_heads"),
];

/// The pattern of windows is read elsewhere.
pub(super) const WINDOW: &[(&str, &str)] = &[("attention.sliding_window", "sliding_window")];

const CAPS: &[(&str, &str)] = &[
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
];

/// The usual field for the part of each head that rotates.
pub(super) const SHARE: &str = "partial_rotary_factor";
