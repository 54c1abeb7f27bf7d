//! Falcon (Almazrouei et al. 2023) in its three shapes: blocks side by side behind one norm or two, or one after the
//! other with linear biases for positions. Queries, keys and values of each key/value head are together in one
//! matrix.

use super::family::{Family, Mapping, StoredNames, laid_out, layer_indices, stored};
use super::rope::{self, Rope};
use super::{activation, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, FeedForwardConfig, FeedForwardKind,
    HeadWeights, LayerConfig, LogitsConfig, Positions, Residual, ResidualConfig, ScoresConfig,
};

pub(super) const FAMILY: Family = Family {
    name: "falcon",
    read,
    prefixes: &["transformer.", ""],
    tensors: &[TENSORS],
    ignored: &["h.#.self_attention.rotary_emb.inv_freq"],
    // Where positions are linear biases, frequencies count for nothing.
    harmless_fields: &[
        "apply_residual_connection_post_layernorm",
        "rope_parameters",
        "rope_scaling",
        "rope_theta",
    ],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("word_embeddings", &["embed.tokens"]),
    stored("h.#.input_layernorm", &["layers.#.attention.norm"]),
    stored("h.#.ln_attn", &["layers.#.attention.norm"]),
    laid_out(
        Layout::ByKeyValueHead,
        "h.#.self_attention.query_key_value",
        &["layers.#.attention.query", "layers.#.attention.key", "layers.#.attention.value"],
    ),
    stored("h.#.self_attention.dense", &["layers.#.attention.output"]),
    stored("h.#.post_attention_layernorm", &["layers.#.feed_forward.norm"]),
    stored("h.#.ln_mlp", &["layers.#.feed_forward.norm"]),
    stored("h.#.mlp.dense_h_to_4h", &["layers.#.feed_forward.up"]),
    stored("h.#.mlp.dense_4h_to_h", &["layers.#.feed_forward.down"]),
    stored("ln_f", &["final_norm"]),
];

fn read(fields: &Fields, _names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let width = fields.size("hidden_size")?;
    let heads = fields.size("num_attention_heads")?;
    let head_width = llama_like::head_width(fields, "hidden_size", width, "num_attention_heads", heads)?;
    let context = fields.optional_size("max_position_embeddings")?.unwrap_or(2048);
    let flag = |name: &str, default| Ok::<bool, FormatError>(fields.optional_flag(name)?.unwrap_or(default));
    let (is_new, is_multi_query) = (flag("new_decoder_architecture", false)?, flag("multi_query", true)?);
    let is_parallel = flag("parallel_attn", true)? || is_new;
    let has_linear_biases = flag("alibi", false)?;
    let groups = fields.optional_size("num_kv_heads")?;
    let norms = fields.optional_size("num_ln_in_parallel_attn")?;
    let norm = norm::layer(fields, "layer_norm_epsilon", Bias::Present)?;
    let bias = if flag("bias", false)? { Bias::Present } else { Bias::Absent };
    let has_one_norm = is_parallel && (!is_new || norms == Some(1));
    let scale = (head_width as f64).sqrt().recip() as f32;
    let rotary = match has_linear_biases {
        true => None,
        false => Some(rope::read(fields, head_width, context, Rope::default())?),
    };
    let layer = LayerConfig {
        residual: ResidualConfig {
            kind: if is_parallel { Residual::Parallel } else { Residual::Sequential },
            ..ResidualConfig::default()
        },
        attention_norms: BlockNorms::before(norm),
        attention: Some(AttentionConfig {
            key_value_heads: if is_multi_query && !is_new { 1 } else { groups.unwrap_or(heads) },
            rotary,
            scale,
            // Here the biases are scaled as the products are.
            scores: ScoresConfig {
                linear_bias: has_linear_biases.then_some(scale),
                ..ScoresConfig::default()
            },
            query_key_value_bias: bias,
            output_bias: bias,
            ..AttentionConfig::plain(heads, head_width)
        }),
        recurrent: None,
        feed_forward_norms: if has_one_norm { BlockNorms::NONE } else { BlockNorms::before(norm) },
        feed_forward: Some(FeedForwardConfig {
            width: fields.optional_size("ffn_hidden_size")?.unwrap_or(width.saturating_mul(4)),
            kind: FeedForwardKind::Plain,
            activation: activation::read(fields, "activation", Activation::Gelu)?,
            bias,
        }),
    };
    Ok(ModelConfig {
        vocabulary: fields.size("vocab_size")?,
        width,
        context,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: layer_indices(fields, "num_hidden_layers")?.map(|_| layer.clone()).collect(),
        final_norm: norm,
        head: llama_like::head(fields, HeadWeights::Tied)?,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    })
}
