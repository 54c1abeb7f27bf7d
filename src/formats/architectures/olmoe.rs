//! OLMoE (Muennighoff et al. 2024): whole rows of queries and keys are normalised, and every layer has experts.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{experts, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{ExpertsConfig, FeedForwardKind, HeadNormExtent};

pub(super) const FAMILY: Family = Family {
    name: "olmoe",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::HEAD_NORMS, experts::QWEN, llama_like::NORMS],
    harmless_fields: experts::HARMLESS_FIELDS,
    ..llama_like::USUAL
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    let experts = ExpertsConfig::new(count, active, experts::router(fields)?);
    for layer in &mut config.layers {
        let (Some(attention), Some(feed_forward)) = (&mut layer.attention, &mut layer.feed_forward) else {
            continue;
        };
        attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Row));
        feed_forward.kind = FeedForwardKind::Experts(experts);
    }
    Ok(config)
}
