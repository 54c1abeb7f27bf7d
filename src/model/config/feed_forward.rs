//! The feed-forward block, and experts.

use super::bias::Bias;
use super::experts::ExpertsConfig;

/// The feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeedForwardConfig {
    /// F: elements between the two linear maps; of one expert, if there are experts.
    pub width: usize,
    /// Gated, plain, or experts.
    pub kind: FeedForwardKind,
    /// The non-linearity.
    pub activation: Activation,
    /// Biases of all of the block's linear maps, the router's among them; not of the shared expert's gate.
    pub bias: Bias,
}

/// The shape of the feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FeedForwardKind {
    /// down(activation(gate(x)) · up(x)) (Shazeer 2020).
    Gated,
    /// down(activation(up(x))).
    Plain,
    /// down(xIELU(up(x))), with numbers of its own in each layer.
    Xielu(Xielu),
    /// Many blocks, of which a router gives each row a few (Shazeer et al. 2017).
    Experts(ExpertsConfig),
}

/// The expanded integral of ELU (Huang and Schlag 2024): p·x² + β·x above 0, otherwise n·(e^min(x, ε) − 1 − x) + β·x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Xielu {
    /// p.
    pub positive: f32,
    /// n.
    pub negative: f32,
    /// β.
    pub linear: f32,
    /// ε: below 0, where the exponential is as good as 1.
    pub least: f32,
}

impl Xielu {
    /// From the learned numbers, of which p = ln(1 + e^a) and n = β + ln(1 + e^b).
    pub fn learned(a: f64, b: f64, linear: f64, least: f64) -> Self {
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        let (positive, negative) = (softplus(a) as f32, (linear + softplus(b)) as f32);
        Self { positive, negative, linear: linear as f32, least: least as f32 }
    }
}

/// Non-linearities, by formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// x.
    Identity,
    /// x · sigmoid(x).
    Silu,
    /// x · Φ(x), with the exact Gaussian error function.
    Gelu,
    /// x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// max(x, 0)² (So et al. 2021).
    ReluSquared,
    /// x · sigmoid(1.702 x).
    GeluSigmoid,
    /// x' · sigmoid(1.702 x') with x' = min(x, 7); as a gate it multiplies 1 plus the other value, which is kept
    /// within ±7 (gpt-oss).
    ClampedGelu,
}
