//! InternLM 2 (Cai et al. 2024): Llama with queries, keys and values in one matrix, by key/value head.

use super::family::{Family, Mapping, StoredNames, laid_out, stored};
use super::llama_like;
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::Bias;

pub(super) const FAMILY: Family = Family {
    name: "internlm2",
    read,
    tensors: &[TENSORS],
    head: "output",
    harmless_fields: &["attn_implementation", "pretraining_tp"],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("tok_embeddings", &["embed.tokens"]),
    stored("layers.#.attention_norm", &["layers.#.attention.norm"]),
    laid_out(
        Layout::ByKeyValueHead,
        "layers.#.attention.wqkv",
        &["layers.#.attention.query", "layers.#.attention.key", "layers.#.attention.value"],
    ),
    stored("layers.#.attention.wo", &["layers.#.attention.output"]),
    stored("layers.#.ffn_norm", &["layers.#.feed_forward.norm"]),
    stored("layers.#.feed_forward.w1", &["layers.#.feed_forward.gate"]),
    stored("layers.#.feed_forward.w3", &["layers.#.feed_forward.up"]),
    stored("layers.#.feed_forward.w2", &["layers.#.feed_forward.down"]),
    stored("norm", &["final_norm"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = llama_like::read_plain(fields, names)?;
    if fields.optional_flag("bias")? == Some(true) {
        for attention in config.attentions() {
            (attention.query_key_value_bias, attention.output_bias) = (Bias::Present, Bias::Present);
        }
    }
    Ok(config)
}
