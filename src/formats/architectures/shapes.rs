//! Shapes of real models, for benchmarks: a configuration without any file, and numbers made up for it.

use std::borrow::Cow;
use std::ops::Range;

use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, FeedForwardConfig, FeedForwardKind,
    HeadNormConfig, HeadNormExtent, HeadWeights, LayerConfig, LogitsConfig, ModelConfig, NormConfig,
    NormKind, Positions, ResidualConfig, ScoresConfig, Sinks,
};
use crate::model::plan::TensorSpec;
use crate::model::rotary::{RotaryConfig, RotaryScaling};
use crate::model::weight_format::{BlockFormat, LARGEST_BLOCK};
use crate::model::weights::TensorInfo;
use crate::model::{Plan, WeightFormat, Weights, WeightsError, blocks};

/// One real model's sizes. All have RMSNorm, rotary positions, gated SiLU and no biases.
struct Shape {
    name: &'static str,
    /// As published, bf16 taken for f16.
    format: WeightFormat,
    layers: usize,
    width: usize,
    heads: usize,
    key_value_heads: usize,
    head_width: usize,
    /// ε of the norms over query and key heads.
    head_norm: Option<f32>,
    feed_forward: usize,
    vocabulary: usize,
    context: usize,
    theta: f64,
    head: HeadWeights,
}

/// By their published configurations.
const SHAPES: [Shape; 6] = [
    Shape {
        name: "stories15m",
        format: WeightFormat::F32,
        layers: 6,
        width: 288,
        heads: 6,
        key_value_heads: 6,
        head_width: 48,
        head_norm: None,
        feed_forward: 768,
        vocabulary: 32_000,
        context: 256,
        theta: 1e4,
        head: HeadWeights::Tied,
    },
    Shape {
        name: "smollm2-135m",
        format: WeightFormat::F16,
        layers: 30,
        width: 576,
        heads: 9,
        key_value_heads: 3,
        head_width: 64,
        head_norm: None,
        feed_forward: 1536,
        vocabulary: 49_152,
        context: 8192,
        theta: 1e5,
        head: HeadWeights::Tied,
    },
    Shape {
        name: "qwen3-0.6b",
        format: WeightFormat::F16,
        layers: 28,
        width: 1024,
        heads: 16,
        key_value_heads: 8,
        head_width: 128,
        head_norm: Some(1e-6),
        feed_forward: 3072,
        vocabulary: 151_936,
        context: 40_960,
        theta: 1e6,
        head: HeadWeights::Tied,
    },
    Shape {
        name: "llama-3.2-1b",
        format: WeightFormat::F16,
        layers: 16,
        width: 2048,
        heads: 32,
        key_value_heads: 8,
        head_width: 64,
        head_norm: None,
        feed_forward: 8192,
        vocabulary: 128_256,
        context: 131_072,
        theta: 5e5,
        head: HeadWeights::Tied,
    },
    Shape {
        name: "llama-7b",
        format: WeightFormat::F16,
        layers: 32,
        width: 4096,
        heads: 32,
        key_value_heads: 32,
        head_width: 128,
        head_norm: None,
        feed_forward: 11_008,
        vocabulary: 32_000,
        context: 4096,
        theta: 1e4,
        head: HeadWeights::Separate,
    },
    Shape {
        name: "llama-3.1-8b",
        format: WeightFormat::F16,
        layers: 32,
        width: 4096,
        heads: 32,
        key_value_heads: 8,
        head_width: 128,
        head_norm: None,
        feed_forward: 14_336,
        vocabulary: 128_256,
        context: 131_072,
        theta: 5e5,
        head: HeadWeights::Separate,
    },
];

/// Three that stand for all: for reports that have no time for each.
pub const SMALL_TO_LARGE: [&str; 3] = ["qwen3-0.6b", "llama-3.2-1b", "llama-3.1-8b"];

/// The shapes' names.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|shape| shape.name)
}

/// The format of a shape's matrices; `None` for an unknown name.
pub fn format(name: &str) -> Option<WeightFormat> {
    SHAPES.iter().find(|shape| shape.name == name).map(|shape| shape.format)
}

