//! LFM2 (Liquid AI 2025): most layers have a short gated convolution in place of attention.

use super::convolution;
use super::family::{Family, Mapping, StoredNames, stored};
use super::layer_kinds::{self, LAYER_TYPES};
use super::rope::Rope;
use super::{llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    Bias, ConvolutionConfig, HeadNormExtent, HeadWeights, RecurrentConfig, ShortConvolutionConfig, limits,
};

pub(super) const FAMILY: Family = Family {
    name: "lfm2",
    read,
    tensors: &[ATTENTION, CONVOLUTIONS, HEAD_NORMS, FEED_FORWARD, NORMS],
    harmless_fields: &[
        // Where `layer_types` says it.
        "full_attn_idxs",
        // The same as other fields, or always so.
        "block_dim",
        "block_norm_eps",
        "block_use_swiglu",
        "conv_dim",
        "conv_dim_out",
        "num_heads",
        "use_pos_enc",
        // Training.
        "block_mlp_init_scale",
        "block_out_init_scale",
        "block_use_xavier_init",
        "conv_use_xavier_init",
        "theta",
    ],
    ..llama_like::USUAL
};

/// Attention, whose output projection has another name than in most families.
pub(super) const ATTENTION: &[Mapping] = &[
    stored("embed_tokens", &["embed.tokens"]),
    stored("layers.#.self_attn.q_proj", &["layers.#.attention.query"]),
    stored("layers.#.self_attn.k_proj", &["layers.#.attention.key"]),
    stored("layers.#.self_attn.v_proj", &["layers.#.attention.value"]),
    stored("layers.#.self_attn.out_proj", &["layers.#.attention.output"]),
];

/// The short convolutions.
pub(super) const CONVOLUTIONS: &[Mapping] = &[
    stored(
        "layers.#.conv.in_proj",
        &["layers.#.recurrent.input_gate", "layers.#.recurrent.output_gate", "layers.#.recurrent.input"],
    ),
    stored("layers.#.conv.conv", &["layers.#.recurrent.convolution"]),
    stored("layers.#.conv.out_proj", &["layers.#.recurrent.output"]),
];

/// The norms of queries and keys.
pub(super) const HEAD_NORMS: &[Mapping] = &[
    stored("layers.#.self_attn.q_layernorm", &["layers.#.attention.query_norm"]),
    stored("layers.#.self_attn.k_layernorm", &["layers.#.attention.key_norm"]),
];

/// The gated feed-forward block.
pub(super) const FEED_FORWARD: &[Mapping] = &[
    stored("layers.#.feed_forward.w1", &["layers.#.feed_forward.gate"]),
    stored("layers.#.feed_forward.w3", &["layers.#.feed_forward.up"]),
    stored("layers.#.feed_forward.w2", &["layers.#.feed_forward.down"]),
];

/// The norms before each block, and the last one, which is called the embedding's.
pub(super) const NORMS: &[Mapping] = &[
    stored("layers.#.operator_norm", &["layers.#.attention.norm"]),
    stored("layers.#.ffn_norm", &["layers.#.feed_forward.norm"]),
    stored("embedding_norm", &["final_norm"]),
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[("intermediate_size", 12_288), ("num_key_value_heads", 8)];

/// A layer's kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Convolution,
    Attention,
}

const KINDS: [(&str, Kind); 2] = [("conv", Kind::Convolution), ("full_attention", Kind::Attention)];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let mut config = read_with(fields, names)?;
    let width = feed_forward_width(fields)?;
    config.feed_forwards().for_each(|block| block.width = width);
    Ok(config)
}

