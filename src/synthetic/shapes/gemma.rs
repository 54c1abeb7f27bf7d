//! The shapes of Gemma 4: layers with a window and others, whose heads are wider; in the smallest ones caches that several
//! layers read, and embeddings by layer.

use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingByLayer, EmbeddingConfig, FeedForwardConfig,
    FeedForwardKind, HeadNormConfig, HeadNormExtent, HeadNormPlace, HeadWeights, KeysValues,
    KeysValuesConfig, LayerConfig, LogitsConfig, ModelConfig, NormConfig, NormKind, Positions,
    ResidualConfig, ScoresConfig, StreamFactor,
};
use crate::model::rotary::{RotaryConfig, RotaryScaling};

const NORM: NormConfig = NormConfig { kind: NormKind::Rms, epsilon: 1e-6, bias: Bias::Absent };
const ACTIVATION: Activation = Activation::GeluTanh;

/// What tells the models apart.
struct Gemma {
    layers: usize,
    /// The last of each so many layers sees everything.
    period: usize,
    width: usize,
    feed_forward: usize,
    context: usize,
    window: usize,
    heads: usize,
    /// Key/value heads of layers with a window, and of the others.
    key_value_heads: [usize; 2],
    /// Where values of layers that see everything come from.
    wide_values: KeysValues,
    /// How many of the last layers read the cache of one before, with feed-forward blocks twice as wide.
    shared: usize,
    by_layer: Option<EmbeddingByLayer>,
}

/// Gemma 4 E2B.
pub(super) fn e2b() -> ModelConfig {
    Gemma {
        layers: 35,
        period: 5,
        width: 1536,
        feed_forward: 6144,
        context: 131_072,
        window: 512,
        heads: 8,
        key_value_heads: [1, 1],
        wide_values: KeysValues::Projected,
        shared: 20,
        by_layer: Some(EmbeddingByLayer { width: 256, norm: NORM, activation: ACTIVATION }),
    }
    .config()
}

/// Gemma 4 12B.
pub(super) fn dense_12b() -> ModelConfig {
    Gemma {
        layers: 48,
        period: 6,
        width: 3840,
        feed_forward: 15_360,
        context: 262_144,
        window: 1024,
        heads: 16,
        key_value_heads: [8, 1],
        wide_values: KeysValues::OneProjection,
        shared: 0,
        by_layer: None,
    }
    .config()
}

impl Gemma {
    fn config(&self) -> ModelConfig {
        ModelConfig {
            vocabulary: 262_144,
            width: self.width,
            context: self.context,
            positions: Positions::InLayers,
            embedding: EmbeddingConfig {
                scale: (self.width as f64).sqrt() as f32,
                norm: None,
                by_layer: self.by_layer,
            },
            layers: (0..self.layers).map(|layer| self.layer(layer)).collect(),
            final_norm: NORM,
            head: HeadWeights::Tied,
            head_bias: Bias::Absent,
            logits: LogitsConfig { cap: Some(30.0), ..LogitsConfig::default() },
        }
    }

    fn sees_all(&self, layer: usize) -> bool {
        (layer + 1).is_multiple_of(self.period)
    }

    fn layer(&self, layer: usize) -> LayerConfig {
        let is_shared = layer >= self.layers - self.shared;
        LayerConfig {
            residual: ResidualConfig { stream: StreamFactor::Present, ..ResidualConfig::default() },
            attention_norms: BlockNorms::around(NORM),
            attention: Some(self.attention(layer, is_shared)),
            recurrent: None,
            feed_forward_norms: BlockNorms::around(NORM),
            feed_forward: Some(FeedForwardConfig {
                width: if is_shared { 2 * self.feed_forward } else { self.feed_forward },
                kind: FeedForwardKind::Gated,
                activation: ACTIVATION,
                bias: Bias::Absent,
            }),
        }
    }

    fn attention(&self, layer: usize, is_shared: bool) -> AttentionConfig {
        let sees_all = self.sees_all(layer);
        let owner = (0..self.layers - self.shared).rev().find(|&other| self.sees_all(other) == sees_all);
        let source = match owner.filter(|_| is_shared) {
            Some(owner) => KeysValues::OfLayer(owner),
            None if sees_all => self.wide_values,
            None => KeysValues::Projected,
        };
        let head_width = if sees_all { 512 } else { 256 };
        AttentionConfig {
            key_value_heads: self.key_value_heads[usize::from(sees_all)],
            head_norm: Some(HeadNormConfig {
                kind: NormKind::Rms,
                epsilon: NORM.epsilon,
                extent: HeadNormExtent::Head,
                place: HeadNormPlace::BeforeRotary,
            }),
            rotary: Some(rotary(head_width, sees_all)),
            scale: 1.0,
            scores: ScoresConfig { window: (!sees_all).then_some(self.window), ..ScoresConfig::default() },
            keys_values: KeysValuesConfig { source, value_norm: Some(NORM.epsilon) },
            ..AttentionConfig::plain(self.heads, head_width)
        }
    }
}

/// Where a layer sees everything, the first quarter of the pairs turns.
fn rotary(head_width: usize, sees_all: bool) -> RotaryConfig {
    if !sees_all {
        return RotaryConfig { width: head_width, theta: 1e4, scaling: RotaryScaling::Plain };
    }
    let turning = head_width / 8;
    let divisors = (0..head_width / 2).map(|pair| if pair < turning { 1.0 } else { f64::INFINITY });
    let scaling = RotaryScaling::Divided { divisors: divisors.collect() };
    RotaryConfig { width: head_width, theta: 1e6, scaling }
}
