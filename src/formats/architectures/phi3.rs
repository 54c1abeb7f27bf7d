//! Phi-3, Phi-3.5 and Phi-4-mini (Abdin et al. 2024): queries, keys and values in one matrix, gate and up in
//! another, frequencies for short and for long texts, a window.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::{llama_like, norm, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "phi3",
    read,
    tensors: &[TENSORS, llama_like::ATTENTION, llama_like::FEED_FORWARD, llama_like::NORMS],
    harmless_fields: &[
        "embd_pdrop",
        "resid_pdrop",
        "interpolate_factor",
        "full_attn_mod",
        // Counts where the rotary embedding is stretched, and is read there.
        "original_max_position_embeddings",
    ],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored(
        "layers.#.self_attn.qkv_proj",
        &["layers.#.attention.query", "layers.#.attention.key", "layers.#.attention.value"],
    ),
    stored("layers.#.mlp.gate_up_proj", &["layers.#.feed_forward.gate", "layers.#.feed_forward.up"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let rope = Rope { share: Some(1.0), ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm::rms_or(fields, "rms_norm_eps", 1e-5)?, rope)?;
    window::everywhere(&mut config, fields.optional_size("sliding_window")?);
    Ok(config)
}
