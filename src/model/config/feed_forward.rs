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
    /// Many blocks, of which a router gives each row a few (Shazeer et al. 2017).
    Experts(ExpertsConfig),
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
