//! Qwen3-MoE (Yang et al. 2025): Qwen3 with experts.

use super::family::{Family, StoredNames};
use super::{experts, llama_like, qwen3};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "qwen3_moe",
    read,
    tensors: &[
        llama_like::ATTENTION,
        llama_like::FEED_FORWARD,
        experts::QWEN,
        llama_like::NORMS,
        llama_like::HEAD_NORMS,
    ],
    harmless_fields: experts::HARMLESS_FIELDS,
    ..llama_like::USUAL
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = qwen3::read(fields, names)?;
    experts::read_qwen(fields, &mut config, None)?;
    Ok(config)
}
