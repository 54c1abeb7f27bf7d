//! Qwen2-MoE (Yang et al. 2024): Qwen2 with experts, one of which all rows share.

use super::family::{Family, StoredNames};
use super::{experts, llama_like, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "qwen2_moe",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, experts::QWEN, llama_like::NORMS],
    // Whether there are biases, the files tell.
    harmless_fields: &["output_router_logits", "router_aux_loss_coef", "qkv_bias"],
    ..llama_like::USUAL
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = llama_like::read_plain(fields, names)?;
    window::read_optional(fields, &mut config)?;
    let shared_width = fields.size("shared_expert_intermediate_size")?;
    experts::read_qwen(fields, &mut config, Some(shared_width))?;
    Ok(config)
}
