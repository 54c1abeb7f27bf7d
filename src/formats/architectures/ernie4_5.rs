//! ERNIE 4.5 (Baidu 2025) without experts: Llama whose neighbouring elements of heads rotate together.

use super::family::{Family, Mapping, StoredNames, laid_out};
use super::rope::Rope;
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{Bias, HeadWeights};

pub(super) const FAMILY: Family = Family {
    name: "ernie4_5",
    read,
    tensors: &[TURNED, llama_like::ATTENTION, llama_like::FEED_FORWARD, llama_like::NORMS],
    ..llama_like::USUAL
};

pub(super) const TURNED: &[Mapping] = &[
    laid_out(Layout::NeighboursRotate, "layers.#.self_attn.q_proj", &["layers.#.attention.query"]),
    laid_out(Layout::NeighboursRotate, "layers.#.self_attn.k_proj", &["layers.#.attention.key"]),
];

/// Sizes of files that leave them out.
const SIZES: &[(&str, usize)] = &[("head_dim", 128), ("num_key_value_heads", 2)];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read_with(&fields.or_sizes(SIZES), names)
}

/// As this family and the one with experts are.
pub(super) fn read_with(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let rope = Rope { theta: 500_000.0, ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    config.head = llama_like::head(fields, HeadWeights::Tied)?;
    if fields.optional_flag("use_bias")?.unwrap_or(false) {
        for layer in &mut config.layers {
            let (Some(attention), Some(feed_forward)) = (&mut layer.attention, &mut layer.feed_forward)
            else {
                continue;
            };
            (attention.query_key_value_bias, attention.output_bias) = (Bias::Present, Bias::Present);
            feed_forward.bias = Bias::Present;
        }
    }
    Ok(config)
}
