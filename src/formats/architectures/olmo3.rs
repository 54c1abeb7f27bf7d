//! OLMo 3 (Olmo Team 2025): OLMo 2 with three layers with a window for each without, which alone stretch their
//! frequencies.

use super::family::{Family, StoredNames};
use super::window::{self, Sight};
use super::{llama_like, olmo2, rope};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family =
    Family { name: "olmo3", read, tensors: olmo2::FAMILY.tensors, ..llama_like::USUAL };

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = olmo2::read_with(fields, names, 500_000.0)?;
    let size = window::size(fields, 4096)?;
    let sight = |index: usize| {
        if (index + 1).is_multiple_of(4) { Sight::Full } else { Sight::Windowed }
    };
    let sights = window::sights(fields, config.layers.len(), sight)?;
    let head_width = config.first_attention().map_or(0, |attention| attention.head_width);
    let local = rope::of_windows(fields, config.context, head_width, None, |fields| {
        Ok(fields.optional_number("rope_theta")?.unwrap_or(500_000.0))
    })?;
    for (layer, _) in config.layers.iter_mut().zip(sights).filter(|(_, sight)| *sight == Sight::Windowed) {
        let Some(attention) = &mut layer.attention else { continue };
        attention.scores.window = size;
        attention.rotary = Some(local.clone());
    }
    Ok(config)
}
