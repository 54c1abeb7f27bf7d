//! The shape of Nemotron 3 Nano 4B: layers of one block each, half of them with a state.

use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, ConvolutionConfig, EmbeddingConfig, FeedForwardConfig,
    FeedForwardKind, GroupNormConfig, HeadOrder, HeadWeights, LayerConfig, LogitsConfig, Mamba2Config,
    ModelConfig, NormConfig, NormKind, Positions, RecurrentConfig, ResidualConfig, StateHeads,
};

/// What each layer's block is: M for a state, * for attention, - for feed-forward.
const LAYERS: &str = "M-M-M-MM-M-M*-M-M*-M-M-M*-M-M-MM*-MMM-M-M-";
const EPSILON: f32 = 1e-5;
const HEAD_WIDTH: usize = 128;

/// By its published configuration.
pub(super) fn nano_4b() -> ModelConfig {
    let norm = NormConfig { kind: NormKind::Rms, epsilon: EPSILON, bias: Bias::Absent };
    let layer = |kind| {
        let empty = LayerConfig {
            residual: ResidualConfig::default(),
            attention_norms: BlockNorms::before(norm),
            attention: None,
            recurrent: None,
            feed_forward_norms: BlockNorms::NONE,
            feed_forward: None,
        };
        match kind {
            'M' => LayerConfig { recurrent: Some(RecurrentConfig::Mamba2(state())), ..empty },
            '*' => LayerConfig { attention: Some(attention()), ..empty },
            _ => LayerConfig {
                attention_norms: BlockNorms::NONE,
                feed_forward_norms: BlockNorms::before(norm),
                feed_forward: Some(feed_forward()),
                ..empty
            },
        }
    };
    ModelConfig {
        vocabulary: 131_072,
        width: 3136,
        context: 262_144,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: LAYERS.chars().map(layer).collect(),
        final_norm: norm,
        head: HeadWeights::Separate,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    }
}

fn state() -> Mamba2Config {
    let order = HeadOrder::Neighbours;
    Mamba2Config {
        heads: StateHeads { heads: 96, groups: 8, order, key_width: 128, value_width: 80 },
        convolution: ConvolutionConfig { kernel: 4, bias: Bias::Present },
        time_step: [0.001, f32::INFINITY],
        norm: Some(GroupNormConfig { epsilon: EPSILON, groups: 8, before_gate: false }),
        input_bias: Bias::Absent,
        output_bias: Bias::Absent,
    }
}

fn attention() -> AttentionConfig {
    AttentionConfig {
        key_value_heads: 8,
        scale: 1.0 / (HEAD_WIDTH as f32).sqrt(),
        ..AttentionConfig::plain(40, HEAD_WIDTH)
    }
}

fn feed_forward() -> FeedForwardConfig {
    FeedForwardConfig {
        width: 12_544,
        kind: FeedForwardKind::Plain,
        activation: Activation::ReluSquared,
        bias: Bias::Absent,
    }
}
