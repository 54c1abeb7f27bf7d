//! Hunyuan's dense models (Tencent 2025): queries and keys are normalised by head after they are turned, by frequencies of
//! a base that a factor raised for longer texts.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{HeadNormConfig, HeadNormExtent, HeadNormPlace};

pub(super) const FAMILY: Family = Family {
    name: "hunyuan_v1_dense",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::FEED_FORWARD, llama_like::NORMS, HEAD_NORMS],
    harmless_fields: HARMLESS_FIELDS,
    ..llama_like::USUAL
};

/// The norms of queries and keys.
pub(super) const HEAD_NORMS: &[Mapping] = &[
    stored("layers.#.self_attn.query_layernorm", &["layers.#.attention.query_norm"]),
    stored("layers.#.self_attn.key_layernorm", &["layers.#.attention.key_norm"]),
];

/// What files carry of other models of the series.
pub(super) const HARMLESS_FIELDS: &[&str] = &[
    "add_classification_head",
    "attention_head_dim",
    "cla_share_factor",
    "class_num",
    "dense_list",
    "enable_lm_head_fp32",
    "eod_token_id",
    "im_end_id",
    "im_newline_id",
    "im_start_id",
    "mask_init_id",
    "moe_drop_tokens",
    "moe_random_routing_dropped_token",
    "norm_type",
    "org_vocab_size",
    "output_router_logits",
    "pad_id",
    "pool_type",
    "pretraining_tp",
    "rope_type",
    "sep_token_id",
    "text_end_id",
    "text_start_id",
    "use_cla",
    "use_rotary_pos_emb",
    "xla_pooling",
];

pub(super) fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let mut config = llama_like::read(fields, names, norm, Rope::default())?;
    normalised_after_rotary(fields, &mut config)?;
    Ok(config)
}

/// Normalises each head of queries and keys after the rotary embedding; older files say whether.
fn normalised_after_rotary(fields: &Fields, config: &mut ModelConfig) -> Result<(), FormatError> {
    for name in ["use_qk_norm", "qk_norm"] {
        if fields.optional_flag(name)? == Some(false) {
            return Err(fields.error(name, "every published model of this family has these norms"));
        }
    }
    let norm = norm::of_heads(config.final_norm, HeadNormExtent::Head);
    let norm = HeadNormConfig { place: HeadNormPlace::AfterRotary, ..norm };
    config.attentions().for_each(|attention| attention.head_norm = Some(norm));
    Ok(())
}
