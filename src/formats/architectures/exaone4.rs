//! EXAONE 4 (LG AI Research 2025): results of blocks are normalised, and each head of queries and keys; in its
//! larger form three layers with a window and a rotary embedding for each with neither.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::window::{self, Sight};
use super::{llama_like, norm, olmo2};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{BlockNorms, HeadNormExtent};

pub(super) const FAMILY: Family = Family {
    name: "exaone4",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, llama_like::HEAD_NORMS, olmo2::NORMS_AFTER],
    ..llama_like::USUAL
};

pub(super) fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    let size = window::size(fields, 4096)?;
    // Older files spell the pattern out, such as LLLG.
    let pattern = match fields.get("sliding_window_pattern") {
        Some(pattern) if pattern.is_string() => {
            fields.optional_text("sliding_window_pattern")?.map_or(4, str::len)
        }
        _ => fields.optional_number("sliding_window_pattern")?.map_or(4, |pattern| pattern as usize),
    };
    let sight = |index: usize| match size {
        Some(_) if pattern > 0 && !(index + 1).is_multiple_of(pattern) => Sight::Windowed,
        _ => Sight::Full,
    };
    let sights = window::sights(fields, config.layers.len(), sight)?;
    for (layer, sight) in config.layers.iter_mut().zip(sights) {
        let Some(attention) = &mut layer.attention else { continue };
        (layer.attention_norms, layer.feed_forward_norms) =
            (BlockNorms::after(norm), BlockNorms::after(norm));
        attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
        match (size, sight) {
            (Some(_), Sight::Windowed) => attention.scores.window = size,
            (Some(_), Sight::Full) => attention.rotary = None,
            (None, _) => {}
        }
    }
    Ok(config)
}
