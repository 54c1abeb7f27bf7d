//! Command R7B and Command A (Cohere 2024): three layers with a window and a rotary embedding for each with neither.

use super::family::{Family, StoredNames};
use super::window::{self, Sight};
use super::{cohere, llama_like};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "cohere2",
    read,
    tensors: cohere::TENSORS,
    harmless_fields: &["cache_implementation", "order_of_interleaved_layers", "position_embedding_type"],
    ..llama_like::USUAL
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = cohere::read(fields, names)?;
    let pattern = fields.optional_size("sliding_window_pattern")?.unwrap_or(4);
    let size = window::size(fields, 4096)?;
    let sight = |index: usize| {
        if (index + 1).is_multiple_of(pattern) { Sight::Full } else { Sight::Windowed }
    };
    let sights = window::sights(fields, config.layers.len(), sight)?;
    for (layer, sight) in config.layers.iter_mut().zip(sights) {
        let Some(attention) = &mut layer.attention else { continue };
        match sight {
            Sight::Windowed => attention.scores.window = size,
            Sight::Full => attention.rotary = None,
        }
    }
    Ok(config)
}
