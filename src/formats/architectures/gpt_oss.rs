//! gpt-oss (OpenAI 2025): experts with biases and clamped gates, attention sinks, every other layer with a window. The
//! experts' matrices are stored in MXFP4, or turned in a format of whole numbers of bytes.

use super::family::{Family, Mapping, StoredNames, laid_out, stored};
use super::rope::Rope;
use super::window::{self, Sight};
use super::{experts, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{
    Activation, Bias, ExpertsConfig, FeedForwardConfig, FeedForwardKind, RouterConfig, Sinks,
};

pub(super) const FAMILY: Family = Family {
    name: "gpt_oss",
    read,
    tensors: &[llama_like::ATTENTION, EXPERTS, llama_like::NORMS],
    // The first two repeat other fields.
    harmless_fields: &[
        "experts_per_token",
        "initial_context_length",
        "hidden_act",
        "output_router_logits",
        "router_aux_loss_coef",
    ],
    ..llama_like::USUAL
};

const EXPERTS: &[Mapping] = &[
    stored("layers.#.self_attn.sinks", &["layers.#.attention.sinks.weight"]),
    stored("layers.#.mlp.router", &["layers.#.feed_forward.router"]),
    laid_out(Layout::AlternatingByExpertInBlocks, "layers.#.mlp.experts.gate_up_proj_blocks", GATE_AND_UP),
    laid_out(Layout::AlternatingByExpertInBlocks, "layers.#.mlp.experts.down_proj_blocks", DOWN),
    laid_out(Layout::AlternatingByExpertTurned, "layers.#.mlp.experts.gate_up_proj", GATE_AND_UP),
    laid_out(Layout::AlternatingByExpertTurned, "layers.#.mlp.experts.down_proj", DOWN),
    // mlx-lm takes them apart.
    laid_out(Layout::ByExpert, "layers.#.mlp.experts.gate_proj", &["layers.#.feed_forward.experts.gate"]),
    laid_out(Layout::ByExpert, "layers.#.mlp.experts.up_proj", &["layers.#.feed_forward.experts.up"]),
    laid_out(Layout::ByExpert, "layers.#.mlp.experts.down_proj", &["layers.#.feed_forward.experts.down"]),
    laid_out(
        Layout::AlternatingByExpert,
        "layers.#.mlp.experts.gate_up_proj_bias",
        &["layers.#.feed_forward.experts.gate.bias", "layers.#.feed_forward.experts.up.bias"],
    ),
    laid_out(
        Layout::AlternatingByExpert,
        "layers.#.mlp.experts.down_proj_bias",
        &["layers.#.feed_forward.experts.down.bias"],
    ),
];

const GATE_AND_UP: &[&str] =
    &["layers.#.feed_forward.experts.gate.weight", "layers.#.feed_forward.experts.up.weight"];
const DOWN: &[&str] = &["layers.#.feed_forward.experts.down.weight"];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    // MLX's files repeat their settings there, without a method.
    if let Some(quantisation) = fields.optional_object("quantization_config")?
        && fields.get("quantization").is_none()
    {
        let method = quantisation.optional_text("quant_method")?;
        if method != Some("mxfp4") {
            return Err(quantisation.error("quant_method", "only mxfp4 can be read"));
        }
    }
    for (name, only) in [("swiglu_limit", 7.0), ("swiglu_alpha", 1.702)] {
        if fields.optional_number(name)?.is_some_and(|value| value != only) {
            return Err(fields.error(name, format!("every published model has {only}")));
        }
    }
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let mut config = llama_like::read_with(fields, names, norm, Rope::default(), Activation::ClampedGelu)?;
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    let experts = ExpertsConfig::new(count, active, RouterConfig::SOFTMAX_OF_CHOSEN);
    let size = window::size(fields, 128)?;
    let usual = |index: usize| if index.is_multiple_of(2) { Sight::Windowed } else { Sight::Full };
    let sights = window::sights(fields, config.layers.len(), usual)?;
    for (layer, sight) in config.layers.iter_mut().zip(sights) {
        let (Some(attention), Some(feed_forward)) = (&mut layer.attention, &mut layer.feed_forward) else {
            continue;
        };
        attention.sinks = Sinks::Present;
        attention.scores.window = size.filter(|_| sight == Sight::Windowed);
        let kind = FeedForwardKind::Experts(experts);
        *feed_forward = FeedForwardConfig { kind, bias: Bias::Present, ..*feed_forward };
    }
    Ok(config)
}
