//! MiniCPM (Hu et al. 2024) and MiniCPM 4: Llama with factors on embeddings, residuals and logits, which follow from sizes.

use super::family::{Family, StoredNames};
use super::llama_like;
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::HeadWeights;

pub(super) const FAMILY: Family = Family {
    name: "minicpm",
    read,
    harmless_fields: &["pretraining_tp", "mup_denominator"],
    ..llama_like::USUAL
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    const SPARSE: &str = "sparse_config";
    if fields.get(SPARSE).is_some() {
        let reason = "attention that leaves out blocks of long texts is not supported";
        return Err(fields.error(SPARSE, reason));
    }
    let mut config = llama_like::read_plain(fields, names)?;
    config.head = llama_like::head(fields, HeadWeights::Tied)?;
    let number = |name: &str| fields.optional_number(name);
    let scale_of = |name: &str, default: f64| Ok::<f64, FormatError>(number(name)?.unwrap_or(default));
    // GGUF files have the factors themselves.
    let residual = match number("_residual_scale")? {
        Some(scale) => scale,
        None => scale_of("scale_depth", 1.0)? / (config.layers.len() as f64).sqrt(),
    };
    let logits = match number("_logit_scale")? {
        Some(divisor) => divisor.recip(),
        None => scale_of("dim_model_base", 1.0)? / config.width as f64,
    };
    config.embedding.scale = scale_of("scale_emb", 1.0)? as f32;
    config.logits.scale = logits as f32;
    config.layers.iter_mut().for_each(|layer| layer.residual.scale = residual as f32);
    Ok(config)
}
