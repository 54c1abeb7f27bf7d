//! Muse Glimmer (Meta 2026), the text decoder: norms around blocks, a gate on each element of attention's output, windows
//! where heads rotate, and norms without weights of tokens, queries and keys.

use super::family::{Family, Mapping, StoredNames, laid_out, stored};
use super::rope::Rope;
use super::window::{self, Sight};
use super::{activation, gemma2, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::formats::source::ScaledTensor;
use crate::model::ModelConfig;
use crate::model::config::{Activation, BlockNorms, GateExtent, GateFunction, HeadNormExtent, OutputGate};

pub(super) const FAMILY: Family = Family {
    name: "muse_glimmer_text",
    read,
    scaled,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, OWN, gemma2::NORMS],
    ..llama_like::USUAL
};

/// What the names of the other parts' tensors begin with.
pub(super) const OTHER_PARTS: &[&str] =
    &["model.vision_tower.", "model.vision_adapter.", "model.vision_projection."];

/// What is not as [`gemma2::NORMS`] has it; these come first.
const OWN: &[Mapping] = &[
    stored("layers.#.self_attn.gate_proj", &["layers.#.attention.gate"]),
    stored("norm", &["final_norm"]),
    laid_out(
        Layout::Ones,
        "",
        &["embed.norm", "layers.#.attention.query_norm", "layers.#.attention.key_norm"],
    ),
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("vocab_size", 202_048),
    ("hidden_size", 6656),
    ("intermediate_size", 19_968),
    ("num_hidden_layers", 52),
    ("num_attention_heads", 32),
    ("num_key_value_heads", 2),
    ("head_dim", 128),
    ("max_position_embeddings", 131_072),
];

const CAP: &str = "final_logit_softcapping";
const BASES: &str = "layer_rope_theta";

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let after = norm::rms_or(fields, "post_norm_eps", 1e-8)?;
    let activation = activation::read(fields, "hidden_activation", Activation::Silu)?;
    let mut config = llama_like::read_with(fields, names, norm, Rope::default(), activation)?;
    config.embedding.norm = Some(norm);
    config.logits.scale =
        fields.optional_number("output_multiplier")?.unwrap_or(0.196_116_135_138_184_04) as f32;
    config.logits.cap =
        if fields.names(CAP) { fields.optional_number(CAP)? } else { Some(20.0) }.map(|cap| cap as f32);
    query_factor(fields)?;
    let layers = config.layers.len();
    let size = window::size(fields, 2048)?;
    let usual = |index| if sees_all(index, layers) { Sight::Full } else { Sight::Windowed };
    let sights = window::sights(fields, layers, usual)?;
    let rotate = rotating(fields, layers)?;
    for ((layer, sight), rotates) in config.layers.iter_mut().zip(sights).zip(rotate) {
        let norms = BlockNorms { before: Some(norm), after: Some(after) };
        (layer.attention_norms, layer.feed_forward_norms) = (norms, norms);
        let Some(attention) = &mut layer.attention else { continue };
        attention.scores.window = size.filter(|_| sight == Sight::Windowed);
        attention.rotary = attention.rotary.take().filter(|_| rotates);
        attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
        attention.output_gate =
            Some(OutputGate { extent: GateExtent::Element, function: GateFunction::Sigmoid });
    }
    Ok(config)
}

/// Every fourth layer, counted from the last, has neither window nor rotary embedding.
fn sees_all(layer: usize, layers: usize) -> bool {
    (layers - 1 - layer).is_multiple_of(4)
}

/// Whether the heads of each layer rotate. The list has a base for each, 0 where they do not; others are all the same.
fn rotating(fields: &Fields, layers: usize) -> Result<Vec<bool>, FormatError> {
    let Some(bases) = fields.optional_numbers(BASES)? else {
        return Ok((0..layers).map(|layer| !sees_all(layer, layers)).collect());
    };
    if bases.len() != layers {
        let reason = format!("it has to have an entry for each of the {layers} layers");
        return Err(fields.error(BASES, reason));
    }
    let mut turning = bases.iter().filter(|base| **base != 0.0);
    if let Some(first) = turning.next()
        && turning.any(|base| base != first)
    {
        return Err(fields.error(BASES, "only one base, and 0 for none, is supported"));
    }
    Ok(bases.iter().map(|base| *base != 0.0).collect())
}

/// The factor on queries, in the norm that has no weights of its own.
fn scaled(fields: &Fields, _: &ModelConfig) -> Result<Vec<ScaledTensor>, FormatError> {
    let runs = vec![(usize::MAX, query_factor(fields)?)];
    Ok(vec![ScaledTensor { name: "layers.#.attention.query_norm.weight", runs }])
}

fn query_factor(fields: &Fields) -> Result<f32, FormatError> {
    let factor = fields.optional_number("qk_scale_factor")?.unwrap_or(3.87) as f32;
    if factor.is_finite() { Ok(factor) } else { Err(fields.error("qk_scale_factor", "it has to be finite")) }
}
