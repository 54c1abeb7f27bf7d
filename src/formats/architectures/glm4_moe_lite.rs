//! GLM-4.7-Flash (Z.ai 2026): GLM-4.5's experts with DeepSeek's latent attention.

use super::experts::Absent;
use super::family::{Family, StoredNames};
use super::{deepseek_v3, experts, latent, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family { name: "glm4_moe_lite", read, ..deepseek_v3::FAMILY };

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("kv_lora_rank", 512),
    ("moe_intermediate_size", 1536),
    ("n_routed_experts", 64),
    ("n_shared_experts", 1),
    ("num_experts_per_tok", 4),
    ("qk_nope_head_dim", 192),
    ("qk_rope_head_dim", 64),
    ("v_head_dim", 256),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let mut config = latent::read(fields, names, norm, latent::stored_pairs(fields)?)?;
    deepseek_v3::refuse_softmax(fields)?;
    let dense_layers = dense_layers(fields)?.unwrap_or(1);
    experts::read_sigmoids(fields, &mut config, Absent { renormalised: true, dense_layers })?;
    Ok(config)
}

/// How many layers come before those with experts, by a list of what each has.
fn dense_layers(fields: &Fields) -> Result<Option<usize>, FormatError> {
    const KINDS: &str = "mlp_layer_types";
    let Some(kinds) = fields.optional_texts(KINDS)? else { return Ok(None) };
    let dense = kinds.iter().take_while(|kind| **kind == "dense").count();
    match kinds[dense..].iter().all(|kind| *kind == "sparse") {
        true => Ok(Some(dense)),
        false => Err(fields
            .error(KINDS, "only first layers that are dense, and sparse ones after them, are supported")),
    }
}
