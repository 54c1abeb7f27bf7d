//! Gemma 3 (Gemma Team 2025), the text decoder: norms of queries and keys, five layers with a window for each
//! without, each kind with frequencies of its own. Also inside a folder that has a part for images.

use super::family::{Family, Mapping, StoredNames, laid_out};
use super::rope::{self, Rope};
use super::window::Sight;
use super::wrappers::{LLAVA_OTHER_PARTS, LLAVA_PREFIXES};
use super::{gemma, gemma2, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::HeadNormExtent;

pub(super) const TEXT: Family = Family {
    name: "gemma3_text",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, gemma2::NORMS, HEAD_NORMS],
    harmless_fields: gemma::HARMLESS_FIELDS,
    ..llama_like::USUAL
};

pub(super) const WITH_IMAGES: Family = Family {
    name: "gemma3",
    part: Some("text_config"),
    // The part names itself again.
    harmless_fields: &["cache_implementation", "_sliding_window_pattern", "model_type"],
    prefixes: LLAVA_PREFIXES,
    other_parts: LLAVA_OTHER_PARTS,
    ..TEXT
};

const HEAD_NORMS: &[Mapping] = &[
    laid_out(Layout::StoredMinusOne, "layers.#.self_attn.q_norm", &["layers.#.attention.query_norm"]),
    laid_out(Layout::StoredMinusOne, "layers.#.self_attn.k_norm", &["layers.#.attention.key_norm"]),
];

/// What files leave out.
const SIZES: &[(&str, usize)] = &[
    ("vocab_size", 262_208),
    ("num_attention_heads", 8),
    ("num_key_value_heads", 4),
    ("head_dim", 256),
    ("max_position_embeddings", 131_072),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let pattern = fields.optional_size("sliding_window_pattern")?.unwrap_or(6);
    let sight = |index: usize| {
        if (index + 1).is_multiple_of(pattern) { Sight::Full } else { Sight::Windowed }
    };
    let rope = Rope { theta: 1_000_000.0, ..Rope::default() };
    let mut config = gemma2::read_with(fields, names, rope, sight, [None, None])?;
    let head_width = config.first_attention().map_or(0, |attention| attention.head_width);
    let local = rope::of_windows(fields, config.context, head_width, None, |fields| {
        Ok(fields.optional_number("rope_local_base_freq")?.unwrap_or(10_000.0))
    })?;
    let head_norm = norm::of_heads(config.final_norm, HeadNormExtent::Head);
    for attention in config.attentions() {
        attention.head_norm = Some(head_norm);
        if attention.scores.window.is_some() {
            attention.rotary = Some(local.clone());
        }
    }
    Ok(config)
}
