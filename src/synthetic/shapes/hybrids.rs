//! The shapes of models whose layers are of two kinds, attention and a block with a state, each with a feed-forward block.

use super::{gated, gemma, latent, nemotron};
use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, ConvolutionConfig, EmbeddingConfig, FeedForwardConfig,
    FeedForwardKind, GateExtent, GateFunction, GatedDeltaConfig, HeadNormConfig, HeadNormExtent,
    HeadNormPlace, HeadOrder, HeadWeights, LayerConfig, LogitsConfig, ModelConfig, NormConfig, NormKind,
    OutputGate, Positions, RecurrentConfig, ResidualConfig, ShortConvolutionConfig, StateHeads,
};
use crate::model::rotary::{RotaryConfig, RotaryScaling};

/// What makes a configuration.
pub(super) type Make = fn() -> ModelConfig;

/// By name, each by its published configuration.
pub(super) const HYBRIDS: [(&str, Make); 10] = [
    ("lfm2.5-1.2b", lfm_1_2b),
    ("qwen3.5-0.8b", qwen_0_8b),
    ("qwen3.5-4b", qwen_4b),
    ("nemotron-3-nano-4b", nemotron::nano_4b),
    ("gemma-4-e2b", gemma::e2b),
    ("gemma-4-12b", gemma::dense_12b),
    ("glm-4.7-flash", latent::glm_flash),
    ("deepseek-v2-lite", latent::deepseek_lite),
    ("muse-glimmer-30b", gated::glimmer_30b),
    ("laguna-xs", gated::laguna_xs),
];

/// What tells such models apart.
struct Hybrid {
    layers: usize,
    width: usize,
    feed_forward: usize,
    vocabulary: usize,
    context: usize,
    epsilon: f32,
    /// Query heads, key/value heads, and their width.
    heads: [usize; 3],
    rotary: RotaryConfig,
    output_gate: Option<OutputGate>,
    state: RecurrentConfig,
}

impl Hybrid {
    /// The model, with attention in those layers.
    fn config(&self, has_attention: impl Fn(usize) -> bool) -> ModelConfig {
        let norm = NormConfig { kind: NormKind::Rms, epsilon: self.epsilon, bias: Bias::Absent };
        let layer = |index| LayerConfig {
            residual: ResidualConfig::default(),
            attention_norms: BlockNorms::before(norm),
            attention: has_attention(index).then(|| self.attention()),
            recurrent: (!has_attention(index)).then(|| self.state.clone()),
            feed_forward_norms: BlockNorms::before(norm),
            feed_forward: Some(FeedForwardConfig {
                width: self.feed_forward,
                kind: FeedForwardKind::Gated,
                activation: Activation::Silu,
                bias: Bias::Absent,
            }),
        };
        ModelConfig {
            vocabulary: self.vocabulary,
            width: self.width,
            context: self.context,
            positions: Positions::InLayers,
            embedding: EmbeddingConfig::default(),
            layers: (0..self.layers).map(layer).collect(),
            final_norm: norm,
            head: HeadWeights::Tied,
            head_bias: Bias::Absent,
            logits: LogitsConfig::default(),
        }
    }

    fn attention(&self) -> AttentionConfig {
        let [heads, key_value_heads, head_width] = self.heads;
        let extent = HeadNormExtent::Head;
        AttentionConfig {
            key_value_heads,
            head_norm: Some(HeadNormConfig {
                kind: NormKind::Rms,
                epsilon: self.epsilon,
                extent,
                place: HeadNormPlace::BeforeRotary,
            }),
            rotary: Some(self.rotary.clone()),
            scale: 1.0 / (head_width as f32).sqrt(),
            output_gate: self.output_gate,
            ..AttentionConfig::plain(heads, head_width)
        }
    }
}

fn lfm_1_2b() -> ModelConfig {
    let convolution = ConvolutionConfig { kernel: 3, bias: Bias::Absent };
    let width = 2048;
    let state = ShortConvolutionConfig { width, convolution, bias: Bias::Absent };
    let model = Hybrid {
        layers: 16,
        width,
        feed_forward: 8192,
        vocabulary: 65_536,
        context: 128_000,
        epsilon: 1e-5,
        heads: [32, 8, 64],
        rotary: RotaryConfig { width: 64, theta: 1e6, scaling: RotaryScaling::Plain },
        output_gate: None,
        state: RecurrentConfig::ShortConvolution(state),
    };
    model.config(|index| [2, 5, 8, 10, 12, 14].contains(&index))
}

fn qwen_0_8b() -> ModelConfig {
    qwen(24, 1024, 3584, [8, 2, 256], 16)
}

fn qwen_4b() -> ModelConfig {
    qwen(32, 2560, 9216, [16, 4, 256], 32)
}

/// Qwen3.5 with so many layers and heads of values.
fn qwen(
    layers: usize,
    width: usize,
    feed_forward: usize,
    heads: [usize; 3],
    value_heads: usize,
) -> ModelConfig {
    let epsilon = 1e-6;
    let order = HeadOrder::Neighbours;
    let state = GatedDeltaConfig {
        heads: StateHeads { heads: value_heads, groups: 16, order, key_width: 128, value_width: 128 },
        convolution: ConvolutionConfig { kernel: 4, bias: Bias::Absent },
        strength_range: 1.0,
        gate: Activation::Silu,
        norm_epsilon: epsilon,
    };
    let model = Hybrid {
        layers,
        width,
        feed_forward,
        vocabulary: 248_320,
        context: 262_144,
        epsilon,
        heads,
        rotary: RotaryConfig { width: 64, theta: 1e7, scaling: RotaryScaling::Plain },
        output_gate: Some(OutputGate { extent: GateExtent::Element, function: GateFunction::Sigmoid }),
        state: RecurrentConfig::GatedDelta(state),
    };
    // Every fourth layer.
    model.config(|index| index % 4 == 3)
}
