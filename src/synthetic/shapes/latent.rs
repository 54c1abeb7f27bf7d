//! The shapes of models with latent attention and experts.

use crate::model::config::{
    Activation, AttentionConfig, Bias, BlockNorms, EmbeddingConfig, ExpertsConfig, FeedForwardConfig,
    FeedForwardKind, HeadWeights, KeysValues, KeysValuesConfig, Latent, LayerConfig, LogitsConfig,
    ModelConfig, NormConfig, NormKind, Positions, ResidualConfig, RouterConfig, SharedExpert, SharedGate,
    StoredPairs,
};
use crate::model::rotary::{RampEnds, RotaryConfig, RotaryScaling};

/// Elements of a head that rotate, and of the latent vector.
const ROTATING: usize = 64;
const RANK: usize = 512;

/// GLM-4.7-Flash, by its published configuration.
pub(super) fn glm_flash() -> ModelConfig {
    let router = RouterConfig { renormalised: Some(1e-20), factor: 1.8, ..RouterConfig::SIGMOID };
    let experts = ExpertsConfig { selection_bias: Bias::Present, ..ExpertsConfig::new(64, 4, router) };
    let model = Sizes {
        layers: 47,
        vocabulary: 154_880,
        context: 202_752,
        epsilon: 1e-5,
        heads: 20,
        latent: latent([192, 256], Some(768)),
        rotary: RotaryConfig { width: ROTATING, theta: 1e6, scaling: RotaryScaling::Plain },
        stretched: 1.0,
        feed_forward: 10_240,
        experts,
        // Of an expert, and of the one for all rows.
        widths: [1536, 1536],
    };
    model.config()
}

/// DeepSeek-V2-Lite, by its published configuration.
pub(super) fn deepseek_lite() -> ModelConfig {
    let scaling = RotaryScaling::Yarn {
        factor: 40.0,
        original_context: 4096.0,
        beta_fast: 32.0,
        beta_slow: 1.0,
        attention_factor: 1.0,
        ramp_ends: RampEnds::Whole,
    };
    let model = Sizes {
        layers: 27,
        vocabulary: 102_400,
        context: 163_840,
        epsilon: 1e-6,
        heads: 16,
        latent: latent([128, 128], None),
        rotary: RotaryConfig { width: ROTATING, theta: 1e4, scaling },
        stretched: 1.0 + 0.0707 * 40.0_f32.ln(),
        feed_forward: 10_944,
        experts: ExpertsConfig::new(64, 6, RouterConfig::SOFTMAX_OF_ALL),
        widths: [1408, 2816],
    };
    model.config()
}

fn latent([plain_width, value_width]: [usize; 2], query_rank: Option<usize>) -> Latent {
    let stored_pairs = StoredPairs::Neighbours;
    Latent { rank: RANK, plain_width, value_width, query_rank, epsilon: 1e-6, stored_pairs }
}

/// What tells them apart. Both are 2048 wide, and have no experts in their first layer.
struct Sizes {
    layers: usize,
    vocabulary: usize,
    context: usize,
    epsilon: f32,
    heads: usize,
    latent: Latent,
    rotary: RotaryConfig,
    /// What scores are multiplied by twice because positions are stretched.
    stretched: f32,
    feed_forward: usize,
    experts: ExpertsConfig,
    widths: [usize; 2],
}

impl Sizes {
    fn config(self) -> ModelConfig {
        let norm = NormConfig { kind: NormKind::Rms, epsilon: self.epsilon, bias: Bias::Absent };
        let [width, shared] = self.widths;
        let shared = Some(SharedExpert { width: shared, gate: SharedGate::Absent });
        let experts = FeedForwardKind::Experts(ExpertsConfig { shared, ..self.experts });
        let layer = |index| {
            let (width, kind) = match index {
                0 => (self.feed_forward, FeedForwardKind::Gated),
                _ => (width, experts),
            };
            LayerConfig {
                residual: ResidualConfig::default(),
                attention_norms: BlockNorms::before(norm),
                attention: Some(self.attention()),
                recurrent: None,
                feed_forward_norms: BlockNorms::before(norm),
                feed_forward: Some(FeedForwardConfig {
                    width,
                    kind,
                    activation: Activation::Silu,
                    bias: Bias::Absent,
                }),
            }
        };
        ModelConfig {
            vocabulary: self.vocabulary,
            width: 2048,
            context: self.context,
            positions: Positions::InLayers,
            embedding: EmbeddingConfig::default(),
            layers: (0..self.layers).map(layer).collect(),
            final_norm: norm,
            head: HeadWeights::Separate,
            head_bias: Bias::Absent,
            logits: LogitsConfig::default(),
        }
    }

    fn attention(&self) -> AttentionConfig {
        let whole = (self.latent.plain_width + ROTATING) as f32;
        AttentionConfig {
            key_value_heads: 1,
            rotary: Some(self.rotary.clone()),
            scale: self.stretched * self.stretched / whole.sqrt(),
            keys_values: KeysValuesConfig { source: KeysValues::Latent(self.latent), value_norm: None },
            ..AttentionConfig::plain(self.heads, ROTATING + RANK)
        }
    }
}
