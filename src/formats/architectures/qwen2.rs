//! Qwen2 and Qwen2.5 (Yang et al. 2024): biases of queries, keys and values.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{norm, usual, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::Bias;

pub(super) const FAMILY: Family = Family {
    name: "qwen2",
    read,
    part: None,
    prefixes: usual::PREFIXES,
    tensors: usual::TENSORS,
    head: usual::HEAD,
    ignored: usual::ROTARY_TABLES,
    other_parts: &[],
    harmless_fields: &[],
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = usual::read(fields, names, norm::rms(fields, "rms_norm_eps")?, Rope::default())?;
    for layer in &mut config.layers {
        layer.attention.query_key_value_bias = Bias::Present;
    }
    window::read_optional(fields, &mut config)?;
    Ok(config)
}
