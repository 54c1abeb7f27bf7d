//! Qwen2-MoE (Yang et al. 2024): Qwen2 with experts, one of which all rows share.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{experts, norm, usual, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "qwen2_moe",
    read,
    part: None,
    prefixes: usual::PREFIXES,
    tensors: &[usual::ATTENTION, usual::FEED_FORWARD, experts::QWEN, usual::NORMS],
    head: usual::HEAD,
    ignored: usual::ROTARY_TABLES,
    other_parts: &[],
    // Whether there are biases, the files tell.
    harmless_fields: &["output_router_logits", "router_aux_loss_coef", "qkv_bias"],
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = usual::read(fields, names, norm::rms(fields, "rms_norm_eps")?, Rope::default())?;
    window::read_optional(fields, &mut config)?;
    let shared_width = fields.size("shared_expert_intermediate_size")?;
    experts::read_qwen(fields, &mut config, Some(shared_width))?;
    Ok(config)
}
