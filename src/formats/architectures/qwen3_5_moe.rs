//! Qwen3.5 with experts in every layer (Qwen Team 2026), one of which all rows share.

use super::family::{Family, StoredNames};
use super::{experts, qwen3_5};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::RouterConfig;

pub(super) const FAMILY: Family = Family {
    name: "qwen3_5_moe_text",
    read,
    tensors: &[
        qwen3_5::ATTENTION,
        qwen3_5::DELTA,
        experts::TOGETHER,
        experts::QWEN,
        qwen3_5::NORMS,
        qwen3_5::JOIN,
    ],
    ..qwen3_5::FAMILY
};

/// Sizes where the configuration does not say them.
const SIZES: &[(&str, usize)] = &[
    ("head_dim", 256),
    ("num_key_value_heads", 2),
    ("linear_key_head_dim", 128),
    ("linear_value_head_dim", 128),
    ("linear_num_key_heads", 16),
    ("linear_num_value_heads", 32),
    ("num_experts", 256),
    ("num_experts_per_tok", 8),
    ("moe_intermediate_size", 512),
    ("shared_expert_intermediate_size", 512),
    // Of blocks in whose place the experts are.
    ("intermediate_size", 512),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = fields.or_sizes(SIZES);
    let mut config = qwen3_5::read_with(&fields, names)?;
    let shared_width = fields.size("shared_expert_intermediate_size")?;
    experts::read_routed(&fields, &mut config, Some(shared_width), RouterConfig::SOFTMAX_OF_CHOSEN)?;
    Ok(config)
}
