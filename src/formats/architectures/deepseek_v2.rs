//! DeepSeek-V2 (2024): latent attention and, after the first layers, experts chosen by the softmax over all of them, in the
//! larger models of the groups with the likeliest ones, beside one that computes every row.

use super::family::{Family, StoredNames};
use super::{deepseek_v3, experts, latent, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    ExpertGroups, ExpertsConfig, GroupRank, RouterConfig, SharedExpert, SharedGate, StoredPairs,
};

pub(super) const FAMILY: Family = Family { name: "deepseek_v2", read, ..deepseek_v3::FAMILY };

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("kv_lora_rank", 512),
    ("moe_intermediate_size", 1407),
    ("n_routed_experts", 64),
    ("n_shared_experts", 2),
    ("qk_nope_head_dim", 128),
    ("qk_rope_head_dim", 64),
    ("v_head_dim", 128),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let mut config = latent::read(fields, names, norm, StoredPairs::Neighbours)?;
    refuse_other_routers(fields)?;
    let groups = groups(fields)?;
    let width = fields.size("moe_intermediate_size")?;
    let shared_width = width.saturating_mul(fields.size("n_shared_experts")?);
    let factor = fields.optional_number("routed_scaling_factor")?.unwrap_or(1.0) as f32;
    let router = RouterConfig { factor, groups, ..RouterConfig::SOFTMAX_OF_ALL };
    let (count, active) = (fields.size("n_routed_experts")?, fields.size("num_experts_per_tok")?);
    let experts = ExpertsConfig {
        shared: Some(SharedExpert { width: shared_width, gate: SharedGate::Absent }),
        ..ExpertsConfig::new(count, active, router)
    };
    experts::after(&mut config, fields.optional_count("first_k_dense_replace")?.unwrap_or(0), width, experts);
    Ok(config)
}

/// The groups of whose likeliest experts the choice is, where the method says so; their numbers alone say nothing.
fn groups(fields: &Fields) -> Result<Option<ExpertGroups>, FormatError> {
    const METHOD: &str = "topk_method";
    let groups = experts::groups(fields, GroupRank::Largest)?;
    match fields.optional_text(METHOD)? {
        None | Some("greedy") => Ok(None),
        Some("group_limited_greedy") => Ok(groups),
        Some(_) => Err(fields.error(METHOD, "only \"greedy\" and \"group_limited_greedy\" are supported")),
    }
}

/// Refuses what the family's routers can do besides, and biases that experts would have.
fn refuse_other_routers(fields: &Fields) -> Result<(), FormatError> {
    const SCORES: &str = "scoring_func";
    if fields.optional_text(SCORES)?.is_some_and(|scores| scores != "softmax") {
        return Err(fields.error(SCORES, "only softmax is supported in this family"));
    }
    const FUNCTION: &str = "expert_gating_func";
    if fields.optional_number(FUNCTION)?.is_some_and(|function| function != 1.0) {
        return Err(fields.error(FUNCTION, "only softmax, 1, is supported in this family"));
    }
    for (flag, reason) in [
        ("norm_topk_prob", "shares of experts are never divided by their sum in this family"),
        ("mlp_bias", "no published model has biases there"),
    ] {
        if fields.optional_flag(flag)? == Some(true) {
            return Err(fields.error(flag, reason));
        }
    }
    Ok(())
}
