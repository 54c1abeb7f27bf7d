//! GPT-NeoX and Pythia (Black et al. 2022; Biderman et al. 2023): LayerNorm, heads that rotate in part, blocks side
//! by side or one after the other, queries, keys and values of each head together in one matrix.

use super::family::{Family, Mapping, StoredNames, laid_out, stored};
use super::rope::Rope;
use super::{activation, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{Activation, Bias, FeedForwardKind, Residual};

pub(super) const FAMILY: Family = Family {
    name: "gpt_neox",
    read,
    prefixes: &["gpt_neox.", ""],
    tensors: &[TENSORS, llama_like::NORMS],
    head: "embed_out",
    // Frequencies, causal masks, and the number written where they forbid.
    ignored: &[
        "layers.#.attention.rotary_emb.inv_freq",
        "layers.#.attention.bias",
        "layers.#.attention.masked_bias",
    ],
    harmless_fields: &["classifier_dropout", "gradient_checkpointing"],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("embed_in", &["embed.tokens"]),
    laid_out(
        Layout::ByKeyValueHead,
        "layers.#.attention.query_key_value",
        &["layers.#.attention.query", "layers.#.attention.key", "layers.#.attention.value"],
    ),
    stored("layers.#.attention.dense", &["layers.#.attention.output"]),
    stored("layers.#.mlp.dense_h_to_4h", &["layers.#.feed_forward.up"]),
    stored("layers.#.mlp.dense_4h_to_h", &["layers.#.feed_forward.down"]),
    stored("final_layer_norm", &["final_norm"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let rope = Rope {
        theta: fields.optional_number("rotary_emb_base")?.unwrap_or(10_000.0),
        share: Some(fields.optional_number("rotary_pct")?.unwrap_or(0.25)),
        ..Rope::default()
    };
    let norm = norm::layer(fields, "layer_norm_eps", Bias::Present)?;
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let bias = match fields.optional_flag("attention_bias")? {
        Some(false) => Bias::Absent,
        _ => Bias::Present,
    };
    let is_parallel = fields.optional_flag("use_parallel_residual")?.unwrap_or(true);
    for layer in &mut config.layers {
        let (Some(attention), Some(feed_forward)) = (&mut layer.attention, &mut layer.feed_forward) else {
            continue;
        };
        layer.residual.kind = if is_parallel { Residual::Parallel } else { Residual::Sequential };
        (attention.query_key_value_bias, attention.output_bias) = (bias, bias);
        feed_forward.kind = FeedForwardKind::Plain;
        feed_forward.bias = Bias::Present;
        feed_forward.activation = activation::read(fields, "hidden_act", Activation::Gelu)?;
    }
    Ok(config)
}
