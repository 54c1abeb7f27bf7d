//! Nemotron 4 and Minitron (Parmar et al. 2024): LayerNorm stored as the distance of its weights from one, squared
//! ReLU.

use super::family::{Family, Mapping, StoredNames, laid_out};
use super::rope::Rope;
use super::{activation, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{Activation, Bias, FeedForwardKind};

pub(super) const FAMILY: Family = Family {
    name: "nemotron",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, NORMS],
    ..llama_like::USUAL
};

const NORMS: &[Mapping] = &[
    laid_out(Layout::StoredMinusOne, "layers.#.input_layernorm", &["layers.#.attention.norm"]),
    laid_out(Layout::StoredMinusOne, "layers.#.post_attention_layernorm", &["layers.#.feed_forward.norm"]),
    laid_out(Layout::StoredMinusOne, "norm", &["final_norm"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let rope = Rope { share: Some(0.5), ..Rope::default() };
    let norm = norm::layer(fields, "norm_eps", Bias::Present)?;
    let mut config = llama_like::read(fields, names, norm, rope)?;
    for feed_forward in config.feed_forwards() {
        feed_forward.kind = FeedForwardKind::Plain;
        feed_forward.activation = activation::read(fields, "hidden_act", Activation::ReluSquared)?;
    }
    Ok(config)
}
