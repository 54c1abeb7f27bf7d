//! Llama 4 (Meta 2025), the text decoder: layers that rotate see chunks of a text, those that do not see all of it and have
//! scores that grow with the position, and shares multiply what experts read.

use super::family::{Family, Mapping, StoredNames, laid_out, stored};
use super::layer_kinds::{self, LAYER_TYPES};
use super::rope::Rope;
use super::{experts, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{
    ExpertsConfig, FeedForwardConfig, FeedForwardKind, HeadNormExtent, RouterConfig, ScoreGrowth, ShareUse,
    SharedExpert, SharedGate,
};
use crate::model::rotary::RotaryScaling;

pub(super) const FAMILY: Family = Family {
    name: "llama4_text",
    read,
    tensors: &[TENSORS, llama_like::ATTENTION, FEED_FORWARD, EXPERTS, llama_like::NORMS],
    harmless_fields: &[
        "cache_implementation",
        "for_llm_compressor",
        // Beside the lists that they stand for.
        "interleave_moe_layer_step",
        "no_rope_layer_interval",
        "output_router_logits",
        "router_aux_loss_coef",
        "router_jitter_noise",
    ],
    ..llama_like::USUAL
};

/// What the names of the other parts' tensors begin with.
pub(super) const OTHER_PARTS: &[&str] =
    &["vision_model.", "multi_modal_projector.", "model.vision_model.", "model.multi_modal_projector."];

const TENSORS: &[Mapping] = &[
    laid_out(Layout::NeighboursRotate, "layers.#.self_attn.q_proj", &["layers.#.attention.query"]),
    laid_out(Layout::NeighboursRotate, "layers.#.self_attn.k_proj", &["layers.#.attention.key"]),
    laid_out(Layout::Ones, "", &["layers.#.attention.query_norm", "layers.#.attention.key_norm"]),
];

const FEED_FORWARD: &[Mapping] = &[
    stored("layers.#.feed_forward.gate_proj", &["layers.#.feed_forward.gate"]),
    stored("layers.#.feed_forward.up_proj", &["layers.#.feed_forward.up"]),
    stored("layers.#.feed_forward.down_proj", &["layers.#.feed_forward.down"]),
];

const EXPERTS: &[Mapping] = &[
    stored("layers.#.feed_forward.router", &["layers.#.feed_forward.router"]),
    laid_out(
        Layout::ByExpertTurned,
        "layers.#.feed_forward.experts.gate_up_proj",
        &["layers.#.feed_forward.experts.gate.weight", "layers.#.feed_forward.experts.up.weight"],
    ),
    laid_out(
        Layout::ByExpertTurned,
        "layers.#.feed_forward.experts.down_proj",
        &["layers.#.feed_forward.experts.down.weight"],
    ),
    stored("layers.#.feed_forward.shared_expert.gate_proj", &["layers.#.feed_forward.shared.gate"]),
    stored("layers.#.feed_forward.shared_expert.up_proj", &["layers.#.feed_forward.shared.up"]),
    stored("layers.#.feed_forward.shared_expert.down_proj", &["layers.#.feed_forward.shared.down"]),
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("num_key_value_heads", 8),
    ("head_dim", 128),
    ("intermediate_size", 8192),
    ("intermediate_size_mlp", 16_384),
    ("num_experts_per_tok", 1),
    ("num_local_experts", 16),
    ("interleave_moe_layer_step", 1),
];

/// Positions of a chunk, and until scores grow, where the configuration has none.
const CHUNK: usize = 8192;

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let rope = Rope { theta: 500_000.0, ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let layers = config.layers.len();
    let rotate = rotating(fields, layers)?;
    let usual = || rotate.to_vec();
    let kinds = [("chunked_attention", true), ("full_attention", false)];
    let chunked = layer_kinds::read(fields, LAYER_TYPES, layers, &kinds)?.unwrap_or_else(usual);
    let chunk = chunk(fields)?;
    let growth = growth(fields)?;
    let has_norms = fields.optional_flag("use_qk_norm")?.unwrap_or(true);
    for ((attention, rotates), is_chunked) in config.attentions().zip(rotate).zip(chunked) {
        attention.scores.chunk = chunk.filter(|_| is_chunked);
        if !rotates {
            attention.rotary = None;
            attention.scores.growth = growth;
        } else if has_norms {
            // They come after the rotary embedding, which does not change what they divide by.
            let scaling = attention.rotary.as_ref().map(|rotary| &rotary.scaling);
            if let Some(RotaryScaling::Yarn { .. } | RotaryScaling::LongRope { .. }) = scaling {
                let reason =
                    "norms of heads come after it, which only a scaling without a factor on results allows";
                return Err(fields.error("rope_scaling", reason));
            }
            attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
        }
    }
    put_experts(fields, &mut config)?;
    Ok(config)
}

/// Whether the heads of each layer rotate. In spite of its name the list has a 1 where they do.
fn rotating(fields: &Fields, layers: usize) -> Result<Vec<bool>, FormatError> {
    const NAME: &str = "no_rope_layers";
    let listed = fields.optional_numbers(NAME)?.filter(|listed| !listed.is_empty());
    let Some(listed) = listed else {
        let interval = fields.optional_size("no_rope_layer_interval")?.unwrap_or(4);
        return Ok((1..=layers).map(|layer| !layer.is_multiple_of(interval)).collect());
    };
    if listed.len() != layers {
        return Err(fields.error(NAME, format!("it has to have an entry for each of the {layers} layers")));
    }
    Ok(listed.iter().map(|flag| *flag != 0.0).collect())
}

fn chunk(fields: &Fields) -> Result<Option<usize>, FormatError> {
    const NAME: &str = "attention_chunk_size";
    if fields.names(NAME) { fields.optional_size(NAME) } else { Ok(Some(CHUNK)) }
}

/// How scores grow where heads do not rotate. Some files have a number in place of the flag.
fn growth(fields: &Fields) -> Result<Option<ScoreGrowth>, FormatError> {
    const IS_TUNED: &str = "attn_temperature_tuning";
    let is_tuned = match fields.get(IS_TUNED).and_then(|value| value.as_f64()) {
        Some(number) => number != 0.0,
        None => fields.optional_flag(IS_TUNED)?.unwrap_or(true),
    };
    let rate = fields.optional_number("attn_scale")?.unwrap_or(0.1) as f32;
    let interval = fields.optional_size("floor_scale")?.unwrap_or(CHUNK);
    Ok(Some(ScoreGrowth { rate, interval, offset: 1 }).filter(|_| is_tuned && rate != 0.0))
}

/// Experts beside one of their width in some layers, and wider blocks in the others.
fn put_experts(fields: &Fields, config: &mut ModelConfig) -> Result<(), FormatError> {
    let (width, dense_width) = (fields.size("intermediate_size")?, fields.size("intermediate_size_mlp")?);
    let listed = fields.optional_indices("moe_layers")?;
    let step = if listed.is_some() { 1 } else { fields.size("interleave_moe_layer_step")? };
    let has_experts = |layer: usize| match &listed {
        Some(listed) => listed.contains(&layer),
        None => (layer + 1).is_multiple_of(step),
    };
    let experts = ExpertsConfig {
        shared: Some(SharedExpert { width, gate: SharedGate::Absent }),
        share_use: ShareUse::OfInputs,
        ..ExpertsConfig::new(
            experts::count(fields)?,
            fields.size("num_experts_per_tok")?,
            RouterConfig::SIGMOID,
        )
    };
    for (layer, block) in config.feed_forwards().enumerate() {
        let (width, kind) = match has_experts(layer) {
            true => (width, FeedForwardKind::Experts(experts)),
            false => (dense_width, block.kind),
        };
        *block = FeedForwardConfig { width, kind, ..*block };
    }
    Ok(())
}
