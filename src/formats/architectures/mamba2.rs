//! Mamba 2 (Dao and Gu 2024): layers of one block each, which has a state.

use super::family::{Family, Mapping, StoredNames, layer_indices, stored};
use super::mamba::{self, Spelling};
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    Bias, BlockNorms, EmbeddingConfig, HeadWeights, LayerConfig, LogitsConfig, Positions, ResidualConfig,
};

pub(super) const FAMILY: Family = Family {
    name: "mamba2",
    read,
    prefixes: PREFIXES,
    tensors: &[TENSORS, mamba::MIXER],
    head_prefixes: &["", "model."],
    harmless_fields: &[
        // The width that others make.
        "intermediate_size",
        "pad_vocab_size_multiple",
        // Always so in this family.
        "norm_before_gate",
        "rms_norm",
        // Of the initial values, and of training.
        "time_step_min",
        "time_step_rank",
        "chunk_size",
        "rescale_prenorm_residual",
        "residual_in_fp32",
        "time_step_floor",
        "time_step_max",
    ],
    ..llama_like::USUAL
};

/// Where this family and Nemotron-H write the names.
pub(super) const PREFIXES: &[&str] = &["backbone.", "model.", "model.backbone.", ""];

const TENSORS: &[Mapping] = &[
    stored("embeddings", &["embed.tokens"]),
    stored("layers.#.norm", &["layers.#.attention.norm"]),
    stored("norm_f", &["final_norm"]),
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] =
    &[("num_heads", 128), ("head_dim", 64), ("n_groups", 8), ("state_size", 128), ("expand", 2)];

const SPELLING: Spelling = Spelling {
    heads: "num_heads",
    head_width: "head_dim",
    groups: "n_groups",
    key_width: "state_size",
    kernel: "conv_kernel",
    convolution_bias: "use_conv_bias",
    input_bias: "use_bias",
    output_bias: "use_bias",
    module: "mixer",
};

/// Positions, for files that do not say how many: they cost nothing here.
const CONTEXT: usize = 1 << 20;

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    let width = fields.size("hidden_size")?;
    let norm = norm::rms_or(fields, "layer_norm_epsilon", 1e-5)?;
    let inner = mamba::inner_width(fields, "expand", width)?;
    mamba::check_activation(fields, "hidden_act")?;
    let block = mamba::Block::read(fields, &SPELLING, Some(inner), norm.epsilon)?
        .with_time_step(mamba::time_step(fields)?);
    let layer = |index| LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(norm),
        attention: None,
        recurrent: Some(block.of_layer(index, names)),
        feed_forward_norms: BlockNorms::NONE,
        feed_forward: None,
    };
    Ok(ModelConfig {
        vocabulary: fields.size("vocab_size")?,
        width,
        context: fields.optional_size("max_position_embeddings")?.unwrap_or(CONTEXT),
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: layer_indices(fields, "num_hidden_layers")?.map(layer).collect(),
        final_norm: norm,
        head: llama_like::head(fields, HeadWeights::Separate)?,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    })
}
