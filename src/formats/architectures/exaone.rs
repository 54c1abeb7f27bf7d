//! EXAONE 3 and 3.5 (LG AI Research 2024): Llama under other names.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "exaone",
    read,
    prefixes: &["transformer.", ""],
    tensors: &[TENSORS],
    ignored: &["h.#.attn.attention.rotary.inv_freq", "rotary.inv_freq"],
    harmless_fields: &["embed_dropout"],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("wte", &["embed.tokens"]),
    stored("h.#.ln_1", &["layers.#.attention.norm"]),
    stored("h.#.attn.attention.q_proj", &["layers.#.attention.query"]),
    stored("h.#.attn.attention.k_proj", &["layers.#.attention.key"]),
    stored("h.#.attn.attention.v_proj", &["layers.#.attention.value"]),
    stored("h.#.attn.attention.out_proj", &["layers.#.attention.output"]),
    stored("h.#.ln_2", &["layers.#.feed_forward.norm"]),
    stored("h.#.mlp.c_fc_0", &["layers.#.feed_forward.gate"]),
    stored("h.#.mlp.c_fc_1", &["layers.#.feed_forward.up"]),
    stored("h.#.mlp.c_proj", &["layers.#.feed_forward.down"]),
    stored("ln_f", &["final_norm"]),
];

/// What Llama calls the fields that have names of their own here.
const NAMES: &[(&str, &str)] = &[
    ("num_hidden_layers", "num_layers"),
    ("hidden_act", "activation_function"),
    ("rms_norm_eps", "layer_norm_epsilon"),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_names(NAMES);
    llama_like::read(fields, names, norm::rms_or(fields, "rms_norm_eps", 1e-5)?, Rope::default())
}
