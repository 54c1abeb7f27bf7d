//! StarCoder2 (Lozhkov et al. 2024): LayerNorm, a plain feed-forward block, biases everywhere, a window.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::{activation, llama_like, norm, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{Activation, Bias, FeedForwardKind, HeadWeights};

pub(super) const FAMILY: Family = Family {
    name: "starcoder2",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::NORMS, FEED_FORWARD],
    harmless_fields: &["residual_dropout", "embedding_dropout", "norm_type", "mlp_type"],
    ..llama_like::USUAL
};

const FEED_FORWARD: &[Mapping] = &[
    stored("layers.#.mlp.c_fc", &["layers.#.feed_forward.up"]),
    stored("layers.#.mlp.c_proj", &["layers.#.feed_forward.down"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::layer(fields, "norm_epsilon", Bias::Present)?;
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    config.head = llama_like::head(fields, HeadWeights::Tied)?;
    let bias = match fields.optional_flag("use_bias")? {
        Some(false) => Bias::Absent,
        _ => Bias::Present,
    };
    for layer in &mut config.layers {
        let (Some(attention), Some(feed_forward)) = (&mut layer.attention, &mut layer.feed_forward) else {
            continue;
        };
        (attention.query_key_value_bias, attention.output_bias) = (bias, bias);
        feed_forward.kind = FeedForwardKind::Plain;
        feed_forward.bias = bias;
        feed_forward.activation = activation::read(fields, "hidden_act", Activation::GeluTanh)?;
    }
    window::everywhere(&mut config, fields.optional_size("sliding_window")?);
    Ok(config)
}
