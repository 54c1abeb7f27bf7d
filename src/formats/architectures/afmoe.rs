//! AFMoE (Arcee AI 2025), Trinity: gated attention, each fourth layer without window and rotary positions, norms around
//! both blocks, and after the first layers experts, chosen by their sigmoids and a bias, beside one that computes every
//! row.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::window::{self, Sight};
use super::{experts, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    Bias, BlockNorms, ExpertsConfig, GateExtent, GateFunction, HeadNormExtent, OutputGate, RouterConfig,
    SharedExpert, SharedGate,
};

pub(super) const FAMILY: Family = Family {
    name: "afmoe",
    read,
    tensors: &[TENSORS, llama_like::ATTENTION, llama_like::HEAD_NORMS, llama_like::FEED_FORWARD, EXPERTS],
    harmless_fields: &[
        "output_router_logits",
        "load_balance_coeff",
        "use_grouped_mm",
        // Of experts in groups.
        "topk_group",
        "num_limited_groups",
    ],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("layers.#.self_attn.gate_proj", &["layers.#.attention.gate"]),
    stored("layers.#.input_layernorm", &["layers.#.attention.norm"]),
    stored("layers.#.post_attention_layernorm", &["layers.#.attention.update_norm"]),
    stored("layers.#.pre_mlp_layernorm", &["layers.#.feed_forward.norm"]),
    stored("layers.#.post_mlp_layernorm", &["layers.#.feed_forward.update_norm"]),
    stored("norm", &["final_norm"]),
];

const EXPERTS: &[Mapping] = &[
    stored("layers.#.mlp.router.gate", &["layers.#.feed_forward.router"]),
    stored("layers.#.mlp.expert_bias", &["layers.#.feed_forward.selection.bias"]),
    stored("layers.#.mlp.experts.*.gate_proj", &["layers.#.feed_forward.experts.gate"]),
    stored("layers.#.mlp.experts.*.up_proj", &["layers.#.feed_forward.experts.up"]),
    stored("layers.#.mlp.experts.*.down_proj", &["layers.#.feed_forward.experts.down"]),
    stored("layers.#.mlp.shared_experts.gate_proj", &["layers.#.feed_forward.shared.gate"]),
    stored("layers.#.mlp.shared_experts.up_proj", &["layers.#.feed_forward.shared.up"]),
    stored("layers.#.mlp.shared_experts.down_proj", &["layers.#.feed_forward.shared.down"]),
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("head_dim", 128),
    ("moe_intermediate_size", 1408),
    ("num_experts", 64),
    ("num_experts_per_tok", 6),
    ("num_shared_experts", 2),
    ("global_attn_every_n_layers", 4),
];

/// The gate on what attention gives.
const GATE: OutputGate = OutputGate { extent: GateExtent::Element, function: GateFunction::Sigmoid };

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    if fields.optional_flag("mup_enabled")?.unwrap_or(false) {
        config.embedding.scale = (config.width as f64).sqrt() as f32;
    }
    let window = window::size(fields, 1024)?;
    let interval = fields.size("global_attn_every_n_layers")?;
    let usual = |index: usize| match (index + 1).is_multiple_of(interval) {
        true => Sight::Full,
        false => Sight::Windowed,
    };
    let sights = window::sights(fields, config.layers.len(), usual)?;
    for (layer, sight) in config.layers.iter_mut().zip(sights) {
        (layer.attention_norms, layer.feed_forward_norms) =
            (BlockNorms::around(norm), BlockNorms::around(norm));
        let Some(attention) = &mut layer.attention else { continue };
        attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
        attention.output_gate = Some(GATE);
        match sight {
            Sight::Windowed => attention.scores.window = window,
            Sight::Full => attention.rotary = None,
        }
    }
    let width = fields.size("moe_intermediate_size")?;
    let dense = fields.optional_count("num_dense_layers")?.unwrap_or(1);
    experts::after(&mut config, dense, width, read_experts(fields, width)?);
    Ok(config)
}

fn read_experts(fields: &Fields, width: usize) -> Result<ExpertsConfig, FormatError> {
    experts::refuse_other_scores(fields)?;
    if fields.optional_flag("route_norm")? == Some(false) {
        return Err(fields.error("route_norm", "no published model is without it"));
    }
    if fields.optional_text("score_func")?.is_some_and(|scores| scores != "sigmoid") {
        return Err(fields.error("score_func", "only \"sigmoid\" is supported in this family"));
    }
    for groups in ["n_group", "num_expert_groups"] {
        if fields.optional_size(groups)?.is_some_and(|count| count != 1) {
            return Err(fields.error(groups, "no published model has its experts in groups"));
        }
    }
    let router = RouterConfig {
        renormalised: Some(experts::SUM_EPSILON),
        factor: fields.optional_number("route_scale")?.unwrap_or(1.0) as f32,
        ..RouterConfig::SIGMOID
    };
    let shared_width = width.saturating_mul(fields.size("num_shared_experts")?);
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    Ok(ExpertsConfig {
        selection_bias: Bias::Present,
        shared: Some(SharedExpert { width: shared_width, gate: SharedGate::Absent }),
        ..ExpertsConfig::new(count, active, router)
    })
}
