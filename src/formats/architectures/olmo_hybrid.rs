//! OLMo Hybrid (Ai2 2026): three layers with the gated delta rule, normalised before their blocks, for each with
//! attention, normalised after them.

use super::family::{Family, Mapping, StoredNames, laid_out, stored};
use super::layer_kinds::{self, LAYER_TYPES};
use super::rope::Rope;
use super::{convolution, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{
    Activation, Bias, BlockNorms, ConvolutionConfig, GatedDeltaConfig, HeadNormExtent, HeadOrder,
    RecurrentConfig, StateHeads,
};

pub(super) const FAMILY: Family = Family {
    name: "olmo_hybrid",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::HEAD_NORMS, RECURRENT, llama_like::FEED_FORWARD, NORMS],
    harmless_fields: &[
        "linear_a_log_max",
        "linear_a_log_min",
        "linear_dt_init_floor",
        "linear_dt_max",
        "linear_dt_min",
    ],
    ..llama_like::USUAL
};

const RECURRENT: &[Mapping] = &[
    stored("layers.#.linear_attn.{q,k,v}_proj", &["layers.#.recurrent.input"]),
    stored("layers.#.linear_attn.{q,k,v}_conv1d", &["layers.#.recurrent.convolution"]),
    stored("layers.#.linear_attn.conv1d", &["layers.#.recurrent.convolution"]),
    stored("layers.#.linear_attn.a_proj", &["layers.#.recurrent.time_step"]),
    stored("layers.#.linear_attn.dt_bias", &["layers.#.recurrent.time_step.bias"]),
    laid_out(Layout::Logarithms, "layers.#.linear_attn.A_log", &["layers.#.recurrent.rate.weight"]),
    stored("layers.#.linear_attn.b_proj", &["layers.#.recurrent.strength"]),
    stored("layers.#.linear_attn.g_proj", &["layers.#.recurrent.gate"]),
    stored("layers.#.linear_attn.o_norm", &["layers.#.recurrent.norm"]),
    stored("layers.#.linear_attn.o_proj", &["layers.#.recurrent.output"]),
];

/// The norms by the names of the first files, then as newer transformers call them. Both have one name for what comes
/// after attention and what comes before the feed-forward block, of which a layer has one.
const NORMS: &[Mapping] = &[
    stored("layers.#.attention_layer_norm", &["layers.#.attention.norm"]),
    stored("layers.#.input_layernorm", &["layers.#.attention.norm"]),
    stored("layers.#.feedforward_layer_norm", &["layers.#.feed_forward.norm"]),
    stored("layers.#.post_attention_layernorm", &["layers.#.feed_forward.norm"]),
    stored("layers.#.post_attention_layernorm", &["layers.#.attention.update_norm"]),
    stored("layers.#.feedforward_layer_norm", &["layers.#.attention.update_norm"]),
    stored("layers.#.post_feedforward_layernorm", &["layers.#.feed_forward.update_norm"]),
    stored("norm", &["final_norm"]),
];

/// A layer's kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Recurrent,
    Attention,
}

const KINDS: [(&str, Kind); 2] = [("linear_attention", Kind::Recurrent), ("full_attention", Kind::Attention)];

/// The ε of the norms of what states give, whatever that of the others is.
const STATE_EPSILON: f32 = 1e-5;

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    // The convolutions have the same activation as the feed-forward block.
    if config.feed_forwards().any(|block| block.activation != Activation::Silu) {
        return Err(fields.error("hidden_act", "only silu is supported in this family"));
    }
    let layers = config.layers.len();
    let kinds = layer_kinds::read(fields, LAYER_TYPES, layers, &KINDS)?;
    let kinds = kinds.unwrap_or_else(|| (1..=layers).map(|layer| usual_kind(layer, layers)).collect());
    let block = RecurrentConfig::GatedDelta(gated_delta(fields, config.width)?);
    let rotates = rotates(fields)?;
    for (layer, kind) in config.layers.iter_mut().zip(kinds) {
        if kind == Kind::Recurrent {
            layer.attention = None;
            layer.recurrent = Some(block.clone());
        } else if let Some(attention) = &mut layer.attention {
            (layer.attention_norms, layer.feed_forward_norms) =
                (BlockNorms::after(norm), BlockNorms::after(norm));
            attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Row));
            if !rotates {
                attention.rotary = None;
            }
        }
    }
    Ok(config)
}

/// Every fourth layer has attention, or in a model of fewer than that the last one.
fn usual_kind(layer: usize, layers: usize) -> Kind {
    if layer.is_multiple_of(4) || layers < 4 && layer == layers { Kind::Attention } else { Kind::Recurrent }
}

/// Whether heads rotate: not where the base of the frequencies is there as `null`.
fn rotates(fields: &Fields) -> Result<bool, FormatError> {
    const THETA: &str = "rope_theta";
    let (old, new) = (fields.optional_object("rope_scaling")?, fields.optional_object("rope_parameters")?);
    let is_null = |fields: &Fields| fields.names(THETA) && fields.get(THETA).is_none();
    Ok(match old.or(new) {
        Some(rope) if rope.names(THETA) => !is_null(&rope),
        _ => !is_null(fields),
    })
}

fn gated_delta(fields: &Fields, width: usize) -> Result<GatedDeltaConfig, FormatError> {
    const VALUE_HEADS: &str = "linear_num_value_heads";
    let attention_heads = fields.size("num_attention_heads")?;
    let groups = fields.optional_size("linear_num_key_heads")?.unwrap_or(attention_heads);
    let heads = fields.optional_size(VALUE_HEADS)?.unwrap_or(attention_heads);
    if !heads.is_multiple_of(groups) {
        let reason = format!("it has to be a multiple of linear_num_key_heads, {groups}");
        return Err(fields.error(VALUE_HEADS, reason));
    }
    let usual = (0.75 * width as f64 / groups as f64) as usize;
    let key_width = fields.optional_size("linear_key_head_dim")?.unwrap_or(usual);
    let value_width = fields.optional_size("linear_value_head_dim")?.unwrap_or(key_width.saturating_mul(2));
    let is_doubled = fields.optional_flag("linear_allow_neg_eigval")?.unwrap_or(true);
    let kernel = convolution::kernel(fields, "linear_conv_kernel_dim", 4)?;
    Ok(GatedDeltaConfig {
        heads: StateHeads { heads, groups, order: HeadOrder::Neighbours, key_width, value_width },
        convolution: ConvolutionConfig { kernel, bias: Bias::Absent },
        strength_range: if is_doubled { 2.0 } else { 1.0 },
        gate: Activation::Silu,
        norm_epsilon: STATE_EPSILON,
    })
}
