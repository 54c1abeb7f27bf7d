//! The feed-forward block, and experts.

use super::bias::Bias;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForwardKind {
    /// down(activation(gate(x)) · up(x)) (Shazeer 2020).
    Gated,
    /// down(activation(up(x))).
    Plain,
    /// Many gated blocks, of which a router gives each row a few (Shazeer et al. 2017).
    Experts(ExpertsConfig),
}

/// Experts: Σ share(e) · expert(e, x) over those that the router's scores for the row are highest for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertsConfig {
    /// E: how many there are.
    pub count: usize,
    /// K: how many compute a row.
    pub active: usize,
    /// How their shares follow from the router's scores.
    pub softmax: RouterSoftmax,
    /// Width of a gated block that computes every row, and is multiplied by sigmoid(gate · x) before it is added.
    pub shared_width: Option<usize>,
}

/// Over which of the router's scores the softmax runs whose values are the experts' shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterSoftmax {
    /// Those of all experts: the shares of the chosen ones add up to less than 1.
    BeforeTopK,
    /// Those of the chosen experts: their shares add up to 1.
    AfterTopK,
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
