//! What a family's GGUF form is, and the tables that many share.

use super::completion::Completion;
use super::scaling::LONG_ROPE;
use crate::formats::architectures::family::{Mapping, laid_out, stored};
use crate::formats::gguf::Metadata;
use crate::formats::rewrite::Layout;

/// A family as GGUF files have it.
pub(super) struct Form {
    /// Its `general.architecture`.
    pub architecture: &'static str,
    /// The family that it is.
    pub family: &'static str,
    /// A key, without the architecture before it, that has to be there and above 0 for the architecture to be this family.
    pub with: Option<&'static str>,
    /// Whether a file of the architecture is this family by what else it says.
    pub fits: fn(&Metadata) -> bool,
    /// From keys, without the architecture before them, to fields of `config.json`. A field that begins with `_` says
    /// what is known otherwise.
    pub fields: &'static [&'static [(&'static str, &'static str)]],
    /// Those of the keys that may have a number for each layer.
    pub lists: &'static [&'static str],
    /// Keys that llama.cpp needs besides those that it needs of every family.
    pub needs: &'static [&'static str],
    /// The field for the part of each head that rotates, where that may be less than the whole.
    pub share: Option<&'static str>,
    /// What `layer_types` calls layers without key/value heads, where the numbers of these tell the kinds of layers.
    pub without_heads: Option<&'static str>,
    /// Whether divisors of the rotary frequencies are not for layers with a window.
    pub divisors_spare_windows: bool,
    /// Names of tensors that files carry and nothing needs, as [`super::super::Family::ignored`].
    pub ignored: &'static [&'static str],
    /// Adds the fields that no key has.
    pub complete: fn(&mut Completion<'_>),
    /// Its tensors.
    pub tensors: &'static [&'static [Mapping]],
}

/// Divisors of the rotary frequencies, one a rotating pair.
pub(super) const DIVISORS: &str = "rope_freqs.weight";

/// Tensors that are read with the configuration.
pub(super) const READ_ELSEWHERE: &[&str] = &[DIVISORS, LONG_ROPE[0].0, LONG_ROPE[1].0];

/// What most families are variations of.
pub(super) const USUAL: Form = Form {
    architecture: "",
    family: "",
    with: None,
    fits: |_| true,
    fields: &[FIELDS, RMS],
    lists: &[],
    needs: &[],
    share: None,
    without_heads: None,
    divisors_spare_windows: false,
    ignored: READ_ELSEWHERE,
    complete: |_| {},
    tensors: &[QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, NORMS],
};

pub(super) const TURNED_LLAMA: &[&[Mapping]] = &[TURNED, VALUE_AND_OUTPUT, GATED, NORMS];
pub(super) const AFTER: &[&[Mapping]] =
    &[HEAD_NORMS, QUERY_AND_KEY, VALUE_AND_OUTPUT, GATED, UPDATE_NORMS, LAST_NORM];

pub(super) const TABLE: &[Mapping] = &[stored("token_embd", &["embed.tokens"])];

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
pub(super) const FUSED: &[Mapping] = &[
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

pub(super) const FUSED_GATE: &[Mapping] = &[
    stored("blk.#.ffn_up", &["layers.#.feed_forward.gate", "layers.#.feed_forward.up"]),
    stored("blk.#.ffn_down", &["layers.#.feed_forward.down"]),
];

pub(super) const PLAIN: &[Mapping] = &[
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

pub(super) const NORMS: &[Mapping] = &[
    stored("blk.#.attn_norm", &["layers.#.attention.norm"]),
    stored("blk.#.ffn_norm", &["layers.#.feed_forward.norm"]),
    stored("output_norm", &["final_norm"]),
];

pub(super) const SEED_NORMS: &[Mapping] = &[
    stored("blk.#.attn_norm", &["layers.#.attention.norm"]),
    stored("blk.#.post_attention_norm", &["layers.#.feed_forward.norm"]),
    stored("output_norm", &["final_norm"]),
];

pub(super) const LAST_NORM: &[Mapping] = &[stored("output_norm", &["final_norm"])];

/// The norms of what blocks make.
pub(super) const UPDATE_NORMS: &[Mapping] = &[
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

/// Granite's factors.
pub(super) const GRANITE: &[(&str, &str)] = &[
    ("attention.scale", "attention_multiplier"),
    ("embedding_scale", "embedding_multiplier"),
    ("residual_scale", "residual_multiplier"),
    ("logit_scale", "logits_scaling"),
];

/// What the converter writes for the layers that Granite 4 has beside those with attention, whether there are any or not.
pub(super) const GRANITE4: &[(&str, &str)] = &[
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

pub(super) const CAPS: &[(&str, &str)] = &[
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
];

/// The usual field for the part of each head that rotates.
pub(super) const SHARE: &str = "partial_rotary_factor";
