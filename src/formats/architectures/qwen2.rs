//! Qwen2 and Qwen2.5 (Yang et al. 2024): biases of queries, keys and values.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{llama_like, norm, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::Bias;

pub(super) const FAMILY: Family = Family { name: "qwen2", read, ..llama_like::USUAL };

/// Inside a model for images and text, whose fields may lie among its own.
pub(super) const INSIDE: Family = Family { read: read_inside, harmless_fields: OF_IMAGES, ..FAMILY };

const OF_IMAGES: &[&str] = &[
    "model_type",
    "vision_config",
    "image_token_id",
    "video_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
    "vision_token_id",
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read_with(fields, names, Rope::default())
}

fn read_inside(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read_with(fields, names, Rope { theta: 1_000_000.0, ..Rope::default() })
}

fn read_with(fields: &Fields, names: &dyn StoredNames, rope: Rope) -> Result<ModelConfig, FormatError> {
    let mut config = llama_like::read(fields, names, norm::rms(fields, "rms_norm_eps")?, rope)?;
    for attention in config.attentions() {
        attention.query_key_value_bias = Bias::Present;
    }
    window::read_optional(fields, &mut config)?;
    Ok(config)
}
