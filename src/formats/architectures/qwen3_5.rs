//! Qwen3.5 (Qwen Team 2026): most layers remember by the gated delta rule, each fourth has gated attention; norms are
//! stored as the distance of their weights from one.

use super::family::{DraftingNames, Family, Mapping, StoredNames, laid_out, stored};
use super::layer_kinds::{self, LAYER_TYPES};
use super::rope::Rope;
use super::{activation, convolution, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{
    Activation, Bias, ConvolutionConfig, GateExtent, GateFunction, GatedDeltaConfig, HeadNormExtent,
    HeadOrder, OutputGate, RecurrentConfig, StateHeads,
};

pub(super) const FAMILY: Family = Family {
    name: "qwen3_5_text",
    read,
    tensors: &[ATTENTION, DELTA, llama_like::FEED_FORWARD, NORMS, JOIN],
    // A block that drafts a token more.
    ignored: &["mtp.*"],
    drafting_head: DraftingNames::Apart(&["mtp."]),
    harmless_fields: HARMLESS_FIELDS,
    ..llama_like::USUAL
};

/// Fields about that block, about training, and about how another program should compute.
const HARMLESS_FIELDS: &[&str] = &[
    "mtp_num_hidden_layers",
    "mtp_use_dedicated_embeddings",
    "mamba_ssm_dtype",
    "output_router_logits",
    "router_aux_loss_coef",
    // Always done, where there are experts.
    "norm_topk_prob",
    // Where `layer_types` says it.
    "full_attention_interval",
    "mlp_only_layers",
    "model_type",
];

/// Attention: of each head the query, then the gate.
pub(super) const ATTENTION: &[Mapping] = &[
    stored("embed_tokens", &["embed.tokens"]),
    laid_out(
        Layout::ByQueryHead,
        "layers.#.self_attn.q_proj",
        &["layers.#.attention.query", "layers.#.attention.gate"],
    ),
    stored("layers.#.self_attn.k_proj", &["layers.#.attention.key"]),
    stored("layers.#.self_attn.v_proj", &["layers.#.attention.value"]),
    stored("layers.#.self_attn.o_proj", &["layers.#.attention.output"]),
];

/// The gated delta rule.
pub(super) const DELTA: &[Mapping] = &[
    stored("layers.#.linear_attn.in_proj_qkv", &["layers.#.recurrent.input"]),
    stored("layers.#.linear_attn.in_proj_z", &["layers.#.recurrent.gate"]),
    stored("layers.#.linear_attn.in_proj_b", &["layers.#.recurrent.strength"]),
    stored("layers.#.linear_attn.dt_bias", &["layers.#.recurrent.time_step.bias"]),
    stored("layers.#.linear_attn.in_proj_a", &["layers.#.recurrent.time_step"]),
    laid_out(Layout::Logarithms, "layers.#.linear_attn.A_log", &["layers.#.recurrent.rate.weight"]),
    stored("layers.#.linear_attn.conv1d", &["layers.#.recurrent.convolution"]),
    stored("layers.#.linear_attn.norm", &["layers.#.recurrent.norm"]),
    stored("layers.#.linear_attn.out_proj", &["layers.#.recurrent.output"]),
];

/// The norm of what a state gave is stored as it is, and all others minus one.
pub(super) const NORMS: &[Mapping] = &[
    laid_out(Layout::StoredMinusOne, "layers.#.input_layernorm", &["layers.#.attention.norm"]),
    laid_out(Layout::StoredMinusOne, "layers.#.post_attention_layernorm", &["layers.#.feed_forward.norm"]),
    laid_out(Layout::StoredMinusOne, "norm", &["final_norm"]),
    laid_out(Layout::StoredMinusOne, "layers.#.self_attn.q_norm", &["layers.#.attention.query_norm"]),
    laid_out(Layout::StoredMinusOne, "layers.#.self_attn.k_norm", &["layers.#.attention.key_norm"]),
];

/// What a drafting head begins and ends with.
pub(super) const JOIN: &[Mapping] = &[
    laid_out(Layout::SideBySide, "fc", &["layers.#.join.token", "layers.#.join.state"]),
    laid_out(Layout::StoredMinusOne, "pre_fc_norm_embedding", &["layers.#.join.token_norm"]),
    laid_out(Layout::StoredMinusOne, "pre_fc_norm_hidden", &["layers.#.join.state_norm"]),
    laid_out(Layout::StoredMinusOne, "norm", &["layers.#.final_norm"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read_with(&fields.or_sizes(SIZES), names)
}

/// Sizes where the configuration does not say them.
const SIZES: &[(&str, usize)] = &[
    ("head_dim", 256),
    ("num_key_value_heads", 4),
    ("linear_key_head_dim", 128),
    ("linear_value_head_dim", 128),
    ("linear_num_key_heads", 16),
    ("linear_num_value_heads", 32),
];

/// Reads it, with gated feed-forward blocks in all layers.
pub(super) fn read_with(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    if fields.optional_flag("attn_output_gate")? == Some(false) {
        return Err(fields.error("attn_output_gate", "no published model is without this gate"));
    }
    if fields.optional_flag("attention_bias")? == Some(true) {
        return Err(
            fields.error("attention_bias", "no published model has biases beside the gates of attention")
        );
    }
    if activation::read(fields, "hidden_act", Activation::Silu)? != Activation::Silu {
        return Err(fields.error("hidden_act", "the convolution before a state can go through silu alone"));
    }
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let rope = Rope { share: Some(0.25), ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let delta = gated_delta(fields, norm.epsilon)?;
    let kinds = kinds(fields, config.layers.len())?;
    for (layer, kind) in config.layers.iter_mut().zip(kinds) {
        match (kind, &mut layer.attention) {
            (Kind::Full, Some(attention)) => {
                attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
                attention.output_gate = Some(GATE);
            }
            _ => {
                layer.attention = None;
                layer.recurrent = Some(RecurrentConfig::GatedDelta(delta));
            }
        }
    }
    Ok(config)
}

/// The gate on what attention gives.
const GATE: OutputGate = OutputGate { extent: GateExtent::Element, function: GateFunction::Sigmoid };

/// What lets a layer's rows know of those before.
#[derive(Clone, Copy)]
enum Kind {
    Full,
    Linear,
}

const KINDS: [(&str, Kind); 2] = [("full_attention", Kind::Full), ("linear_attention", Kind::Linear)];

/// The kinds of so many layers; attention in each fourth, or another, where no list says them.
fn kinds(fields: &Fields, layers: usize) -> Result<Vec<Kind>, FormatError> {
    if let Some(kinds) = layer_kinds::read(fields, LAYER_TYPES, layers, &KINDS)? {
        return Ok(kinds);
    }
    let interval = fields.optional_size("full_attention_interval")?.unwrap_or(4);
    let kind = |layer: usize| if layer.is_multiple_of(interval) { Kind::Full } else { Kind::Linear };
    Ok((1..=layers).map(kind).collect())
}

/// How many elements of values all heads have, for files that say this in place of a head's.
const VALUES: &str = "_linear_inner_size";
/// Whether heads that share a key lie as far apart as there are keys, for files that reorder them.
const IN_TURNS: &str = "_linear_heads_in_turns";

/// The block of the layers without attention.
fn gated_delta(fields: &Fields, norm_epsilon: f32) -> Result<GatedDeltaConfig, FormatError> {
    const HEADS: &str = "linear_num_value_heads";
    let heads = fields.size(HEADS)?;
    let groups = fields.size("linear_num_key_heads")?;
    if !heads.is_multiple_of(groups) {
        let keys = fields.spelled("linear_num_key_heads");
        return Err(fields.error(HEADS, format!("it has to be a multiple of {keys}, {groups}")));
    }
    let value_width = match fields.optional_size(VALUES)? {
        None => fields.size("linear_value_head_dim")?,
        Some(values) => llama_like::head_width(fields, VALUES, values, HEADS, heads)?,
    };
    // Where each has its own key, both orders are the same.
    let in_turns = fields.optional_flag(IN_TURNS)?.unwrap_or(false) && heads != groups;
    Ok(GatedDeltaConfig {
        heads: StateHeads {
            heads,
            groups,
            order: if in_turns { HeadOrder::Turns } else { HeadOrder::Neighbours },
            key_width: fields.size("linear_key_head_dim")?,
            value_width,
        },
        convolution: ConvolutionConfig {
            kernel: convolution::kernel(fields, "linear_conv_kernel_dim", 4)?,
            bias: Bias::Absent,
        },
        strength_range: 1.0,
        gate: Activation::Silu,
        norm_epsilon,
    })
}
