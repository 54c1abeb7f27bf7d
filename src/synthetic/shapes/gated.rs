//! The shapes of models whose attention has gates on what it gives, dense and with experts.

use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, ExpertsConfig, FeedForwardConfig,
    FeedForwardKind, GateExtent, GateFunction, HeadNormConfig, HeadNormExtent, HeadNormPlace, HeadWeights,
    LayerConfig, LogitsConfig, ModelConfig, NormConfig, NormKind, OutputGate, Positions, ResidualConfig,
    RouterConfig, ScoresConfig, SharedExpert, SharedGate,
};
use crate::model::rotary::{RotaryConfig, RotaryScaling};

const fn rms(epsilon: f32) -> NormConfig {
    NormConfig { kind: NormKind::Rms, epsilon, bias: Bias::Absent }
}

/// Attention with heads of 128, normalised.
struct Heads {
    query: usize,
    key_value: usize,
    /// Positions that a row sees, if not all.
    window: Option<usize>,
    /// Elements that rotate, if any, and the base.
    rotary: Option<(usize, f64)>,
    gate: OutputGate,
}

impl Heads {
    fn attention(self, epsilon: f32) -> AttentionConfig {
        let head_width = 128;
        let turning = |(width, theta)| RotaryConfig { width, theta, scaling: RotaryScaling::Plain };
        AttentionConfig {
            key_value_heads: self.key_value,
            head_norm: Some(HeadNormConfig {
                kind: NormKind::Rms,
                epsilon,
                extent: HeadNormExtent::Head,
                place: HeadNormPlace::BeforeRotary,
            }),
            rotary: self.rotary.map(turning),
            scale: (head_width as f32).sqrt().recip(),
            scores: ScoresConfig { window: self.window, ..ScoresConfig::default() },
            output_gate: Some(self.gate),
            ..AttentionConfig::plain(self.query, head_width)
        }
    }
}

fn layer(attention: AttentionConfig, norms: BlockNorms, width: usize, kind: FeedForwardKind) -> LayerConfig {
    LayerConfig {
        residual: ResidualConfig::default(),
        attention_norms: norms,
        attention: Some(attention),
        recurrent: None,
        feed_forward_norms: norms,
        feed_forward: Some(FeedForwardConfig {
            width,
            kind,
            activation: Activation::Silu,
            bias: Bias::Absent,
        }),
    }
}

/// Muse Glimmer: every fourth layer has neither window nor rotary embedding.
pub(super) fn glimmer_30b() -> ModelConfig {
    let norms = BlockNorms { before: Some(rms(1e-5)), after: Some(rms(1e-8)) };
    let gate = OutputGate { extent: GateExtent::Element, function: GateFunction::Sigmoid };
    let of_layer = |index: usize| {
        let is_local = index % 4 < 3;
        let (window, rotary) = (is_local.then_some(2048), is_local.then_some((128, 1e4)));
        let attention = Heads { query: 32, key_value: 2, window, rotary, gate }.attention(1e-5);
        layer(attention, norms, 19_968, FeedForwardKind::Gated)
    };
    ModelConfig {
        vocabulary: 202_048,
        width: 6656,
        context: 131_072,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig { norm: Some(rms(1e-5)), ..EmbeddingConfig::default() },
        layers: (0..52).map(of_layer).collect(),
        final_norm: rms(1e-5),
        head: HeadWeights::Separate,
        head_bias: Bias::Absent,
        logits: LogitsConfig { scale: 0.196_116_13, cap: Some(20.0) },
    }
}

/// Laguna XS: every fourth layer from the first sees all, with fewer heads, of which half rotates.
pub(super) fn laguna_xs() -> ModelConfig {
    let router = RouterConfig { renormalised: Some(0.0), ..RouterConfig::SIGMOID };
    let experts = FeedForwardKind::Experts(ExpertsConfig {
        selection_bias: Bias::Present,
        shared: Some(SharedExpert { width: 512, gate: SharedGate::Absent }),
        ..ExpertsConfig::new(256, 8, router)
    });
    let gate = OutputGate { extent: GateExtent::Head, function: GateFunction::Softplus };
    let of_layer = |index: usize| {
        let heads = match index % 4 {
            0 => Heads { query: 48, key_value: 8, window: None, rotary: Some((64, 5e5)), gate },
            _ => Heads { query: 64, key_value: 8, window: Some(512), rotary: Some((128, 1e4)), gate },
        };
        let (width, kind) = if index == 0 { (8192, FeedForwardKind::Gated) } else { (512, experts) };
        layer(heads.attention(1e-6), BlockNorms::before(rms(1e-6)), width, kind)
    };
    ModelConfig {
        vocabulary: 100_352,
        width: 2048,
        context: 131_072,
        positions: Positions::InLayers,
        embedding: EmbeddingConfig::default(),
        layers: (0..40).map(of_layer).collect(),
        final_norm: rms(1e-6),
        head: HeadWeights::Separate,
        head_bias: Bias::Absent,
        logits: LogitsConfig::default(),
    }
}
