//! StableLM 2 (Bellagamba et al. 2024): LayerNorm, heads that rotate in part, blocks one after the other or side
//! by side.

use super::rope::Rope;
use super::{Family, StoredNames, norm, usual};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{Bias, BlockNorms, Flow};

pub(super) const FAMILY: Family = Family {
    name: "stablelm",
    read,
    part: None,
    prefixes: usual::PREFIXES,
    tensors: usual::TENSORS,
    head: usual::HEAD,
    ignored: usual::ROTARY_TABLES,
    other_parts: &[],
    harmless_fields: &["rotary_scaling_factor"],
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let rope = Rope { share: Some(0.25), ..Rope::default() };
    let norm = norm::layer(fields, "layer_norm_eps", Bias::Present)?;
    let mut config = usual::read(fields, names, norm, rope)?;
    if fields.optional_flag("qk_layernorm")?.unwrap_or(false) {
        return Err(fields.error("qk_layernorm", "norms of single heads, stored apart, are not supported"));
    }
    let (has_biases, parallel) =
        (fields.optional_flag("use_qkv_bias")?, fields.optional_flag("use_parallel_residual")?);
    for layer in &mut config.layers {
        if has_biases == Some(true) {
            layer.attention.query_key_value_bias = Bias::Present;
        }
        if parallel == Some(true) {
            layer.residual.flow = Flow::Parallel;
            layer.feed_forward_norms = BlockNorms::NONE;
        }
    }
    Ok(config)
}
