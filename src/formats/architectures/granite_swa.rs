//! Granite Swash (Granite Team, IBM 2026): Granite with attention sinks, three layers with a window for each without, and
//! a base of the rotary frequencies for each layer.

use super::family::{Family, Mapping, StoredNames, stored};
use super::window::{self, Sight};
use super::{granite, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{HeadWeights, Sinks};

pub(super) const FAMILY: Family = Family {
    name: "granite_swa",
    read,
    tensors: &[SINKS, llama_like::ATTENTION, llama_like::FEED_FORWARD, llama_like::NORMS],
    ..llama_like::USUAL
};

const SINKS: &[Mapping] = &[stored("layers.#.self_attn.sinks", &["layers.#.attention.sinks.weight"])];

/// A base for each layer; 0 where heads do not rotate.
const BASES: &str = "layer_rope_theta";
/// GGUF files alone have this: whether heads rotate, for each layer.
const ROTATES: &str = "_rotates_by_layer";

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = granite::read_with(fields, names, norm::rms_or(fields, "rms_norm_eps", 1e-5)?)?;
    config.head = llama_like::head(fields, HeadWeights::Tied)?;
    let size = window::size(fields, 128)?;
    let usual = |index: usize| if index.is_multiple_of(4) { Sight::Full } else { Sight::Windowed };
    let layers = config.layers.len();
    let sights = window::sights(fields, layers, usual)?;
    let bases = by_layer(fields, BASES, layers)?;
    let rotates = by_layer(fields, ROTATES, layers)?;
    for (index, (attention, sight)) in config.attentions().zip(sights).enumerate() {
        attention.sinks = Sinks::Present;
        attention.scores.window = size.filter(|_| sight == Sight::Windowed);
        if let (Some(bases), Some(rotary)) = (&bases, &mut attention.rotary) {
            rotary.theta = bases[index];
        }
        let is_still = |numbers: &Option<Vec<f64>>| numbers.as_ref().is_some_and(|of| of[index] == 0.0);
        if is_still(&bases) || is_still(&rotates) {
            attention.rotary = None;
        }
    }
    Ok(config)
}

/// A number for each of so many layers, if the field is there.
fn by_layer(fields: &Fields, name: &str, layers: usize) -> Result<Option<Vec<f64>>, FormatError> {
    match fields.optional_numbers(name)? {
        Some(numbers) if numbers.len() != layers => {
            Err(fields.error(name, format!("it has to have a number for each of the {layers} layers")))
        }
        numbers => Ok(numbers),
    }
}
