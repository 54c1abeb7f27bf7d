//! Shapes of real models, for benchmarks: a configuration without any file, and numbers made up for it.

use std::borrow::Cow;
use std::ops::Range;

use crate::model::config::{
    Activation, AttentionConfig, Bias, FeedForwardConfig, FeedForwardKind, HeadWeights, LayerConfig,
    ModelConfig, NormConfig, NormKind, Positions,
};
use crate::model::rotary::{RotaryConfig, RotaryScaling};
use crate::model::weights::TensorInfo;
use crate::model::{Plan, WeightFormat, Weights, WeightsError};

/// One real model's sizes. All have RMSNorm, rotary positions, gated SiLU and no biases.
struct Shape {
    name: &'static str,
    layers: usize,
    width: usize,
    heads: usize,
    key_value_heads: usize,
    feed_forward: usize,
    vocabulary: usize,
    context: usize,
    theta: f64,
    head: HeadWeights,
}

/// By their published configurations.
const SHAPES: [Shape; 4] = [
    Shape {
        name: "stories15m",
        layers: 6,
        width: 288,
        heads: 6,
        key_value_heads: 6,
        feed_forward: 768,
        vocabulary: 32_000,
        context: 256,
        theta: 1e4,
        head: HeadWeights::Tied,
    },
    Shape {
        name: "smollm2-135m",
        layers: 30,
        width: 576,
        heads: 9,
        key_value_heads: 3,
        feed_forward: 1536,
        vocabulary: 49_152,
        context: 8192,
        theta: 1e5,
        head: HeadWeights::Tied,
    },
    Shape {
        name: "llama-3.2-1b",
        layers: 16,
        width: 2048,
        heads: 32,
        key_value_heads: 8,
        feed_forward: 8192,
        vocabulary: 128_256,
        context: 131_072,
        theta: 5e5,
        head: HeadWeights::Tied,
    },
    Shape {
        name: "llama-7b",
        layers: 32,
        width: 4096,
        heads: 32,
        key_value_heads: 32,
        feed_forward: 11_008,
        vocabulary: 32_000,
        context: 4096,
        theta: 1e4,
        head: HeadWeights::Separate,
    },
];

/// The shapes' names.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|shape| shape.name)
}

/// The configuration of a shape; `None` for an unknown name.
pub fn config(name: &str) -> Option<ModelConfig> {
    let shape = SHAPES.iter().find(|shape| shape.name == name)?;
    let head_width = shape.width / shape.heads;
    let norm = NormConfig { kind: NormKind::Rms, epsilon: 1e-5, bias: Bias::Absent };
    let rotary = RotaryConfig { width: head_width, theta: shape.theta, scaling: RotaryScaling::Plain };
    let layer = LayerConfig {
        attention_norm: norm,
        attention: AttentionConfig {
            heads: shape.heads,
            key_value_heads: shape.key_value_heads,
            head_width,
            head_norm: None,
            rotary: Some(rotary),
            scale: 1.0 / (head_width as f32).sqrt(),
            query_key_value_bias: Bias::Absent,
            output_bias: Bias::Absent,
        },
        feed_forward_norm: norm,
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
        layers: vec![layer; shape.layers],
        final_norm: norm,
        head: shape.head,
        head_bias: Bias::Absent,
    })
}

/// Weights in f16 that are made up: small numbers, the same each time. They come as fast as memory is copied, so
/// that a benchmark of loading measures the loading.
pub struct MadeUpWeights {
    tensors: Vec<TensorInfo>,
    /// The numbers that all tensors repeat, each from its own place on.
    numbers: Vec<u8>,
}

/// Numbers before they repeat: a prime, so that rows and tensors differ.
const NUMBERS: usize = 65_521;

impl MadeUpWeights {
    /// Every tensor of the plan, in the plan's order.
    pub fn new(plan: &Plan) -> Self {
        let tensor = |spec: &crate::model::plan::TensorSpec| TensorInfo {
            name: spec.name.clone(),
            rows: spec.rows,
            columns: spec.columns,
            format: WeightFormat::F16,
        };
        let number = |element: u64| {
            let mixed = element.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 48;
            // Sign and mantissa from the hash, the exponent of numbers from 1/32 to 1/16.
            (mixed as u16 & 0x83ff | 0x2800).to_le_bytes()
        };
        Self {
            tensors: plan.tensors.iter().map(tensor).collect(),
            numbers: (1..=NUMBERS as u64).flat_map(number).collect(),
        }
    }
}

impl Weights for MadeUpWeights {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError> {
        let columns = self.tensors[index].columns;
        let bytes = 2 * rows.len() * columns;
        let mut made = Vec::with_capacity(bytes);
        let mut place = 2 * ((7919 * index + rows.start * columns) % NUMBERS);
        while made.len() < bytes {
            let length = (bytes - made.len()).min(self.numbers.len() - place);
            made.extend_from_slice(&self.numbers[place..place + length]);
            place = 0;
        }
        Ok(Cow::Owned(made))
    }
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
        assert_eq!(counted, [15_191_712, 134_515_008, 1_235_814_400, 6_738_415_616]);
    }

    #[test]
    fn made_up_weights_are_small_and_differ() {
        let plan = plan_decoder(&config("stories15m").expect("a known name"));
        let weights = MadeUpWeights::new(&plan);
        let row = weights.read(0, 3..4).expect("always");
        let numbers = WeightFormat::F16.decode(&row);
        assert_eq!(numbers.len(), 288);
        assert!(numbers.iter().all(|number| (1.0 / 32.0..1.0 / 16.0).contains(&number.abs())));
        assert!(numbers.iter().any(|number| *number > 0.0) && numbers.iter().any(|number| *number < 0.0));
        assert_ne!(row, weights.read(0, 4..5).expect("always"));
        assert_ne!(row, weights.read(3, 3..4).expect("always"));
        // Any cut gives the same numbers, also where they begin to repeat.
        let whole = weights.read(0, 0..300).expect("always");
        for first in [200, 227, 228] {
            let part = weights.read(0, first..first + 3).expect("always");
            assert_eq!(part, &whole[first * 576..(first + 3) * 576], "row {first}");
        }
    }
}
