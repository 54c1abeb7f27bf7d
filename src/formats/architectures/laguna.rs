//! Laguna (Poolside 2026): a softplus gate on each head, or on each element, of attention's output, rotary embeddings by
//! kind of layer, another number of heads in layers with a window, and experts, chosen by their sigmoids and a bias, beside
//! one that computes every row.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::{self, Rope};
use super::window::{self, Sight};
use super::{experts, llama_like, norm, per_layer};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    Bias, ExpertsConfig, GateExtent, GateFunction, HeadNormExtent, OutputGate, RouterConfig, SharedExpert,
    SharedGate,
};

pub(super) const FAMILY: Family = Family {
    name: "laguna",
    read,
    tensors: &[
        TENSORS,
        llama_like::ATTENTION,
        llama_like::HEAD_NORMS,
        llama_like::FEED_FORWARD,
        experts::QWEN,
        llama_like::NORMS,
    ],
    harmless_fields: experts::HARMLESS_FIELDS,
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("layers.#.self_attn.g_proj", &["layers.#.attention.gate"]),
    stored("layers.#.mlp.experts.e_score_correction_bias", &["layers.#.feed_forward.selection.bias"]),
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("num_key_value_heads", 8),
    ("head_dim", 128),
    ("moe_intermediate_size", 512),
    ("shared_expert_intermediate_size", 512),
    ("num_experts", 256),
    ("num_experts_per_tok", 8),
];

/// Bases of the frequencies where the configuration has none: of layers that see all, and of those with a window.
const THETA: f64 = 500_000.0;
const THETA_OF_WINDOWS: f64 = 10_000.0;

const HEADS: &str = "num_attention_heads_per_layer";

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let usual_share = if fields.names("rope_parameters") { 1.0 } else { 0.5 };
    let rope = Rope { theta: THETA, share: Some(usual_share), ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let layers = config.layers.len();
    let heads = match fields.get(HEADS) {
        Some(_) => per_layer::sizes(fields, HEADS, layers)?,
        None => per_layer::sizes(fields, "num_attention_heads", layers)?,
    };
    let gate = OutputGate { extent: gate_extent(fields)?, function: GateFunction::Softplus };
    for (attention, heads) in config.attentions().zip(heads) {
        attention.heads = heads;
        attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
        attention.output_gate = Some(gate);
    }
    put_windows(fields, &mut config)?;
    let width = fields.size("moe_intermediate_size")?;
    let experts = read_experts(fields)?;
    experts::in_sparse_layers(fields, &mut config, 1, width, experts)?;
    Ok(config)
}

/// Windows, with the rotary embedding of the layers that have one.
fn put_windows(fields: &Fields, config: &mut ModelConfig) -> Result<(), FormatError> {
    let size = match fields.optional_number("sliding_window")? {
        Some(0.0) => None,
        _ => window::size(fields, 512)?,
    };
    let sights = window::sights(fields, config.layers.len(), |_| Sight::Full)?;
    let head_width = config.first_attention().map_or(0, |attention| attention.head_width);
    let of_windows =
        rope::of_windows(fields, config.context, head_width, Some(1.0), |_| Ok(THETA_OF_WINDOWS))?;
    for (attention, sight) in config.attentions().zip(sights) {
        if sight == Sight::Windowed {
            attention.scores.window = size;
            attention.rotary = Some(of_windows.clone());
        }
    }
    Ok(())
}

fn gate_extent(fields: &Fields) -> Result<GateExtent, FormatError> {
    const GATING: &str = "gating";
    match fields.get(GATING).and_then(|value| value.as_str()) {
        Some("per-head") => Ok(GateExtent::Head),
        Some("per-element") => Ok(GateExtent::Element),
        Some(_) => Err(fields.error(GATING, "only \"per-head\" and \"per-element\" are supported")),
        None if fields.optional_flag(GATING)?.unwrap_or(true) => Ok(GateExtent::Head),
        None => Err(fields.error(GATING, "no published model is without gates")),
    }
}

fn read_experts(fields: &Fields) -> Result<ExpertsConfig, FormatError> {
    const ON_INPUT: &str = "moe_apply_router_weight_on_input";
    const CAP: &str = "moe_router_logit_softcapping";
    experts::refuse_other_scores(fields)?;
    if fields.optional_flag(ON_INPUT)?.unwrap_or(false) {
        return Err(fields.error(ON_INPUT, "no published model has shares on what experts read"));
    }
    if fields.optional_number(CAP)?.is_some_and(|cap| cap != 0.0) {
        return Err(fields.error(CAP, "no published model has a cap on what the router makes"));
    }
    if fields.optional_flag("norm_topk_prob")? == Some(false) {
        return Err(fields.error("norm_topk_prob", "no published model is without it"));
    }
    let router = RouterConfig {
        renormalised: Some(0.0),
        factor: fields.optional_number("moe_routed_scaling_factor")?.unwrap_or(1.0) as f32,
        ..RouterConfig::SIGMOID
    };
    let width = fields.size("shared_expert_intermediate_size")?;
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    Ok(ExpertsConfig {
        selection_bias: Bias::Present,
        shared: Some(SharedExpert { width, gate: SharedGate::Absent }),
        ..ExpertsConfig::new(count, active, router)
    })
}
