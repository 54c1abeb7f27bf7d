//! Qwen3-MoE (Yang et al. 2025): Qwen3 with experts.

use super::family::{Family, StoredNames};
use super::{experts, qwen3, usual};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "qwen3_moe",
    read,
    part: None,
    prefixes: usual::PREFIXES,
    tensors: &[usual::ATTENTION, usual::FEED_FORWARD, experts::QWEN, usual::NORMS, usual::HEAD_NORMS],
    head: usual::HEAD,
    ignored: usual::ROTARY_TABLES,
    other_parts: &[],
    harmless_fields: experts::HARMLESS_FIELDS,
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = qwen3::read(fields, names)?;
    experts::read_qwen(fields, &mut config, None)?;
    Ok(config)
}
