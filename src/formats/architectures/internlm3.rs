//! InternLM 3 (Shanghai AI Laboratory 2025): Llama with its own names for biases.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::Bias;

pub(super) const FAMILY: Family = Family {
    name: "internlm3",
    read,
    harmless_fields: &["attn_implementation", "pretraining_tp"],
    ..llama_like::USUAL
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    let of_projections = fields.optional_flag("qkv_bias")? == Some(true);
    let of_others = fields.optional_flag("bias")? == Some(true);
    for layer in &mut config.layers {
        if let Some(attention) = layer.attention.as_mut().filter(|_| of_projections) {
            attention.query_key_value_bias = Bias::Present;
        }
        if let (Some(attention), Some(feed_forward), true) =
            (&mut layer.attention, &mut layer.feed_forward, of_others)
        {
            (attention.output_bias, feed_forward.bias) = (Bias::Present, Bias::Present);
        }
    }
    Ok(config)
}
