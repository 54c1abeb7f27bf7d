//! Seed-OSS (ByteDance Seed 2025): Llama with biases of queries, keys and values, and apart from them one of the output.

use super::family::{Family, StoredNames};
use super::llama_like;
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::Bias;

pub(super) const FAMILY: Family = Family {
    name: "seed_oss",
    read,
    harmless_fields: &["pretraining_tp", "residual_dropout"],
    ..llama_like::USUAL
};

/// Sizes of files that leave them out.
const SIZES: &[(&str, usize)] = &[("head_dim", 128), ("num_key_value_heads", 8)];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = llama_like::read_plain(&fields.or_sizes(SIZES), names)?;
    let bias = |name: &str, default: bool| {
        let is_present = fields.optional_flag(name)?.unwrap_or(default);
        Ok::<Bias, FormatError>(if is_present { Bias::Present } else { Bias::Absent })
    };
    let (query_key_value, output) = (bias("attention_bias", true)?, bias("attention_out_bias", false)?);
    for attention in config.attentions() {
        (attention.query_key_value_bias, attention.output_bias) = (query_key_value, output);
    }
    Ok(config)
}
