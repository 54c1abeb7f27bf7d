//! SmolLM3 (Bakouch et al. 2025): every fourth layer has no rotary embedding.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{llama_like, norm, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::HeadWeights;

pub(super) const FAMILY: Family = Family {
    name: "smollm3",
    read,
    harmless_fields: &["max_window_layers", "pretraining_tp"],
    ..llama_like::USUAL
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let rope = Rope { theta: 2_000_000.0, ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm::rms(fields, "rms_norm_eps")?, rope)?;
    config.head = llama_like::head(fields, HeadWeights::Tied)?;
    let interval = fields.optional_size("no_rope_layer_interval")?.unwrap_or(4);
    let listed = fields.optional_numbers("no_rope_layers")?;
    for (index, layer) in config.layers.iter_mut().enumerate() {
        let Some(attention) = &mut layer.attention else { continue };
        // In spite of its name the list has a 1 where a layer has a rotary embedding.
        let rotates = match &listed {
            None => !(index + 1).is_multiple_of(interval),
            Some(listed) => {
                *listed
                    .get(index)
                    .ok_or_else(|| fields.error("no_rope_layers", "it has to have a number for each layer"))?
                    != 0.0
            }
        };
        if !rotates {
            attention.rotary = None;
        }
    }
    window::read_optional(fields, &mut config)?;
    Ok(config)
}
