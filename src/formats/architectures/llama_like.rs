//! The usual decoder, which most families are variations of: a norm before each block, rotary positions, grouped
//! heads, a gated feed-forward block; with the usual names of fields and tensors. A family changes what it has
//! otherwise.

use super::family::{DraftingNames, Family, Mapping, StoredNames, layer_indices, stored};
use super::rope::Rope;
use super::{activation, norm, rope};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, FeedForwardConfig, FeedForwardKind,
    HeadWeights, LayerConfig, LogitsConfig, NormConfig, Positions, ResidualConfig,
};

/// Where the usual files write the names of [`TENSORS`].
pub(super) const PREFIXES: &[&str] = &["model.", ""];

/// Where the LM head is.
pub(super) const HEAD: &str = "lm_head";

/// Frequencies that older files store, and that are computed here.
pub(super) const ROTARY_TABLES: &[&str] = &["layers.#.self_attn.rotary_emb.inv_freq", "rotary_emb.inv_freq"];

/// Everything but norms and the feed-forward block.
pub(super) const ATTENTION: &[Mapping] = &[
    stored("embed_tokens", &["embed.tokens"]),
    stored("layers.#.self_attn.q_proj", &["layers.#.attention.query"]),
    stored("layers.#.self_attn.k_proj", &["layers.#.attention.key"]),
    stored("layers.#.self_attn.v_proj", &["layers.#.attention.value"]),
    stored("layers.#.self_attn.o_proj", &["layers.#.attention.output"]),
];

/// The feed-forward block.
pub(super) const FEED_FORWARD: &[Mapping] = &[
    stored("layers.#.mlp.gate_proj", &["layers.#.feed_forward.gate"]),
    stored("layers.#.mlp.up_proj", &["layers.#.feed_forward.up"]),
    stored("layers.#.mlp.down_proj", &["layers.#.feed_forward.down"]),
];

/// The norms before each block, and the last one.
pub(super) const NORMS: &[Mapping] = &[
    stored("layers.#.input_layernorm", &["layers.#.attention.norm"]),
    stored("layers.#.post_attention_layernorm", &["layers.#.feed_forward.norm"]),
    stored("norm", &["final_norm"]),
];

/// The norms of queries and keys.
pub(super) const HEAD_NORMS: &[Mapping] = &[
    stored("layers.#.self_attn.q_norm", &["layers.#.attention.query_norm"]),
    stored("layers.#.self_attn.k_norm", &["layers.#.attention.key_norm"]),
];

/// All of it, without norms of queries and keys.
pub(super) const TENSORS: &[&[Mapping]] = &[ATTENTION, FEED_FORWARD, NORMS];

/// What a family is whose files say nothing else.
pub(super) const USUAL: Family = Family {
    name: "",
    read: read_plain,
    scaled: |_, _| Ok(Vec::new()),
    part: None,
    prefixes: PREFIXES,
    tensors: TENSORS,
    head: HEAD,
    head_prefixes: &[""],
    ignored: ROTARY_TABLES,
    drafting_layers: 0,
    drafting_head: DraftingNames::Unknown,
    first_layer: 0,
    other_parts: &[],
    harmless_fields: &[],
};

/// Reads it, with norms by root mean square and all of a head rotating.
pub(super) fn read_plain(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    read(fields, names, norm::rms(fields, "rms_norm_eps")?, Rope::default())
}

/// Reads it. All norms are `norm`.
pub(super) fn read(
    fields: &Fields,
    names: &dyn StoredNames,
    norm: NormConfig,
    rope: Rope,
) -> Result<ModelConfig, FormatError> {
    let activation = activation::read(fields, "hidden_act", Activation::Silu)?;
    read_with(fields, names, norm, rope, activation)
}

/// As [`read`], whatever activation the configuration names.
pub(super) fn read_with(
    fields: &Fields,
    names: &dyn StoredNames,
    norm: NormConfig,
    rope: Rope,
    activation: Activation,
) -> Result<ModelConfig, FormatError> {
    let width = fields.size("hidden_size")?;
    let heads = fields.size("num_attention_heads")?;
    let head_width = match fields.optional_size("head_dim")? {
        Some(head_width) => head_width,
        None => head_width(fields, "hidden_size", width, "num_attention_heads", heads)?,
    };
    read_heads(fields, names, norm, rope, activation, head_width)
}

/// As [`read_with`], whatever the configuration says of the width of heads.
pub(super) fn read_heads(
    fields: &Fields,
    names: &dyn StoredNames,
    norm: NormConfig,
    rope: Rope,
    activation: Activation,
    head_width: usize,
) -> Result<ModelConfig, FormatError> {
    let width = fields.size("hidden_size")?;
    let heads = fields.size("num_attention_heads")?;
    let context = fields.size("max_position_embeddings")?;
    let attention_bias = fields.optional_flag("attention_bias")?.unwrap_or(false);
    let feed_forward_bias = fields.optional_flag("mlp_bias")?.unwrap_or(false);
    // Some files hold biases that their configuration does not mention.
    let bias = |asked: bool, layer: usize, modules: &[&str]| {
        let is_stored = |module: &&str| names.has(&format!("layers.{layer}.{module}.bias"));
        if asked || modules.iter().any(is_stored) { Bias::Present } else { Bias::Absent }
    };
    let attention = AttentionConfig {
        key_value_heads: fields.optional_size("num_key_value_heads")?.unwrap_or(heads),
        rotary: Some(rope::read(fields, head_width, context, rope)?),
        ..AttentionConfig::plain(heads, head_width)
    };
    let feed_forward = FeedForwardConfig {
        width: fields.size("intermediate_size")?,
        kind: FeedForwardKind::Gated,
        activation,
        bias: Bias::Absent,
    };
    let layer = |index: usize| LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(norm),
        attention: Some(AttentionConfig {
            query_key_value_bias: bias(
                attention_bias,
                index,
                &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
            ),
            output_bias: bias(attention_bias, index, &["self_attn.o_proj", "self_attn.dense"]),
            ..attention.clone()
        }),
        recurrent: None,
        feed_forward_norms: BlockNorms::before(norm),
        feed_forward: Some(FeedForwardConfig {
            bias: bias(feed_forward_bias, index, &["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]),
            ..feed_forward
        }),
    };
    Ok(ModelConfig {
        vocabulary: fields.size("vocab_size")?,
        width,
        context,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: layer_indices(fields, "num_hidden_layers")?.map(layer).collect(),
        final_norm: norm,
        head: head(fields, HeadWeights::Separate)?,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    })
}

/// Where the LM head's matrix comes from, by `tie_word_embeddings`.
pub(super) fn head(fields: &Fields, default: HeadWeights) -> Result<HeadWeights, FormatError> {
    Ok(match fields.optional_flag("tie_word_embeddings")? {
        None => default,
        Some(true) => HeadWeights::Tied,
        Some(false) => HeadWeights::Separate,
    })
}

/// Elements of a head where the heads share out the model's width.
pub(super) fn head_width(
    fields: &Fields,
    width_field: &str,
    width: usize,
    heads_field: &str,
    heads: usize,
) -> Result<usize, FormatError> {
    if width.is_multiple_of(heads) {
        return Ok(width / heads);
    }
    Err(fields
        .error(width_field, format!("it has to be a multiple of {}, {heads}", fields.spelled(heads_field))))
}
