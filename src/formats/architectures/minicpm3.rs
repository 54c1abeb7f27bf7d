//! MiniCPM3 (OpenBMB 2024): latent attention in a decoder without experts, with factors on embeddings, residuals and what
//! the LM head reads.

use super::family::{Family, StoredNames};
use super::{latent, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{HeadWeights, StoredPairs};

pub(super) const FAMILY: Family = Family {
    name: "minicpm3",
    read,
    tensors: &[latent::ATTENTION, llama_like::FEED_FORWARD, llama_like::NORMS],
    harmless_fields: &["head_dim", "num_key_value_heads", "pretraining_tp", "qk_head_dim"],
    ..llama_like::USUAL
};

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[("kv_lora_rank", 256), ("qk_nope_head_dim", 64), ("qk_rope_head_dim", 32)];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let mut config = latent::read(fields, names, norm, StoredPairs::Halves)?;
    config.head = llama_like::head(fields, HeadWeights::Tied)?;
    config.embedding.scale = fields.optional_number("scale_emb")?.unwrap_or(12.0) as f32;
    // A factor that is null is none, one that is absent the published one.
    let or_published = |name: &str, published: f64, none: f64| {
        let absent = if fields.names(name) { none } else { published };
        Ok::<f64, FormatError>(fields.optional_number(name)?.unwrap_or(absent))
    };
    let depth = (config.layers.len() as f64).sqrt();
    let residual = (or_published("scale_depth", 1.4, depth)? / depth) as f32;
    config.layers.iter_mut().for_each(|layer| layer.residual.scale = residual);
    let width = config.width as f64;
    config.logits.scale = (or_published("dim_model_base", 256.0, width)? / width) as f32;
    Ok(config)
}
