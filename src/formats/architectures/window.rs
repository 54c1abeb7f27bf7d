//! Attention windows as configurations describe them.

use super::layer_kinds::{self, LAYER_TYPES};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

/// How far the rows of a layer see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// To the beginning.
    Full,
    /// As far as the window.
    Windowed,
}

/// A window of all layers.
pub(super) fn everywhere(config: &mut ModelConfig, window: Option<usize>) {
    for attention in config.attentions() {
        attention.scores.window = window;
    }
}

/// The size of the window: `default` where the configuration does not mention one, none where it is `null`.
pub(super) fn size(fields: &Fields, default: usize) -> Result<Option<usize>, FormatError> {
    const NAME: &str = "sliding_window";
    Ok(if fields.names(NAME) { fields.optional_size(NAME)? } else { Some(default) })
}

/// The window of the families that have `use_sliding_window`: of the layers from `max_window_layers` on, or of those
/// that `layer_types` names.
pub(super) fn read_optional(fields: &Fields, config: &mut ModelConfig) -> Result<(), FormatError> {
    let is_used = fields.optional_flag("use_sliding_window")?.unwrap_or(false);
    // Where it is not used, some files say 0.
    let size = match fields.get("sliding_window") {
        Some(_) if is_used => fields.optional_size("sliding_window")?,
        _ => None,
    };
    let first = fields.optional_number("max_window_layers")?.unwrap_or(28.0);
    let usual = |index: usize| if index as f64 >= first { Sight::Windowed } else { Sight::Full };
    let sights = sights(fields, config.layers.len(), usual)?;
    for (layer, sight) in config.layers.iter_mut().zip(sights) {
        let Some(attention) = &mut layer.attention else { continue };
        attention.scores.window = size.filter(|_| sight == Sight::Windowed);
    }
    Ok(())
}

/// What `layer_types` says of each of so many layers; `usual` where there is no such list.
pub(super) fn sights(
    fields: &Fields,
    layers: usize,
    usual: impl Fn(usize) -> Sight,
) -> Result<Vec<Sight>, FormatError> {
    let known = [("full_attention", Sight::Full), ("sliding_attention", Sight::Windowed)];
    let listed = layer_kinds::read(fields, LAYER_TYPES, layers, &known)?;
    Ok(listed.unwrap_or_else(|| (0..layers).map(usual).collect()))
}
