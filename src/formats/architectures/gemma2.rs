//! Gemma 2 (Gemma Team 2024): norms around both blocks, a window in every other layer, soft caps.

use super::family::{Family, Mapping, StoredNames, laid_out};
use super::rope::Rope;
use super::window::{self, Sight};
use super::{gemma, llama_like};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::BlockNorms;

pub(super) const FAMILY: Family = Family {
    name: "gemma2",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, NORMS],
    harmless_fields: gemma::HARMLESS_FIELDS,
    ..llama_like::USUAL
};

/// The norms around both blocks, and the last one.
pub(super) const NORMS: &[Mapping] = &[
    laid_out(Layout::StoredMinusOne, "layers.#.input_layernorm", &["layers.#.attention.norm"]),
    laid_out(
        Layout::StoredMinusOne,
        "layers.#.post_attention_layernorm",
        &["layers.#.attention.update_norm"],
    ),
    laid_out(Layout::StoredMinusOne, "layers.#.pre_feedforward_layernorm", &["layers.#.feed_forward.norm"]),
    laid_out(
        Layout::StoredMinusOne,
        "layers.#.post_feedforward_layernorm",
        &["layers.#.feed_forward.update_norm"],
    ),
    laid_out(Layout::StoredMinusOne, "norm", &["final_norm"]),
];

/// What this generation and the next share. The caps are those where the configuration has none.
pub(super) fn read_with(
    fields: &Fields,
    names: &dyn StoredNames,
    rope: Rope,
    sight: impl Fn(usize) -> Sight,
    [score_cap, logit_cap]: [Option<f64>; 2],
) -> Result<ModelConfig, FormatError> {
    let mut config = gemma::read_with(fields, names, rope)?;
    if fields.optional_flag("use_bidirectional_attention")?.unwrap_or(false) {
        return Err(fields.error("use_bidirectional_attention", "rows that see later ones are not supported"));
    }
    let cap = |name: &str, default: Option<f64>| {
        let given = fields.optional_number(name)?;
        Ok::<_, FormatError>(if fields.names(name) { given } else { default }.map(|cap| cap as f32))
    };
    config.logits.cap = cap("final_logit_softcapping", logit_cap)?;
    let score_cap = cap("attn_logit_softcapping", score_cap)?;
    let scalar = fields.optional_number("query_pre_attn_scalar")?.unwrap_or(256.0);
    let size = window::size(fields, 4096)?;
    let sights = window::sights(fields, config.layers.len(), sight)?;
    for (layer, sight) in config.layers.iter_mut().zip(sights) {
        let Some(attention) = &mut layer.attention else { continue };
        let norm = config.final_norm;
        (layer.attention_norms, layer.feed_forward_norms) =
            (BlockNorms::around(norm), BlockNorms::around(norm));
        attention.scale = scalar.sqrt().recip() as f32;
        attention.scores.cap = score_cap;
        attention.scores.window = size.filter(|_| sight == Sight::Windowed);
    }
    Ok(config)
}

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let sight = |index: usize| if index.is_multiple_of(2) { Sight::Windowed } else { Sight::Full };
    read_with(fields, names, Rope::default(), sight, [Some(50.0), Some(30.0)])
}
