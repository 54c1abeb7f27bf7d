//! Phi-1, Phi-1.5 and Phi-2 (Gunasekar et al. 2023): blocks side by side behind one LayerNorm, heads that rotate in
//! part, biases everywhere.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::{activation, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{Activation, Bias, BlockNorms, FeedForwardKind, Residual};

pub(super) const FAMILY: Family = Family {
    name: "phi",
    read,
    tensors: &[TENSORS, llama_like::ATTENTION],
    harmless_fields: &["embd_pdrop", "resid_pdrop"],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("layers.#.input_layernorm", &["layers.#.attention.norm"]),
    stored("layers.#.self_attn.dense", &["layers.#.attention.output"]),
    stored("layers.#.mlp.fc1", &["layers.#.feed_forward.up"]),
    stored("layers.#.mlp.fc2", &["layers.#.feed_forward.down"]),
    stored("final_layernorm", &["final_norm"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let rope = Rope { share: Some(0.5), ..Rope::default() };
    let norm = norm::layer(fields, "layer_norm_eps", Bias::Present)?;
    let mut config = llama_like::read(fields, names, norm, rope)?;
    config.head_bias = Bias::Present;
    for layer in &mut config.layers {
        let (Some(attention), Some(feed_forward)) = (&mut layer.attention, &mut layer.feed_forward) else {
            continue;
        };
        layer.residual.kind = Residual::Parallel;
        layer.feed_forward_norms = BlockNorms::NONE;
        (attention.query_key_value_bias, attention.output_bias) = (Bias::Present, Bias::Present);
        feed_forward.kind = FeedForwardKind::Plain;
        feed_forward.bias = Bias::Present;
        feed_forward.activation = activation::read(fields, "hidden_act", Activation::GeluTanh)?;
    }
    Ok(config)
}
