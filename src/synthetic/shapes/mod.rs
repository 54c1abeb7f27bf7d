//! Shapes of real models: configurations without any file, for benchmarks that need no download.

mod gated;
mod gemma;
mod hybrids;
mod latent;
mod nemotron;

use hybrids::{HYBRIDS, Make};

use crate::model::WeightFormat;
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, FeedForwardConfig, FeedForwardKind,
    HeadNormConfig, HeadNormExtent, HeadNormPlace, HeadWeights, LayerConfig, LogitsConfig, ModelConfig,
    NormConfig, NormKind, Positions, ResidualConfig,
};
use crate::model::rotary::{RotaryConfig, RotaryScaling};

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

/// One with states, for the same.
pub const WITH_STATES: &str = "qwen3.5-0.8b";

/// The shapes' names.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|shape| shape.name).chain(HYBRIDS.map(|(name, _)| name))
}

/// A shape that is none of the list: with states in some of its layers.
fn hybrid(name: &str) -> Option<Make> {
    HYBRIDS.into_iter().find(|(known, _)| *known == name).map(|(_, config)| config)
}

/// The format of a shape's matrices; `None` for an unknown name.
pub fn format(name: &str) -> Option<WeightFormat> {
    let listed = SHAPES.iter().find(|shape| shape.name == name).map(|shape| shape.format);
    listed.or(hybrid(name).map(|_| WeightFormat::F16))
}

/// The configuration of a shape; `None` for an unknown name.
pub fn config(name: &str) -> Option<ModelConfig> {
    if let Some(config) = hybrid(name) {
        return Some(config());
    }
    let shape = SHAPES.iter().find(|shape| shape.name == name)?;
    let head_width = shape.head_width;
    let norm = NormConfig { kind: NormKind::Rms, epsilon: 1e-5, bias: Bias::Absent };
    let rotary = RotaryConfig { width: head_width, theta: shape.theta, scaling: RotaryScaling::Plain };
    let layer = LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: BlockNorms::before(norm),
        attention: Some(AttentionConfig {
            key_value_heads: shape.key_value_heads,
            head_norm: shape.head_norm.map(|epsilon| HeadNormConfig {
                kind: NormKind::Rms,
                epsilon,
                extent: HeadNormExtent::Head,
                place: HeadNormPlace::BeforeRotary,
            }),
            rotary: Some(rotary),
            scale: 1.0 / (head_width as f32).sqrt(),
            ..AttentionConfig::plain(shape.heads, head_width)
        }),
        recurrent: None,
        feed_forward_norms: BlockNorms::before(norm),
        feed_forward: Some(FeedForwardConfig {
            width: shape.feed_forward,
            kind: FeedForwardKind::Gated,
            activation: Activation::Silu,
            bias: Bias::Absent,
        }),
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
            [
                15_191_712,
                134_515_008,
                596_049_920,
                1_235_814_400,
                6_738_415_616,
                8_030_261_248,
                1_170_340_608,
                752_393_024,
                4_205_751_296,
                3_973_556_832,
                4_628_569_379,
                11_907_350_320,
                // As transformers counts them, with the biases that choose experts.
                29_943_393_920,
                15_706_484_224,
                27_854_800_896,
                33_442_617_088
            ]
        );
    }
}
