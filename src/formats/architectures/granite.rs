//! Granite 3 (Granite Team, IBM 2024): Llama with factors on embeddings, residuals, scores and logits.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::NormConfig;

pub(super) const FAMILY: Family = Family { name: "granite", read, ..llama_like::USUAL };

/// As this family and its successors are.
pub(super) fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read_with(fields, names, norm::rms(fields, "rms_norm_eps")?)
}

/// As [`read`], with these norms.
pub(super) fn read_with(
    fields: &Fields,
    names: &dyn StoredNames,
    norm: NormConfig,
) -> Result<ModelConfig, FormatError> {
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    let factor = |name: &str| Ok::<f64, FormatError>(fields.optional_number(name)?.unwrap_or(1.0));
    config.embedding.scale = factor("embedding_multiplier")? as f32;
    config.logits.scale = factor("logits_scaling")?.recip() as f32;
    for layer in &mut config.layers {
        let Some(attention) = &mut layer.attention else { continue };
        layer.residual.scale = factor("residual_multiplier")? as f32;
        attention.scale = factor("attention_multiplier")? as f32;
    }
    // GGUF files alone say this.
    if fields.optional_flag("_rotates")? == Some(false) {
        config.attentions().for_each(|attention| attention.rotary = None);
    }
    Ok(config)
}