/// The configuration of a shape; `None` for an unknown name.
pub fn config(name: &str) -> Option<ModelConfig> {
    let shape = SHAPES.iter().find(|shape| shape.name == name)?;
    let head_width = shape.head_width;
    let norm = NormConfig { kind: NormKind::Rms, epsilon: 1e-5, bias: Bias::Absent };
    let rotary = RotaryConfig { width: head_width, theta: shape.theta, scaling: RotaryScaling::Plain };
    let layer = LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(norm),
        attention: AttentionConfig {
            heads: shape.heads,
            key_value_heads: shape.key_value_heads,
            head_width,
            clip: None,
            head_norm: shape.head_norm.map(|epsilon| HeadNormConfig {
                kind: NormKind::Rms,
                epsilon,
                extent: HeadNormExtent::Head,
            }),
            rotary: Some(rotary),
            scale: 1.0 / (head_width as f32).sqrt(),
            scores: ScoresConfig::default(),
            sinks: Sinks::default(),
            query_key_value_bias: Bias::Absent,
            output_bias: Bias::Absent,
        },
        feed_forward_norms: BlockNorms::before(norm),
        feed_forward: FeedForwardConfig {
            width: shape.feed_forward,
            kind: FeedForwardKind::Gated,
            activation: Activation::Silu,
            bias: Bias::Absent,
        },
    };
    Some(ModelConfig {
        vocabulary: shape.vocabulary,
        width: shape.width,
        context: shape.context,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: vec![layer; shape.layers],
        final_norm: norm,
        head: shape.head,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    })
}

/// A format whose blocks do not divide the rows of a shape's tensor.
#[derive(Debug, thiserror::Error)]
#[error(
    "rows of {columns} weights ({tensor}) are no whole number of {format}'s blocks of {block}: choose another shape or format"
)]
pub struct UnfitFormat {
    tensor: String,
    columns: usize,
    format: &'static str,
    block: usize,
}

/// Weights that are made up: small numbers, the same each time. They come as fast as memory is copied, so that a
/// benchmark of loading measures the loading.
pub struct MadeUpWeights {
    tensors: Vec<TensorInfo>,
    /// The blocks that all matrices repeat, each from its own place on.
    blocks: Vec<u8>,
    /// Likewise the numbers of vectors, which are f32 where matrices are in blocks of many.
    numbers: Vec<u8>,
}

/// Blocks before they repeat: a prime, so that rows and tensors differ.
const BLOCKS: usize = 65_521;

impl MadeUpWeights {
    /// Every tensor of the plan, in the plan's order: matrices in this format, vectors too unless it has blocks of many.
    pub fn new(plan: &Plan, format: WeightFormat) -> Result<Self, UnfitFormat> {
        let vectors = if format.block_elements() == 1 { format } else { WeightFormat::F32 };
        let tensor = |spec: &TensorSpec| {
            let format = if spec.rows == 1 { vectors } else { format };
            let (name, rows, columns) = (spec.name.clone(), spec.rows, spec.columns);
            let block = format.block_elements();
            match columns.is_multiple_of(block) {
                true => Ok(TensorInfo { name, rows, columns, format }),
                false => Err(UnfitFormat { tensor: name, columns, format: format.name(), block }),
            }
        };
        let tensors = plan.tensors.iter().map(tensor).collect::<Result<_, _>>()?;
        Ok(Self { tensors, blocks: made_up_blocks(format), numbers: made_up_blocks(vectors) })
    }
}

impl Weights for MadeUpWeights {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError> {
        let info = &self.tensors[index];
        let blocks = if info.rows == 1 { &self.numbers } else { &self.blocks };
        let bytes = rows.len() * info.row_bytes();
        let mut made = Vec::with_capacity(bytes);
        let first = (7919 * index + rows.start * info.columns / info.format.block_elements()) % BLOCKS;
        let mut place = first * info.format.block_bytes();
        while made.len() < bytes {
            let length = (bytes - made.len()).min(blocks.len() - place);
            made.extend_from_slice(&blocks[place..place + length]);
            place = 0;
        }
        Ok(Cow::Owned(made))
    }
}

