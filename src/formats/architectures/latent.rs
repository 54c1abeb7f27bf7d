//! Multi-head latent attention (DeepSeek-V2, 2024) as configurations and files of several families describe it.

use super::family::{Mapping, StoredNames, laid_out, stored};
use super::rope::Rope;
use super::{activation, llama_like};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{
    Activation, AttentionConfig, KeysValues, KeysValuesConfig, Latent, NormConfig, StoredPairs,
};

/// Everything but norms of blocks and the feed-forward block.
pub(super) const ATTENTION: &[Mapping] = &[
    stored("embed_tokens", &["embed.tokens"]),
    stored("layers.#.self_attn.q_a_proj", &["layers.#.attention.query_latent"]),
    stored("layers.#.self_attn.q_a_layernorm", &["layers.#.attention.query_latent_norm"]),
    laid_out(Layout::RotatingLast, "layers.#.self_attn.q_b_proj", &["layers.#.attention.query"]),
    laid_out(Layout::RotatingLast, "layers.#.self_attn.q_proj", &["layers.#.attention.query"]),
    laid_out(Layout::RotatingLast, "layers.#.self_attn.kv_a_proj_with_mqa", &["layers.#.attention.latent"]),
    stored("layers.#.self_attn.kv_a_layernorm", &["layers.#.attention.latent_norm"]),
    laid_out(Layout::LatentKeys, "layers.#.self_attn.kv_b_proj", &["layers.#.attention.query_to_latent"]),
    laid_out(Layout::LatentValues, "layers.#.self_attn.kv_b_proj", &["layers.#.attention.value"]),
    stored("layers.#.self_attn.o_proj", &["layers.#.attention.output"]),
];

/// What both latent vectors' norms have under the square root, whatever the others have.
const EPSILON: f32 = 1e-6;

/// Reads a decoder whose layers all have it. All other norms are `norm`.
pub(super) fn read(
    fields: &Fields,
    names: &dyn StoredNames,
    norm: NormConfig,
    stored_pairs: StoredPairs,
) -> Result<ModelConfig, FormatError> {
    let activation = activation::read(fields, "hidden_act", Activation::Silu)?;
    let rotating = fields.size("qk_rope_head_dim")?;
    let mut config = llama_like::read_heads(fields, names, norm, Rope::default(), activation, rotating)?;
    let latent = Latent {
        rank: fields.size("kv_lora_rank")?,
        plain_width: fields.size("qk_nope_head_dim")?,
        value_width: value_width(fields, &config)?,
        query_rank: fields.optional_size("q_lora_rank")?,
        epsilon: EPSILON,
        stored_pairs,
    };
    let scale = scale(fields, latent.plain_width.saturating_add(rotating))?;
    for attention in config.attentions() {
        let keys_values = KeysValuesConfig { source: KeysValues::Latent(latent), value_norm: None };
        let head_width = latent.rank.saturating_add(rotating);
        *attention =
            AttentionConfig { key_value_heads: 1, head_width, scale, keys_values, ..attention.clone() };
    }
    Ok(config)
}

/// Elements of a head of the values: the heads' shares of the model's width, where the configuration does not say it.
fn value_width(fields: &Fields, config: &ModelConfig) -> Result<usize, FormatError> {
    match fields.optional_size("v_head_dim")? {
        Some(width) => Ok(width),
        None => {
            let heads = fields.size("num_attention_heads")?;
            llama_like::head_width(fields, "hidden_size", config.width, "num_attention_heads", heads)
        }
    }
}

/// Which elements turn together, where the configuration says it.
pub(super) fn stored_pairs(fields: &Fields) -> Result<StoredPairs, FormatError> {
    Ok(match fields.optional_flag("rope_interleave")? {
        Some(false) => StoredPairs::Halves,
        None | Some(true) => StoredPairs::Neighbours,
    })
}

/// The factor on scores: 1/√width, and more of it where positions are stretched and the configuration says how much.
fn scale(fields: &Fields, width: usize) -> Result<f32, FormatError> {
    let plain = (width as f64).sqrt().recip();
    let (old, new) = (fields.optional_object("rope_scaling")?, fields.optional_object("rope_parameters")?);
    let Some(rope) = old.or(new) else { return Ok(plain as f32) };
    let kind = rope.optional_text("rope_type")?.or(rope.optional_text("type")?);
    let (all_dimensions, factor) = (rope.optional_number("mscale_all_dim")?, rope.optional_number("factor")?);
    let magnitude = match (all_dimensions, factor) {
        (Some(scale), Some(factor)) if kind.is_some_and(|kind| kind != "default") && factor > 1.0 => {
            1.0 + 0.1 * scale * factor.ln()
        }
        _ => 1.0,
    };
    Ok((plain * magnitude * magnitude) as f32)
}
