//! OPT (Zhang et al. 2022): learned positions after two unused ones, LayerNorm, ReLU.

use super::family::{Family, Mapping, StoredNames, laid_out, layer_indices, stored};
use super::{activation, llama_like};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, FeedForwardConfig, FeedForwardKind,
    HeadWeights, LayerConfig, LogitsConfig, NormConfig, NormKind, Positions, ResidualConfig,
};

pub(super) const FAMILY: Family = Family {
    name: "opt",
    read,
    prefixes: &["model.decoder.", "decoder.", ""],
    tensors: &[TENSORS, llama_like::ATTENTION],
    ignored: &[],
    harmless_fields: &["dropout", "activation_dropout", "layerdrop", "init_std"],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    laid_out(Layout::After(2), "embed_positions", &["embed.positions"]),
    stored("layers.#.self_attn_layer_norm", &["layers.#.attention.norm"]),
    stored("layers.#.self_attn.out_proj", &["layers.#.attention.output"]),
    stored("layers.#.final_layer_norm", &["layers.#.feed_forward.norm"]),
    stored("layers.#.fc1", &["layers.#.feed_forward.up"]),
    stored("layers.#.fc2", &["layers.#.feed_forward.down"]),
    stored("final_layer_norm", &["final_norm"]),
];

fn read(fields: &Fields, _names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let width = fields.size("hidden_size")?;
    if fields.optional_flag("do_layer_norm_before")? == Some(false) {
        return Err(
            fields.error("do_layer_norm_before", "norms of the residual stream itself are not supported")
        );
    }
    for (name, usual) in
        [("_remove_final_layer_norm", false), ("enable_bias", true), ("layer_norm_elementwise_affine", true)]
    {
        if fields.optional_flag(name)?.is_some_and(|value| value != usual) {
            return Err(fields.error(name, "no published model has this"));
        }
    }
    if fields.optional_size("word_embed_proj_dim")?.is_some_and(|projected| projected != width) {
        return Err(fields.error("word_embed_proj_dim", "embeddings of another width are not supported"));
    }
    let heads = fields.size("num_attention_heads")?;
    let head_width = llama_like::head_width(fields, "hidden_size", width, "num_attention_heads", heads)?;
    let context = fields.size("max_position_embeddings")?;
    let norm = NormConfig { kind: NormKind::Layer, epsilon: 1e-5, bias: Bias::Present };
    let layer = LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(norm),
        attention: Some(AttentionConfig {
            query_key_value_bias: Bias::Present,
            output_bias: Bias::Present,
            ..AttentionConfig::plain(heads, head_width)
        }),
        recurrent: None,
        feed_forward_norms: BlockNorms::before(norm),
        feed_forward: Some(FeedForwardConfig {
            width: fields.size("ffn_dim")?,
            kind: FeedForwardKind::Plain,
            activation: activation::read(fields, "activation_function", Activation::Relu)?,
            bias: Bias::Present,
        }),
    };
    Ok(ModelConfig {
        vocabulary: fields.size("vocab_size")?,
        width,
        context,
        positions: Positions::Learned { rows: context },
        embedding: EmbeddingConfig::default(),
        layers: layer_indices(fields, "num_hidden_layers")?.map(|_| layer.clone()).collect(),
        final_norm: norm,
        head: llama_like::head(fields, HeadWeights::Tied)?,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    })
}
