//! Blocks that remember by a state of fixed size, in place of keys and values of every position.
//!
//! A state belongs to a layer and a sequence. Each row changes it, so that it stands for everything before: a step costs
//! the same at position 10 and at position 100,000, and nothing of it can be undone.

use super::bias::Bias;
use super::feed_forward::Activation;
use super::limits;
use super::norm::{NormConfig, NormKind};
use crate::model::error::{ConfigError, ensure, in_range, is_factor};

/// A layer's block with a state.
#[derive(Clone, Debug, PartialEq)]
pub enum RecurrentConfig {
    /// output(g' ⊙ convolution(g ⊙ x)), where g, g' and x are linear maps of the block's input (LFM2).
    ShortConvolution(ShortConvolutionConfig),
    /// The gated delta rule (Yang, Kautz and Hatamizadeh 2024) after a short convolution.
    GatedDelta(GatedDeltaConfig),
    /// Mamba 2 (Dao and Gu 2024).
    Mamba2(Mamba2Config),
}

/// A causal convolution by channel over the last few rows: y\[t\]\[c\] = Σ_j w\[c\]\[j\] · x\[t − k + 1 + j\]\[c\] (+ b\[c\]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvolutionConfig {
    /// k: rows that it reads, the newest included. The state is the last k − 1 of them.
    pub kernel: usize,
    /// Whether there is a b.
    pub bias: Bias,
}

/// See [`RecurrentConfig::ShortConvolution`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortConvolutionConfig {
    /// Channels.
    pub width: usize,
    /// The convolution.
    pub convolution: ConvolutionConfig,
    /// Biases of the linear maps, the output's among them.
    pub bias: Bias,
}

/// See [`RecurrentConfig::GatedDelta`].
///
/// Of queries, keys and values q, k, v, which the convolution gives and SiLU bends, with q and k of length 1 by head and
/// q divided by √N as well, and of a row's decay d and strength β for each head:
///
/// S ← d·S;  S ← S + k ⊗ β(v − Sᵀk);  o = Sᵀq;  output(norm(o) ⊙ activation(z))
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GatedDeltaConfig {
    /// The state's shape.
    pub heads: StateHeads,
    /// The convolution of queries, keys and values.
    pub convolution: ConvolutionConfig,
    /// β = range · σ(strength): 1, or 2 where a state may change sign.
    pub strength_range: f32,
    /// What the gate z goes through.
    pub gate: Activation,
    /// The ε of the norm of each head's o, whose weight all heads share.
    pub norm_epsilon: f32,
}

/// See [`RecurrentConfig::Mamba2`].
///
/// Of x, B and C, which the convolution gives and SiLU bends, and of a row's time step Δ = softplus(time step) for each
/// head, within limits:
///
/// S ← exp(Δ·A)·S + B ⊗ Δ·x;  y = SᵀC + D·x;  output(norm(y ⊙ silu(z)))
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mamba2Config {
    /// The state's shape; B and C are its keys and queries, x its values.
    pub heads: StateHeads,
    /// The convolution of x, B and C.
    pub convolution: ConvolutionConfig,
    /// The least and the largest Δ.
    pub time_step: [f32; 2],
    /// The norm of the gated y, if there is one.
    pub norm: Option<GroupNormConfig>,
    /// Biases of the linear maps of x, B and C, and of z. That of time steps always has one.
    pub input_bias: Bias,
    /// Bias of the output's linear map.
    pub output_bias: Bias,
}

/// The norm of a gated row by groups of its elements, with a weight for each element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNormConfig {
    /// The ε.
    pub epsilon: f32,
    /// Groups of as many elements each.
    pub groups: usize,
    /// Whether the gate comes after the norm, not before.
    pub before_gate: bool,
}

/// The shape of a state of matrices: H of them, N × P each, and how heads share keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateHeads {
    /// H: heads of values, one matrix each.
    pub heads: usize,
    /// G: heads of keys and of queries; H is a multiple of G.
    pub groups: usize,
    /// Which keys a head reads.
    pub order: HeadOrder,
    /// N: elements of a key, and of a query.
    pub key_width: usize,
    /// P: elements of a value.
    pub value_width: usize,
}

/// Which of G key heads belongs to head h of H.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadOrder {
    /// ⌊h·G/H⌋: heads that share keys are neighbours.
    Neighbours,
    /// h mod G.
    Turns,
}

impl StateHeads {
    /// H·P: elements of a row of values.
    pub fn values(&self) -> usize {
        self.heads.saturating_mul(self.value_width)
    }

    /// G·N: elements of a row of keys, or of queries.
    pub fn keys(&self) -> usize {
        self.groups.saturating_mul(self.key_width)
    }

    /// Elements of a row of queries, keys and values.
    pub fn channels(&self) -> usize {
        self.keys().saturating_mul(2).saturating_add(self.values())
    }
}

impl RecurrentConfig {
    /// The block's convolution.
    pub fn convolution(&self) -> ConvolutionConfig {
        match self {
            Self::ShortConvolution(block) => block.convolution,
            Self::GatedDelta(block) => block.convolution,
            Self::Mamba2(block) => block.convolution,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::ShortConvolution(block) => {
                in_range("the width of the convolution", block.width, limits::WIDTH)?;
                block.convolution.check()
            }
            Self::GatedDelta(block) => {
                block.heads.check()?;
                block.convolution.check()?;
                is_factor("the range of the delta rule's strength", block.strength_range)?;
                NormConfig { kind: NormKind::Rms, epsilon: block.norm_epsilon, bias: Bias::Absent }.check()
            }
            Self::Mamba2(block) => block.check(),
        }
    }
}

impl Mamba2Config {
    fn check(&self) -> Result<(), ConfigError> {
        self.heads.check()?;
        self.convolution.check()?;
        let [least, largest] = self.time_step;
        ensure(least >= 0.0 && least <= largest, "the limits of time steps", least, || {
            format!("the least has to be at least 0 and at most the largest, {largest}")
        })?;
        let Some(norm) = self.norm else { return Ok(()) };
        let (values, groups) = (self.heads.values(), norm.groups);
        in_range("the groups of the gated norm", groups, limits::WIDTH)?;
        ensure(values.is_multiple_of(groups), "the width of the state's values", values, || {
            format!("it has to be a multiple of the {groups} groups of the norm")
        })?;
        NormConfig { kind: NormKind::Rms, epsilon: norm.epsilon, bias: Bias::Absent }.check()
    }
}

impl ConvolutionConfig {
    fn check(self) -> Result<(), ConfigError> {
        in_range("the rows of the convolution", self.kernel, limits::CONVOLUTION)?;
        ensure(self.kernel > 1, "the rows of the convolution", self.kernel, || {
            "it has to be above 1".to_owned()
        })
    }
}

impl StateHeads {
    fn check(&self) -> Result<(), ConfigError> {
        in_range("the number of the state's heads", self.heads, limits::WIDTH)?;
        in_range("the number of the state's key heads", self.groups, limits::WIDTH)?;
        in_range("the width of the state's keys", self.key_width, limits::STATE_KEY)?;
        in_range("the width of the state's values", self.value_width, limits::WIDTH)?;
        in_range("the width of queries, keys and values", self.channels(), limits::WIDTH)?;
        in_range("the elements of the state", self.values().saturating_mul(self.key_width), limits::STATE)?;
        let (heads, groups) = (self.heads, self.groups);
        ensure(heads.is_multiple_of(groups), "the number of the state's heads", heads, || {
            format!("it has to be a multiple of the {groups} key heads")
        })
    }
}