/// As this family and the one with experts are, all with feed-forward blocks of `intermediate_size`.
pub(super) fn read_with(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms_or(fields, "norm_eps", 1e-5)?;
    let rope = Rope { theta: 1_000_000.0, ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let layers = config.layers.len();
    let kinds = match layer_kinds::read(fields, LAYER_TYPES, layers, &KINDS)? {
        Some(kinds) => kinds,
        None => by_indices(fields, layers)?,
    };
    let block = ShortConvolution::read(fields, config.width, 3)?;
    for ((index, layer), kind) in config.layers.iter_mut().enumerate().zip(kinds) {
        match kind {
            Kind::Convolution => {
                layer.attention = None;
                layer.recurrent = Some(block.of_layer(index, names));
            }
            Kind::Attention => {
                let Some(attention) = &mut layer.attention else { continue };
                attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
            }
        }
    }
    config.head = head(fields)?;
    Ok(config)
}

/// The kinds of layers by the indices of those with attention; without them all have it.
fn by_indices(fields: &Fields, layers: usize) -> Result<Vec<Kind>, FormatError> {
    const NAME: &str = "full_attn_idxs";
    let Some(indices) = fields.optional_indices(NAME)? else { return Ok(vec![Kind::Attention; layers]) };
    let mut kinds = vec![Kind::Convolution; layers];
    for index in indices {
        let kind = kinds.get_mut(index).ok_or_else(|| {
            fields.error(NAME, format!("it has to have numbers of the {layers} layers, from 0"))
        })?;
        *kind = Kind::Attention;
    }
    Ok(kinds)
}

/// The short convolution as a configuration has it for all layers.
pub(super) struct ShortConvolution {
    width: usize,
    kernel: usize,
    has_biases: bool,
}

impl ShortConvolution {
    /// Reads it; the kernel is `usual` where the configuration has none.
    pub(super) fn read(fields: &Fields, width: usize, usual: usize) -> Result<Self, FormatError> {
        let kernel = convolution::kernel(fields, "conv_L_cache", usual)?;
        Ok(Self { width, kernel, has_biases: fields.optional_flag("conv_bias")?.unwrap_or(false) })
    }

    /// That of a layer, with the biases that its files hold.
    pub(super) fn of_layer(&self, layer: usize, names: &dyn StoredNames) -> RecurrentConfig {
        let bias = |modules: &[&str]| {
            let is_stored = |module: &&str| names.has(&format!("layers.{layer}.conv.{module}.bias"));
            if self.has_biases || modules.iter().any(is_stored) { Bias::Present } else { Bias::Absent }
        };
        RecurrentConfig::ShortConvolution(ShortConvolutionConfig {
            width: self.width,
            convolution: ConvolutionConfig { kernel: self.kernel, bias: bias(&["conv"]) },
            bias: bias(&["in_proj", "out_proj"]),
        })
    }
}

/// Where the LM head's matrix comes from, by either of two fields.
pub(super) fn head(fields: &Fields) -> Result<HeadWeights, FormatError> {
    let usual = llama_like::head(fields, HeadWeights::Tied)?;
    Ok(match fields.optional_flag("tie_embedding")? {
        None => usual,
        Some(true) => HeadWeights::Tied,
        Some(false) => HeadWeights::Separate,
    })
}

/// The feed-forward width: two thirds of what is said, times a factor, rounded up, unless it is meant as it is.
fn feed_forward_width(fields: &Fields) -> Result<usize, FormatError> {
    const FACTOR: &str = "block_ffn_dim_multiplier";
    let said = match fields.optional_size("block_ff_dim")? {
        Some(width) => width,
        None => fields.size("intermediate_size")?,
    };
    let (is_adjusted, multiple) =
        (fields.optional_flag("block_auto_adjust_ff_dim")?, fields.optional_size("block_multiple_of")?);
    let factor = match fields.optional_number(FACTOR)? {
        None if fields.names(FACTOR) => None,
        factor => Some(factor.unwrap_or(1.0)),
    };
    if is_adjusted == Some(false) {
        return Ok(said);
    }
    let two_thirds = (2.0 * said as f64 / 3.0) as usize;
    let Some(factor) = factor else { return Ok(two_thirds) };
    let width = factor * two_thirds as f64;
    if !(width >= 1.0 && width <= limits::WIDTH as f64) {
        let reason = format!("it has to make a width from 1 to {} of {two_thirds}", limits::WIDTH);
        return Err(fields.error(FACTOR, reason));
    }
    let multiple = multiple.unwrap_or(256);
    Ok((width as usize).div_ceil(multiple).saturating_mul(multiple))
}
