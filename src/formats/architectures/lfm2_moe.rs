//! LFM2-MoE (Liquid AI 2025): LFM2 with experts after the first layers, chosen by their sigmoids and a bias.

use super::family::{Family, Mapping, StoredNames, stored};
use super::{experts, lfm2};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{Bias, ExpertsConfig, RouterConfig};

pub(super) const FAMILY: Family = Family {
    name: "lfm2_moe",
    read,
    tensors: &[
        lfm2::ATTENTION,
        lfm2::CONVOLUTIONS,
        lfm2::HEAD_NORMS,
        lfm2::FEED_FORWARD,
        EXPERTS,
        lfm2::NORMS,
    ],
    harmless_fields: experts::HARMLESS_FIELDS,
    ..lfm2::FAMILY
};

const EXPERTS: &[Mapping] = &[
    stored("layers.#.feed_forward.gate", &["layers.#.feed_forward.router"]),
    stored("layers.#.feed_forward.expert_bias", &["layers.#.feed_forward.selection.bias"]),
    stored("layers.#.feed_forward.experts.*.w1", &["layers.#.feed_forward.experts.gate"]),
    stored("layers.#.feed_forward.experts.*.w3", &["layers.#.feed_forward.experts.up"]),
    stored("layers.#.feed_forward.experts.*.w2", &["layers.#.feed_forward.experts.down"]),
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("intermediate_size", 7168),
    ("moe_intermediate_size", 1792),
    ("num_experts", 32),
    ("num_experts_per_tok", 4),
    ("num_key_value_heads", 8),
];

/// What is added to the sum that the experts' shares are divided by.
const EPSILON: f32 = 1e-6;

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let mut config = lfm2::read_with(fields, names)?;
    let is_biased = fields.optional_flag("use_expert_bias")?.unwrap_or(true);
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    let experts = ExpertsConfig {
        selection_bias: if is_biased { Bias::Present } else { Bias::Absent },
        ..ExpertsConfig::new(count, active, router(fields)?)
    };
    let width = fields.size("moe_intermediate_size")?;
    let dense = fields.optional_count("num_dense_layers")?.unwrap_or(2);
    experts::after(&mut config, dense, width, experts);
    Ok(config)
}

fn router(fields: &Fields) -> Result<RouterConfig, FormatError> {
    experts::refuse_other_scores(fields)?;
    let is_renormalised = fields.optional_flag("norm_topk_prob")?.unwrap_or(true);
    Ok(RouterConfig {
        renormalised: is_renormalised.then_some(EPSILON),
        factor: fields.optional_number("routed_scaling_factor")?.unwrap_or(1.0) as f32,
        ..RouterConfig::SIGMOID
    })
}
