//! GPT-2 (Radford et al. 2019): learned positions, LayerNorm, one fused and transposed matrix for queries,
//! keys and values.

use super::family::{Family, StoredNames, laid_out, layer_indices, stored};
use super::{activation, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, FeedForwardConfig, FeedForwardKind,
    HeadWeights, LayerConfig, LogitsConfig, ModelConfig, Positions, ResidualConfig,
};

pub(super) const FAMILY: Family = Family {
    name: "gpt2",
    read,
    prefixes: &["transformer.", ""],
    tensors: &[&[
        stored("wte", &["embed.tokens"]),
        stored("wpe", &["embed.positions"]),
        stored("h.#.ln_1", &["layers.#.attention.norm"]),
        laid_out(
            Layout::InputsByOutputs,
            "h.#.attn.c_attn",
            &["layers.#.attention.query", "layers.#.attention.key", "layers.#.attention.value"],
        ),
        laid_out(Layout::InputsByOutputs, "h.#.attn.c_proj", &["layers.#.attention.output"]),
        stored("h.#.ln_2", &["layers.#.feed_forward.norm"]),
        laid_out(Layout::InputsByOutputs, "h.#.mlp.c_fc", &["layers.#.feed_forward.up"]),
        laid_out(Layout::InputsByOutputs, "h.#.mlp.c_proj", &["layers.#.feed_forward.down"]),
        stored("ln_f", &["final_norm"]),
    ]],
    // Causal masks, and the number written where they forbid.
    ignored: &["h.#.attn.bias", "h.#.attn.masked_bias"],
    harmless_fields: &[
        "attn_pdrop",
        "embd_pdrop",
        "resid_pdrop",
        "summary_activation",
        "summary_first_dropout",
        "summary_proj_to_labels",
        "summary_type",
        "summary_use_proj",
        "gradient_checkpointing",
        // Changes the order of a product in half precision, not what is computed.
        "reorder_and_upcast_attn",
        // The context again, by another name.
        "n_ctx",
    ],
    ..llama_like::USUAL
};

pub(super) fn read(fields: &Fields, _names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let width = fields.size("n_embd")?;
    let heads = fields.size("n_head")?;
    if !width.is_multiple_of(heads) {
        return Err(fields
            .error("n_embd", format!("it has to be a multiple of {}, {heads}", fields.spelled("n_head"))));
    }
    let head_width = width / heads;
    let context = fields.size("n_positions")?;
    let norm = norm::layer(fields, "layer_norm_epsilon", Bias::Present)?;
    let base_scale = match fields.optional_flag("scale_attn_weights")? {
        Some(false) => 1.0,
        _ => (head_width as f64).sqrt().recip(),
    };
    let by_layer = fields.optional_flag("scale_attn_by_inverse_layer_idx")?.unwrap_or(false);
    let feed_forward = FeedForwardConfig {
        width: fields.optional_size("n_inner")?.unwrap_or(width.saturating_mul(4)),
        kind: FeedForwardKind::Plain,
        activation: activation::read(fields, "activation_function", Activation::GeluTanh)?,
        bias: Bias::Present,
    };
    let layer = |index: usize| LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(norm),
        attention: Some(AttentionConfig {
            scale: if by_layer { base_scale / (index + 1) as f64 } else { base_scale } as f32,
            query_key_value_bias: Bias::Present,
            output_bias: Bias::Present,
            ..AttentionConfig::plain(heads, head_width)
        }),
        recurrent: None,
        feed_forward_norms: BlockNorms::before(norm),
        feed_forward: Some(feed_forward),
    };
    let tied = fields.optional_flag("tie_word_embeddings")?.unwrap_or(true);
    Ok(ModelConfig {
        vocabulary: fields.size("vocab_size")?,
        width,
        context,
        positions: Positions::Learned { rows: context },
        embedding: EmbeddingConfig::default(),
        layers: layer_indices(fields, "n_layer")?.map(layer).collect(),
        final_norm: norm,
        head: if tied { HeadWeights::Tied } else { HeadWeights::Separate },
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    })
}
