//! Ministral 3 (Mistral AI 2025): Mistral with YaRN, and scores that grow with the position.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{llama_like, norm, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::ScoreGrowth;
use crate::model::rotary::{RampEnds, RotaryConfig, RotaryScaling};

pub(super) const FAMILY: Family = Family { name: "ministral3", read, ..llama_like::USUAL };

const RATE: &str = "llama_4_scaling_beta";

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("vocab_size", 131_072),
    ("hidden_size", 4096),
    ("intermediate_size", 14_336),
    ("num_hidden_layers", 34),
    ("num_attention_heads", 32),
    ("num_key_value_heads", 8),
    ("head_dim", 128),
    ("max_position_embeddings", 262_144),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    // The longest text of the whole, again.
    let rope = Rope { elsewhere: &[RATE, "max_position_embeddings"], ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let says_nothing =
        ["rope_parameters", "rope_scaling", "rope_theta"].iter().all(|name| fields.get(name).is_none());
    if says_nothing {
        for attention in config.attentions() {
            attention.rotary = Some(usual_rotary(attention.head_width));
            attention.scores.growth = Some(ScoreGrowth { rate: 0.1, interval: 16_384, offset: 0 });
        }
    } else if let Some(growth) = growth(fields, &config)? {
        config.attentions().for_each(|attention| attention.scores.growth = Some(growth));
    }
    window::everywhere(&mut config, fields.optional_size("sliding_window")?);
    Ok(config)
}

/// How scores grow, by the context that YaRN stretches.
fn growth(fields: &Fields, config: &ModelConfig) -> Result<Option<ScoreGrowth>, FormatError> {
    let (old, new) = (fields.optional_object("rope_scaling")?, fields.optional_object("rope_parameters")?);
    let Some(rope) = old.or(new) else { return Ok(None) };
    let Some(rate) = rope.optional_number(RATE)?.filter(|rate| *rate != 0.0) else { return Ok(None) };
    let rotary = config.first_attention().and_then(|attention| attention.rotary.as_ref());
    let Some(RotaryScaling::Yarn { original_context, .. }) = rotary.map(|rotary| &rotary.scaling) else {
        return Err(rope.error(RATE, "scores can grow only with a scaling by yarn"));
    };
    if original_context.fract() != 0.0 {
        let reason = "it has to be a whole number where scores grow";
        return Err(rope.error("original_max_position_embeddings", reason));
    }
    Ok(Some(ScoreGrowth { rate: rate as f32, interval: *original_context as usize, offset: 0 }))
}

/// The rotary embedding where the configuration says nothing of it.
fn usual_rotary(width: usize) -> RotaryConfig {
    let scaling = RotaryScaling::Yarn {
        factor: 16.0,
        original_context: 16_384.0,
        beta_fast: 32.0,
        beta_slow: 1.0,
        attention_factor: 1.0,
        ramp_ends: RampEnds::Whole,
    };
    RotaryConfig { width, theta: 1_000_000.0, scaling }
}
