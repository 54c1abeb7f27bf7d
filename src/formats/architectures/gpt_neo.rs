//! GPT-Neo (Black et al. 2021): GPT-2 with scores that are not scaled, and a window in every other layer.

use super::family::{Family, Mapping, StoredNames, layer_indices, stored};
use super::window::Sight;
use super::{activation, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, FeedForwardConfig, FeedForwardKind,
    HeadWeights, LayerConfig, LogitsConfig, Positions, ResidualConfig, ScoresConfig,
};

pub(super) const FAMILY: Family = Family {
    name: "gpt_neo",
    read,
    prefixes: &["transformer.", ""],
    tensors: &[TENSORS],
    // Causal masks, and the number written where they forbid.
    ignored: &["h.#.attn.attention.bias", "h.#.attn.attention.masked_bias"],
    harmless_fields: &[
        "attention_layers",
        "classifier_dropout",
        "embed_dropout",
        "resid_dropout",
        "gradient_checkpointing",
        "summary_activation",
        "summary_first_dropout",
        "summary_proj_to_labels",
        "summary_type",
        "summary_use_proj",
        "tokenizer_class",
    ],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("wte", &["embed.tokens"]),
    stored("wpe", &["embed.positions"]),
    stored("h.#.ln_1", &["layers.#.attention.norm"]),
    stored("h.#.attn.attention.q_proj", &["layers.#.attention.query"]),
    stored("h.#.attn.attention.k_proj", &["layers.#.attention.key"]),
    stored("h.#.attn.attention.v_proj", &["layers.#.attention.value"]),
    stored("h.#.attn.attention.out_proj", &["layers.#.attention.output"]),
    stored("h.#.ln_2", &["layers.#.feed_forward.norm"]),
    stored("h.#.mlp.c_fc", &["layers.#.feed_forward.up"]),
    stored("h.#.mlp.c_proj", &["layers.#.feed_forward.down"]),
    stored("ln_f", &["final_norm"]),
];

fn read(fields: &Fields, _names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let width = fields.size("hidden_size")?;
    let heads = fields.size("num_heads")?;
    let context = fields.size("max_position_embeddings")?;
    let norm = norm::layer(fields, "layer_norm_epsilon", Bias::Present)?;
    let window = fields.optional_size("window_size")?.unwrap_or(256);
    let sights = sights(fields, layer_indices(fields, "num_layers")?.len())?;
    let feed_forward = FeedForwardConfig {
        width: fields.optional_size("intermediate_size")?.unwrap_or(width.saturating_mul(4)),
        kind: FeedForwardKind::Plain,
        activation: activation::read(fields, "activation_function", Activation::GeluTanh)?,
        bias: Bias::Present,
    };
    let head_width = llama_like::head_width(fields, "hidden_size", width, "num_heads", heads)?;
    let layer = |sight: Sight| LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(norm),
        attention: Some(AttentionConfig {
            scale: 1.0,
            scores: ScoresConfig {
                window: Some(window).filter(|_| sight == Sight::Windowed),
                ..ScoresConfig::default()
            },
            output_bias: Bias::Present,
            ..AttentionConfig::plain(heads, head_width)
        }),
        recurrent: None,
        feed_forward_norms: BlockNorms::before(norm),
        feed_forward: Some(feed_forward),
    };
    Ok(ModelConfig {
        vocabulary: fields.size("vocab_size")?,
        width,
        context,
        positions: Positions::Learned { rows: context },
        embedding: EmbeddingConfig::default(),
        layers: sights.into_iter().map(layer).collect(),
        final_norm: norm,
        head: llama_like::head(fields, HeadWeights::Tied)?,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    })
}

/// `attention_types` is a list of `[[names], repetitions]`.
fn sights(fields: &Fields, layers: usize) -> Result<Vec<Sight>, FormatError> {
    const NAME: &str = "attention_types";
    let refuse =
        || fields.error(NAME, "it has to say global or local for each layer: [[[names], times], ...]");
    let mut sights = Vec::new();
    for item in fields.get(NAME).and_then(|types| types.as_array()).ok_or_else(refuse)? {
        let names = item.get(0).and_then(|names| names.as_array()).ok_or_else(refuse)?;
        let times = item.get(1).and_then(|times| times.as_u64()).ok_or_else(refuse)?;
        for _ in 0..times.min(layers as u64) {
            for name in names {
                sights.push(match name.as_str() {
                    Some("global") => Sight::Full,
                    Some("local") => Sight::Windowed,
                    _ => return Err(refuse()),
                });
            }
        }
    }
    if sights.len() == layers { Ok(sights) } else { Err(refuse()) }
}
