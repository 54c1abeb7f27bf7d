//! Normalisations.

use super::bias::Bias;

/// The norms of a block, as far as it has them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockNorms {
    /// Of what the block reads.
    pub before: Option<NormConfig>,
    /// Of its result, before that is added to the residual stream.
    pub after: Option<NormConfig>,
}

impl BlockNorms {
    /// Only what the block reads is normalised.
    pub const fn before(norm: NormConfig) -> Self {
        Self { before: Some(norm), after: None }
    }

    /// Only the block's result is normalised.
    pub const fn after(norm: NormConfig) -> Self {
        Self { before: None, after: Some(norm) }
    }

    /// Both are, with the same kind of norm.
    pub const fn around(norm: NormConfig) -> Self {
        Self { before: Some(norm), after: Some(norm) }
    }

    /// Neither is.
    pub const NONE: Self = Self { before: None, after: None };
}

/// A normalisation over the C elements of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormConfig {
    /// Which formula.
    pub kind: NormKind,
    /// Added under the square root.
    pub epsilon: f32,
    /// Whether a bias is added after the scale.
    pub bias: Bias,
}

/// The two normalisations in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NormKind {
    /// x / sqrt(mean(x²) + ε) · w (Zhang and Sennrich 2019).
    Rms,
    /// (x − mean) / sqrt(var + ε) · w + b (Ba, Kiros and Hinton 2016).
    Layer,
}