/// [`BLOCKS`] blocks of small numbers that look random.
fn made_up_blocks(format: WeightFormat) -> Vec<u8> {
    let encoding = match format.encoding() {
        Ok(encoding) => encoding,
        Err(blocks) => return made_up_codes(blocks),
    };
    // Sign and mantissa from the hash, the exponent of numbers from 1/32 to 1/16.
    let number = |element| f32::from_bits(hash(element) as u32 & 0x807f_e000 | 0x3d00_0000);
    let elements = (BLOCKS * format.block_elements()) as u64;
    encoding.encode(&(1..=elements).map(number).collect::<Vec<f32>>())
}

/// [`BLOCKS`] blocks of random codes, with factors that keep the numbers small: the least that f16 has with all its bits
/// where scales within the block multiply it.
fn made_up_codes(format: BlockFormat) -> Vec<u8> {
    let bytes = (BLOCKS * format.block_bytes()) as u64;
    let mut bytes: Vec<u8> = (1..=bytes).map(|element| hash(element) as u8).collect();
    let factor = if format.block_elements() == LARGEST_BLOCK { 1.0 / 16384.0 } else { 1.0 / 2048.0 };
    for block in bytes.chunks_exact_mut(format.block_bytes()) {
        for &place in blocks::scale_places(format) {
            // Codes are counted from 0: an offset of eight steps down puts half of them below it.
            let is_offset = place > 0 && matches!(format, BlockFormat::Q4_1 | BlockFormat::Q5_1);
            let factor = if is_offset { -8.0 * factor } else { factor };
            block[place..place + 2].copy_from_slice(&half::f16::from_f32(factor).to_le_bytes());
        }
        if format == BlockFormat::Mxfp4 {
            // 2^-7 to 2^-8.
            block[0] = 120 + (block[0] & 1);
        }
    }
    bytes
}

/// A number that looks random.
fn hash(element: u64) -> u64 {
    let mixed = element.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan_decoder;

    #[test]
    fn every_shape_is_a_decoder_with_its_models_number_of_weights() {
        let parameters = |name: &str| {
            let config = config(name).expect("a known name");
            config.check().expect("sizes that divide");
            let sizes = plan_decoder(&config).tensors.into_iter().map(|spec| spec.rows * spec.columns);
            sizes.sum::<usize>()
        };
        let counted: Vec<usize> = names().map(parameters).collect();
        assert_eq!(
            counted,
            [15_191_712, 134_515_008, 596_049_920, 1_235_814_400, 6_738_415_616, 8_030_261_248]
        );
    }

    #[test]
    fn made_up_weights_of_every_format_are_small_and_differ() {
        let config = config("llama-3.2-1b").expect("a known name");
        let plan = plan_decoder(&config);
        for format in WeightFormat::ALL {
            let weights =
                MadeUpWeights::new(&plan, format).expect("2048 and 8192 are multiples of every block");
            let row = weights.read(0, 3..4).expect("always");
            let numbers = format.decode(&row);
            assert_eq!(numbers.len(), 2048);
            let largest = numbers.iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
            assert!((1.0 / 1024.0..1.0 / 2.0).contains(&largest), "{}: {largest}", format.name());
            assert!(numbers.iter().any(|number| *number > 0.0) && numbers.iter().any(|number| *number < 0.0));
            assert_ne!(row, weights.read(0, 4..5).expect("always"));
        }
    }

    #[test]
    fn rows_that_are_no_whole_blocks_are_refused() {
        let plan = plan_decoder(&config("stories15m").expect("a known name"));
        let refused = MadeUpWeights::new(&plan, WeightFormat::Blocks(BlockFormat::Q4K))
            .err()
            .expect("288 is no multiple of 256");
        assert!(refused.to_string().contains("288") && refused.to_string().contains("q4_k"), "{refused}");
    }
}
