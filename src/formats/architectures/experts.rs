//! Experts as configurations and files of several families describe them.

use super::family::{Mapping, laid_out, stored};
use super::layer_kinds;
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{
    Bias, ExpertGroups, ExpertsConfig, FeedForwardConfig, FeedForwardKind, GroupRank, RouterConfig,
    SharedExpert, SharedGate,
};

/// The router and the experts of Qwen's families, and the expert that all rows share.
pub(super) const QWEN: &[Mapping] = &[
    stored("layers.#.mlp.gate", &["layers.#.feed_forward.router"]),
    stored("layers.#.mlp.experts.*.gate_proj", &["layers.#.feed_forward.experts.gate"]),
    stored("layers.#.mlp.experts.*.up_proj", &["layers.#.feed_forward.experts.up"]),
    stored("layers.#.mlp.experts.*.down_proj", &["layers.#.feed_forward.experts.down"]),
    stored("layers.#.mlp.shared_expert.gate_proj", &["layers.#.feed_forward.shared.gate"]),
    stored("layers.#.mlp.shared_expert.up_proj", &["layers.#.feed_forward.shared.up"]),
    stored("layers.#.mlp.shared_expert.down_proj", &["layers.#.feed_forward.shared.down"]),
    stored("layers.#.mlp.shared_expert_gate", &["layers.#.feed_forward.shared_gate"]),
];

/// The same experts where a layer has all of them in two tensors.
pub(super) const TOGETHER: &[Mapping] = &[
    laid_out(
        Layout::ByExpert,
        "layers.#.mlp.experts.gate_up_proj",
        &["layers.#.feed_forward.experts.gate.weight", "layers.#.feed_forward.experts.up.weight"],
    ),
    laid_out(
        Layout::ByExpert,
        "layers.#.mlp.experts.down_proj",
        &["layers.#.feed_forward.experts.down.weight"],
    ),
];

/// The router, its selecting bias and the experts of the families that choose by sigmoids, and the expert that all rows
/// share.
pub(super) const SIGMOIDS: &[Mapping] = &[
    stored("layers.#.mlp.gate", &["layers.#.feed_forward.router"]),
    stored("layers.#.mlp.gate.e_score_correction_bias", &["layers.#.feed_forward.selection.bias"]),
    stored("layers.#.mlp.experts.*.gate_proj", &["layers.#.feed_forward.experts.gate"]),
    stored("layers.#.mlp.experts.*.up_proj", &["layers.#.feed_forward.experts.up"]),
    stored("layers.#.mlp.experts.*.down_proj", &["layers.#.feed_forward.experts.down"]),
    stored("layers.#.mlp.shared_experts.gate_proj", &["layers.#.feed_forward.shared.gate"]),
    stored("layers.#.mlp.shared_experts.up_proj", &["layers.#.feed_forward.shared.up"]),
    stored("layers.#.mlp.shared_experts.down_proj", &["layers.#.feed_forward.shared.down"]),
];

/// Fields about the router's training.
pub(super) const HARMLESS_FIELDS: &[&str] =
    &["output_router_logits", "router_aux_loss_coef", "router_jitter_noise"];

/// How many experts there are: older files and those of transformers 5 have two names for it.
pub(super) fn count(fields: &Fields) -> Result<usize, FormatError> {
    match fields.optional_size("num_experts")? {
        Some(count) => Ok(count),
        None => fields.size("num_local_experts"),
    }
}

/// The softmax over all experts, or over those chosen.
pub(super) fn router(fields: &Fields) -> Result<RouterConfig, FormatError> {
    router_or(fields, false)
}

/// As [`router`]; `is_renormalised` where the configuration does not say it.
pub(super) fn router_or(fields: &Fields, is_renormalised: bool) -> Result<RouterConfig, FormatError> {
    let is_renormalised = fields.optional_flag("norm_topk_prob")?.unwrap_or(is_renormalised);
    Ok(if is_renormalised { RouterConfig::SOFTMAX_OF_CHOSEN } else { RouterConfig::SOFTMAX_OF_ALL })
}

/// As [`read_routed`], with the router that the configuration names.
pub(super) fn read_qwen(
    fields: &Fields,
    config: &mut ModelConfig,
    shared_width: Option<usize>,
) -> Result<(), FormatError> {
    read_routed(fields, config, shared_width, router(fields)?)
}

/// Puts the experts of Qwen's families in the place of the feed-forward block of the layers that have them:
/// each `decoder_sparse_step`-th layer but `mlp_only_layers`.
pub(super) fn read_routed(
    fields: &Fields,
    config: &mut ModelConfig,
    shared_width: Option<usize>,
    router: RouterConfig,
) -> Result<(), FormatError> {
    let step = fields.optional_size("decoder_sparse_step")?.unwrap_or(1);
    let without = fields.optional_indices("mlp_only_layers")?.unwrap_or_default();
    let (count, active) = (count(fields)?, fields.size("num_experts_per_tok")?);
    let shared = shared_width.map(|width| SharedExpert { width, gate: SharedGate::Sigmoid });
    let experts = ExpertsConfig { shared, ..ExpertsConfig::new(count, active, router) };
    let width = fields.size("moe_intermediate_size")?;
    for (index, layer) in config.layers.iter_mut().enumerate() {
        let Some(feed_forward) = &mut layer.feed_forward else { continue };
        if (index + 1).is_multiple_of(step) && !without.contains(&index) {
            put(feed_forward, width, experts);
        }
    }
    Ok(())
}

