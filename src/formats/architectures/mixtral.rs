//! Mixtral (Jiang et al. 2024): Mistral with experts.

use super::family::{Family, Mapping, StoredNames, stored};
use super::{experts, llama_like};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{ExpertsConfig, FeedForwardKind, RouterConfig};

pub(super) const FAMILY: Family = Family {
    name: "mixtral",
    read,
    tensors: &[llama_like::ATTENTION, EXPERTS, llama_like::NORMS],
    harmless_fields: experts::HARMLESS_FIELDS,
    ..llama_like::USUAL
};

/// The router and the experts.
pub(super) const EXPERTS: &[Mapping] = &[
    stored("layers.#.block_sparse_moe.gate", &["layers.#.feed_forward.router"]),
    stored("layers.#.block_sparse_moe.experts.*.w1", &["layers.#.feed_forward.experts.gate"]),
    stored("layers.#.block_sparse_moe.experts.*.w3", &["layers.#.feed_forward.experts.up"]),
    stored("layers.#.block_sparse_moe.experts.*.w2", &["layers.#.feed_forward.experts.down"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = llama_like::read_plain(fields, names)?;
    super::window::everywhere(&mut config, fields.optional_size("sliding_window")?);
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    let experts = ExpertsConfig::new(count, active, RouterConfig::SOFTMAX_OF_CHOSEN);
    for feed_forward in config.feed_forwards() {
        feed_forward.kind = FeedForwardKind::Experts(experts);
    }
    Ok(config)
}
