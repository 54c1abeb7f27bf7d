//! Qwen2 and Qwen2.5 (Yang et al. 2024): biases of queries, keys and values.

use super::family::{Family, StoredNames};
use super::{llama_like, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::Bias;

pub(super) const FAMILY: Family = Family { name: "qwen2", read, ..llama_like::USUAL };

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = llama_like::read_plain(fields, names)?;
    for layer in &mut config.layers {
        layer.attention.query_key_value_bias = Bias::Present;
    }
    window::read_optional(fields, &mut config)?;
    Ok(config)
}
