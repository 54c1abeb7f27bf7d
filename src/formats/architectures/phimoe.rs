//! Phi-3.5-MoE (Abdin et al. 2024): LayerNorms, biases, and two experts that a sparse mixer chooses.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{experts, llama_like, mixtral, norm, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{Bias, ExpertsConfig, FeedForwardKind, RouterConfig, RouterScores};
use crate::model::rotary::RotaryScaling;

pub(super) const FAMILY: Family = Family {
    name: "phimoe",
    read,
    tensors: &[llama_like::ATTENTION, mixtral::EXPERTS, llama_like::NORMS],
    harmless_fields: &[
        "input_jitter_noise",
        "output_router_logits",
        "router_aux_loss_coef",
        "hidden_dropout",
        "max_window_layers",
    ],
    ..llama_like::USUAL
};

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] =
    &[("num_key_value_heads", 8), ("num_experts_per_tok", 2), ("num_local_experts", 16)];

const MAGNITUDES: [&str; 2] = ["short_mscale", "long_mscale"];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let norm = norm::layer(fields, "rms_norm_eps", Bias::Present)?;
    let rope = Rope { theta: 1_000_000.0, elsewhere: &MAGNITUDES, ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    if fields.optional_flag("lm_head_bias")?.unwrap_or(false) {
        config.head_bias = Bias::Present;
    }
    window::everywhere(&mut config, fields.optional_size("sliding_window")?);
    put_magnitude(fields, &mut config)?;
    let active = fields.size("num_experts_per_tok")?;
    if active != 2 {
        return Err(fields.error("num_experts_per_tok", "the router of this family chooses 2"));
    }
    let jitter = fields.optional_number("router_jitter_noise")?.unwrap_or(0.01);
    let scores = RouterScores::SparseMixer { spread: (2.0 * jitter) as f32 };
    let router = RouterConfig { scores, ..RouterConfig::SOFTMAX_OF_ALL };
    let experts = ExpertsConfig::new(experts::count(fields)?, active, router);
    config.feed_forwards().for_each(|block| block.kind = FeedForwardKind::Experts(experts));
    Ok(config)
}

/// The factor on cosines and sines, which the family has in fields of its own.
fn put_magnitude(fields: &Fields, config: &mut ModelConfig) -> Result<(), FormatError> {
    let (old, new) = (fields.optional_object("rope_scaling")?, fields.optional_object("rope_parameters")?);
    let Some(rope) = old.or(new) else { return Ok(()) };
    for rotary in config.attentions().filter_map(|attention| attention.rotary.as_mut()) {
        match &mut rotary.scaling {
            RotaryScaling::Plain => {}
            RotaryScaling::LongRope { attention_factor, .. } => {
                let [short, long] = [rope.number(MAGNITUDES[0])?, rope.number(MAGNITUDES[1])?];
                if short != long {
                    let reason = format!("it has to be as {}, {short}", MAGNITUDES[0]);
                    return Err(rope.error(MAGNITUDES[1], reason));
                }
                *attention_factor = short;
            }
            _ => return Err(fields.error("rope_scaling", "only longrope is supported in this family")),
        }
    }
    Ok(())
}
