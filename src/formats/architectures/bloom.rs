//! BLOOM (Workshop et al. 2022): linear biases for positions, a norm of the embedding, queries, keys and values of
//! each head together in one matrix.

use super::family::{Family, Mapping, StoredNames, laid_out, layer_indices, stored};
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, FeedForwardConfig, FeedForwardKind,
    HeadWeights, LayerConfig, LogitsConfig, Positions, ResidualConfig, ScoresConfig,
};

pub(super) const FAMILY: Family = Family {
    name: "bloom",
    read,
    prefixes: &["transformer.", ""],
    tensors: &[TENSORS],
    ignored: &[],
    harmless_fields: &[
        "pretraining_tp",
        "slow_but_exact",
        "seq_length",
        "masked_softmax_fusion",
        "attention_softmax_in_fp32",
        "bias_dropout_fusion",
        "skip_bias_add",
        "skip_bias_add_qkv",
        "offset_alibi",
        "n_inner",
    ],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("word_embeddings", &["embed.tokens"]),
    stored("word_embeddings_layernorm", &["embed.norm"]),
    stored("h.#.input_layernorm", &["layers.#.attention.norm"]),
    laid_out(
        Layout::ByKeyValueHead,
        "h.#.self_attention.query_key_value",
        &["layers.#.attention.query", "layers.#.attention.key", "layers.#.attention.value"],
    ),
    stored("h.#.self_attention.dense", &["layers.#.attention.output"]),
    stored("h.#.post_attention_layernorm", &["layers.#.feed_forward.norm"]),
    stored("h.#.mlp.dense_h_to_4h", &["layers.#.feed_forward.up"]),
    stored("h.#.mlp.dense_4h_to_h", &["layers.#.feed_forward.down"]),
    stored("ln_f", &["final_norm"]),
];

fn read(fields: &Fields, _names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let any = |names: [&'static str; 2]| names.into_iter().find(|name| fields.get(name).is_some());
    let (width_field, heads_field) = (
        any(["n_embed", "hidden_size"]).unwrap_or("hidden_size"),
        any(["n_head", "num_attention_heads"]).unwrap_or("n_head"),
    );
    let (width, heads) = (fields.size(width_field)?, fields.size(heads_field)?);
    let head_width = llama_like::head_width(fields, width_field, width, heads_field, heads)?;
    let norm = norm::layer(fields, "layer_norm_epsilon", Bias::Present)?;
    if fields.optional_flag("apply_residual_connection_post_layernorm")? == Some(true) {
        let reason = "no published model has this";
        return Err(fields.error("apply_residual_connection_post_layernorm", reason));
    }
    let layer = LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(norm),
        attention: Some(AttentionConfig {
            scores: ScoresConfig { linear_bias: Some(1.0), ..ScoresConfig::default() },
            query_key_value_bias: Bias::Present,
            output_bias: Bias::Present,
            ..AttentionConfig::plain(heads, head_width)
        }),
        recurrent: None,
        feed_forward_norms: BlockNorms::before(norm),
        feed_forward: Some(FeedForwardConfig {
            width: width.saturating_mul(4),
            kind: FeedForwardKind::Plain,
            activation: Activation::GeluTanh,
            bias: Bias::Present,
        }),
    };
    let layers_field = any(["n_layer", "num_hidden_layers"]).unwrap_or("n_layer");
    Ok(ModelConfig {
        vocabulary: fields.size("vocab_size")?,
        width,
        // Nothing but training limits the context; published models were trained on this many positions.
        context: fields.optional_size("seq_length")?.unwrap_or(2048),
        positions: Positions::InLayers,
        embedding: EmbeddingConfig { norm: Some(norm), ..EmbeddingConfig::default() },
        layers: layer_indices(fields, layers_field)?.map(|_| layer.clone()).collect(),
        final_norm: norm,
        head: llama_like::head(fields, HeadWeights::Tied)?,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    })
}