/// What counts where the configuration of experts that are chosen by sigmoids leaves it out.
#[derive(Clone, Copy)]
pub(super) struct Absent {
    /// Whether shares are divided by their sum.
    pub renormalised: bool,
    /// How many layers come before those with experts.
    pub dense_layers: usize,
}

/// Puts experts that are chosen by sigmoids, biases and groups in the place of the feed-forward block of all layers but
/// the first ones, beside one that computes every row.
pub(super) fn read_sigmoids(
    fields: &Fields,
    config: &mut ModelConfig,
    absent: Absent,
) -> Result<(), FormatError> {
    refuse_other_scores(fields)?;
    let width = fields.size("moe_intermediate_size")?;
    let shared_width = width.saturating_mul(fields.size("n_shared_experts")?);
    let (count, active) = (fields.size("n_routed_experts")?, fields.size("num_experts_per_tok")?);
    let experts = ExpertsConfig {
        selection_bias: Bias::Present,
        shared: Some(SharedExpert { width: shared_width, gate: SharedGate::Absent }),
        ..ExpertsConfig::new(count, active, sigmoids(fields, absent.renormalised)?)
    };
    let dense = fields.optional_count("first_k_dense_replace")?.unwrap_or(absent.dense_layers);
    after(config, dense, width, experts);
    Ok(())
}

/// Puts experts of a width in the place of the feed-forward block of all layers after the first ones.
pub(super) fn after(config: &mut ModelConfig, dense_layers: usize, width: usize, experts: ExpertsConfig) {
    config.feed_forwards().skip(dense_layers).for_each(|block| put(block, width, experts));
}

/// The same of the layers that a list calls sparse, where the configuration has one.
pub(super) fn in_sparse_layers(
    fields: &Fields,
    config: &mut ModelConfig,
    dense_layers: usize,
    width: usize,
    experts: ExpertsConfig,
) -> Result<(), FormatError> {
    let dense_layers = fields.optional_count("first_k_dense_replace")?.unwrap_or(dense_layers);
    match sparse_layers(fields, config.layers.len())? {
        None => after(config, dense_layers, width, experts),
        Some(listed) => {
            let sparse = config.feed_forwards().zip(listed).filter(|(_, is_sparse)| *is_sparse);
            sparse.for_each(|(block, _)| put(block, width, experts));
        }
    }
    Ok(())
}

/// Which of so many layers have experts, where the configuration lists it.
pub(super) fn sparse_layers(fields: &Fields, layers: usize) -> Result<Option<Vec<bool>>, FormatError> {
    layer_kinds::read(fields, "mlp_layer_types", layers, &[("dense", false), ("sparse", true)])
}

/// Puts experts of a width in the place of a feed-forward block.
pub(super) fn put(block: &mut FeedForwardConfig, width: usize, experts: ExpertsConfig) {
    *block = FeedForwardConfig { width, kind: FeedForwardKind::Experts(experts), ..*block };
}

/// Sigmoids of experts in groups, or all in one; `is_renormalised` where the configuration does not say it.
pub(super) fn sigmoids(fields: &Fields, is_renormalised: bool) -> Result<RouterConfig, FormatError> {
    let is_renormalised = fields.optional_flag("norm_topk_prob")?.unwrap_or(is_renormalised);
    Ok(RouterConfig {
        groups: groups(fields, GroupRank::TwoLargest)?,
        renormalised: is_renormalised.then_some(SUM_EPSILON),
        factor: fields.optional_number("routed_scaling_factor")?.unwrap_or(1.0) as f32,
        ..RouterConfig::SIGMOID
    })
}

/// The groups that experts are in, if there are several.
pub(super) fn groups(fields: &Fields, rank: GroupRank) -> Result<Option<ExpertGroups>, FormatError> {
    let kept = fields.optional_size("topk_group")?.unwrap_or(1);
    let count = fields.optional_size("n_group")?.filter(|count| *count > 1);
    Ok(count.map(|count| ExpertGroups { count, kept, rank }))
}

/// What most such families add to the sum that shares are divided by.
pub(super) const SUM_EPSILON: f32 = 1e-20;

/// Refuses other scores than sigmoids, which GGUF files name by a number.
pub(super) fn refuse_other_scores(fields: &Fields) -> Result<(), FormatError> {
    const SCORES: &str = "expert_gating_func";
    match fields.optional_number(SCORES)? {
        Some(function) if function != 2.0 => {
            Err(fields.error(SCORES, "only sigmoids, 2, are supported in this family"))
        }
        _ => Ok(()),
    }
}
