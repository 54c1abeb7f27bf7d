//! Apertus (Swiss AI Initiative 2025): normalised heads of queries and keys, and xIELU in place of a gate, whose numbers each
//! layer has learned.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::{activation, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{Activation, FeedForwardKind, HeadNormExtent, Xielu};
use crate::model::rotary::RotaryScaling;

pub(super) const FAMILY: Family = Family {
    name: "apertus",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, NORMS, llama_like::HEAD_NORMS],
    // The first four are read with the configuration.
    ignored: &[
        "layers.#.mlp.act_fn.alpha_p",
        "layers.#.mlp.act_fn.alpha_n",
        "layers.#.mlp.act_fn.beta",
        "layers.#.mlp.act_fn.eps",
        llama_like::ROTARY_TABLES[0],
        llama_like::ROTARY_TABLES[1],
    ],
    // Training.
    harmless_fields: &["post_norm", "qk_norm", "mlp_type"],
    ..llama_like::USUAL
};

const NORMS: &[Mapping] = &[
    stored("layers.#.attention_layernorm", &["layers.#.attention.norm"]),
    stored("layers.#.feedforward_layernorm", &["layers.#.feed_forward.norm"]),
    stored("norm", &["final_norm"]),
];

const ACTIVATION: &str = "hidden_act";
const THETA: f64 = 12_000_000.0;

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let is_xielu = fields.optional_text(ACTIVATION)?.is_none_or(|name| name == "xielu");
    let activation = match is_xielu {
        true => Activation::Identity,
        false => activation::read(fields, ACTIVATION, Activation::Silu)?,
    };
    let rope = Rope { theta: THETA, ..Rope::default() };
    let mut config = llama_like::read_with(fields, names, norm, rope, activation)?;
    let is_stretched = fields.get("rope_scaling").is_none()
        && fields.get("rope_parameters").is_none()
        && !fields.are_metadata();
    for (index, layer) in config.layers.iter_mut().enumerate() {
        let (Some(attention), Some(feed_forward)) = (&mut layer.attention, &mut layer.feed_forward) else {
            continue;
        };
        attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
        if let Some(rotary) = attention.rotary.as_mut().filter(|_| is_stretched) {
            rotary.scaling = USUAL_SCALING;
        }
        feed_forward.kind = match is_xielu {
            true => FeedForwardKind::Xielu(xielu(fields, names, index)?),
            false => FeedForwardKind::Plain,
        };
    }
    Ok(config)
}

/// What counts where the configuration does not mention any.
const USUAL_SCALING: RotaryScaling = RotaryScaling::Llama3 {
    factor: 8.0,
    low_frequency_factor: 1.0,
    high_frequency_factor: 4.0,
    original_context: 8192.0,
};

/// The numbers of a layer, which a folder has among its tensors and a GGUF file among its keys.
fn xielu(fields: &Fields, names: &dyn StoredNames, layer: usize) -> Result<Xielu, FormatError> {
    let number = |name: &str| {
        let listed = fields.optional_numbers(&format!("_xielu_{name}"))?;
        let stored = || names.number(&format!("layers.{layer}.mlp.act_fn.{name}"));
        let number = match listed.as_deref() {
            Some([all]) => Some(*all),
            Some(numbers) => numbers.get(layer).copied(),
            None => stored(),
        };
        Ok::<_, FormatError>(number)
    };
    let learned = |name: &str| {
        number(name)?.filter(|number| number.is_finite()).ok_or_else(|| {
            fields.error(ACTIVATION, format!("xIELU's {name} of layer {layer} is missing, or is no number"))
        })
    };
    let linear = number("beta")?.unwrap_or(0.5);
    Ok(Xielu::learned(learned("alpha_p")?, learned("alpha_n")?, linear, number("eps")?.unwrap_or(-1e-6)))
}
