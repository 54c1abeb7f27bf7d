//! Arcee's foundation models (AFM, Arcee AI 2025): Llama with squared ReLU in place of a gate.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{activation, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{Activation, FeedForwardKind};

pub(super) const FAMILY: Family = Family { name: "arcee", read, ..llama_like::USUAL };

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let activation = activation::read(fields, "hidden_act", Activation::ReluSquared)?;
    let mut config = llama_like::read_with(fields, names, norm, Rope::default(), activation)?;
    for feed_forward in config.feed_forwards() {
        feed_forward.kind = FeedForwardKind::Plain;
    }
    Ok(config)
}
