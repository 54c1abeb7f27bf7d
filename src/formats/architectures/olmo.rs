//! OLMo (Groeneveld et al. 2024): LayerNorm without weights, queries, keys and values within a limit.

use super::family::{Family, Mapping, StoredNames, laid_out};
use super::llama_like;
use super::rope::Rope;
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{Bias, NormConfig, NormKind};

pub(super) const FAMILY: Family = Family {
    name: "olmo",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, NORMS],
    ..llama_like::USUAL
};

const NORMS: &[Mapping] =
    &[laid_out(Layout::Ones, "", &["layers.#.attention.norm", "layers.#.feed_forward.norm", "final_norm"])];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    // No field of config.json has another ε, but a key of GGUF may.
    let epsilon = fields.optional_number("_layer_norm_epsilon")?.unwrap_or(1e-5) as f32;
    let norm = NormConfig { kind: NormKind::Layer, epsilon, bias: Bias::Absent };
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    let clip = clip(fields)?;
    config.attentions().for_each(|attention| attention.clip = clip);
    Ok(config)
}

/// What no element of queries, keys and values exceeds either way.
fn clip(fields: &Fields) -> Result<Option<f32>, FormatError> {
    const NAME: &str = "clip_qkv";
    match fields.optional_number(NAME)? {
        None => Ok(None),
        // No number exceeds it.
        Some(f64::INFINITY) => Ok(None),
        Some(limit) if limit > 0.0 => Ok(Some(limit as f32)),
        Some(_) => Err(fields.error(NAME, "it has to be above 0: nothing would be left of queries and keys")),
    }
}
