//! Llama (Touvron et al. 2023; Grattafiori et al. 2024), and the many models published in its form.

use super::{Family, StoredNames, activation, rope, stored};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, FeedForwardConfig, FeedForwardKind,
    HeadWeights, LayerConfig, LogitsConfig, ModelConfig, NormConfig, NormKind, Positions, ResidualConfig,
};

pub(super) const FAMILY: Family = Family {
    name: "llama",
    read,
    prefixes: &["model.", ""],
    tensors: &[
        stored("embed_tokens", &["embed.tokens"]),
        stored("layers.#.input_layernorm", &["layers.#.attention.norm"]),
        stored("layers.#.self_attn.q_proj", &["layers.#.attention.query"]),
        stored("layers.#.self_attn.k_proj", &["layers.#.attention.key"]),
        stored("layers.#.self_attn.v_proj", &["layers.#.attention.value"]),
        stored("layers.#.self_attn.o_proj", &["layers.#.attention.output"]),
        stored("layers.#.post_attention_layernorm", &["layers.#.feed_forward.norm"]),
        stored("layers.#.mlp.gate_proj", &["layers.#.feed_forward.gate"]),
        stored("layers.#.mlp.up_proj", &["layers.#.feed_forward.up"]),
        stored("layers.#.mlp.down_proj", &["layers.#.feed_forward.down"]),
        stored("norm", &["final_norm"]),
    ],
    head: "lm_head",
    ignored: &["layers.#.self_attn.rotary_emb.inv_freq", "rotary_emb.inv_freq"],
    harmless_fields: &[
        "attention_dropout",
        // Splits products over devices; the same numbers but for rounding.
        "pretraining_tp",
        "max_sequence_length",
        "is_llama_config",
    ],
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let width = fields.size("hidden_size")?;
    let heads = fields.size("num_attention_heads")?;
    let context = fields.size("max_position_embeddings")?;
    let head_width = match fields.optional_size("head_dim")? {
        Some(head_width) => head_width,
        None if width.is_multiple_of(heads) => width / heads,
        None => {
            let reason =
                format!("it has to be a multiple of num_attention_heads, {heads}, where head_dim is absent");
            return Err(fields.error("hidden_size", reason));
        }
    };
    let rotary = rope::read(fields, head_width, context)?;
    let norm = NormConfig {
        kind: NormKind::Rms,
        epsilon: fields.optional_number("rms_norm_eps")?.unwrap_or(1e-6) as f32,
        bias: Bias::Absent,
    };
    let attention_bias = fields.optional_flag("attention_bias")?.unwrap_or(false);
    let feed_forward_bias = fields.optional_flag("mlp_bias")?.unwrap_or(false);
    // Some files hold biases that their configuration does not mention.
    let bias = |asked: bool, layer: usize, modules: &[&str]| {
        let is_stored = |module: &&str| names.has(&format!("layers.{layer}.{module}.bias"));
        if asked || modules.iter().any(is_stored) { Bias::Present } else { Bias::Absent }
    };
    let attention = AttentionConfig {
        heads,
        key_value_heads: fields.optional_size("num_key_value_heads")?.unwrap_or(heads),
        head_width,
        head_norm: None,
        rotary: Some(rotary),
        scale: (head_width as f64).sqrt().recip() as f32,
        query_key_value_bias: Bias::Absent,
        output_bias: Bias::Absent,
    };
    let feed_forward = FeedForwardConfig {
        width: fields.size("intermediate_size")?,
        kind: FeedForwardKind::Gated,
        activation: activation::read(fields, "hidden_act", Activation::Silu)?,
        bias: Bias::Absent,
    };
    let layer = |index: usize| LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(norm),
        attention: AttentionConfig {
            query_key_value_bias: bias(
                attention_bias,
                index,
                &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
            ),
            output_bias: bias(attention_bias, index, &["self_attn.o_proj"]),
            ..attention.clone()
        },
        feed_forward_norms: BlockNorms::before(norm),
        feed_forward: FeedForwardConfig {
            bias: bias(feed_forward_bias, index, &["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]),
            ..feed_forward
        },
    };
    let tied = fields.optional_flag("tie_word_embeddings")?.unwrap_or(false);
    Ok(ModelConfig {
        vocabulary: fields.size("vocab_size")?,
        width,
        context,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: super::layer_indices(fields, "num_hidden_layers")?.map(layer).collect(),
        final_norm: norm,
        head: if tied { HeadWeights::Tied } else { HeadWeights::Separate },
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    })
}
