//! Granite 3 (Granite Team, IBM 2024) with experts: those whose results are highest, by the softmax over these, in later
//! models beside one that computes every row.

use super::family::{Family, StoredNames};
use super::{experts, granite, granitemoehybrid, llama_like};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{ExpertsConfig, FeedForwardKind, RouterConfig, SharedExpert, SharedGate};

pub(super) const FAMILY: Family = Family {
    name: "granitemoe",
    read,
    tensors: &[llama_like::ATTENTION, granitemoehybrid::EXPERTS, llama_like::NORMS],
    harmless_fields: experts::HARMLESS_FIELDS,
    ..llama_like::USUAL
};

/// With the expert that all rows share.
pub(super) const SHARED: Family = Family { name: "granitemoeshared", read: read_shared, ..FAMILY };

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[("num_local_experts", 8), ("num_experts_per_tok", 2)];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read_with(fields, names, None)
}

fn read_shared(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    // None where it is 0.
    let width = fields.optional_count("shared_intermediate_size")?.filter(|width| *width > 0);
    read_with(fields, names, width.map(|width| SharedExpert { width, gate: SharedGate::Absent }))
}

fn read_with(
    fields: &Fields,
    names: &dyn StoredNames,
    shared: Option<SharedExpert>,
) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let mut config = granite::read(fields, names)?;
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    let experts =
        ExpertsConfig { shared, ..ExpertsConfig::new(count, active, RouterConfig::SOFTMAX_OF_CHOSEN) };
    for feed_forward in config.feed_forwards() {
        feed_forward.kind = FeedForwardKind::Experts(experts);
    }
    Ok(config)
}
