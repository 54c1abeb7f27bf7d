//! Baichuan 7B (Baichuan Inc. 2023): Llama with queries, keys and values in one matrix.

use super::family::{Family, Mapping, StoredNames, stored};
use super::llama_like;
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "baichuan",
    read,
    tensors: &[FUSED, llama_like::ATTENTION, llama_like::FEED_FORWARD, llama_like::NORMS],
    harmless_fields: &["model_max_length"],
    ..llama_like::USUAL
};

const FUSED: &[Mapping] = &[stored(
    "layers.#.self_attn.W_pack",
    &["layers.#.attention.query", "layers.#.attention.key", "layers.#.attention.value"],
)];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    const LAYERS: &str = "num_hidden_layers";
    // By this llama.cpp knows it, too.
    if fields.optional_size(LAYERS)? == Some(40) {
        return Err(
            fields.error(LAYERS, "the 13B model's linear biases are not supported; the 7B model's form is")
        );
    }
    let classes = fields.optional_texts("architectures")?.unwrap_or_default();
    // The first Baichuan's is spelled with a capital C.
    if classes.contains(&"BaichuanForCausalLM") {
        let reason = "Baichuan 2 normalises the rows of its LM head, which is not supported; Baichuan 7B is";
        return Err(fields.error("architectures", reason));
    }
    llama_like::read_plain(fields, names)
}
