//! A layer: its blocks, their norms, and the residual stream.
//!
//! How the blocks and the residual stream are connected ([`Residual`]). The norms drawn are those before a block; those
//! after a block, and the residual scale, come just before the ⊕. Any of them may be absent.
//!
//! ```text
//!  sequential                parallel                      parallel, one norm for both
//!
//!  x                         x                             x
//!  ├──────────┐              ├─────────┬───────────┐       ├─────────┐
//!  │        [norm]           │       [norm]      [norm]    │       [norm]
//!  │      attention          │     attention  feed-forward │         ├───────────┐
//!  ⊕◄─────────┘              ⊕◄────────┴───────────┘       │     attention  feed-forward
//!  ├──────────┐              │                             ⊕◄────────┴───────────┘
//!  │        [norm]           y                             │
//!  │     feed-forward                                      y
//!  ⊕◄─────────┘
//!  │
//!  y
//! ```

use super::attention::AttentionConfig;
use super::feed_forward::FeedForwardConfig;
use super::norm::BlockNorms;
use super::recurrent::RecurrentConfig;

/// One decoder layer: up to three blocks, each with its norms and added to the residual stream. Most layers have attention
/// and a feed-forward block. Where there are attention and a recurrent block, both read the same and their results are
/// added to each other; what is absent takes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerConfig {
    /// How the blocks and the residual stream are connected.
    pub residual: ResidualConfig,
    /// The norms around attention and the recurrent block.
    pub attention_norms: BlockNorms,
    /// The attention block.
    pub attention: Option<AttentionConfig>,
    /// The block with a state.
    pub recurrent: Option<RecurrentConfig>,
    /// The norms around the feed-forward block.
    pub feed_forward_norms: BlockNorms,
    /// The feed-forward block.
    pub feed_forward: Option<FeedForwardConfig>,
}

/// How a layer's blocks and the residual stream are connected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResidualConfig {
    /// What the feed-forward block reads.
    pub kind: Residual,
    /// Factor on each block's result before it is added.
    pub scale: f32,
    /// Factors of single blocks.
    pub factors: BlockFactors,
    /// What the residual stream is multiplied by after the layer.
    pub stream: StreamFactor,
}

/// What a layer multiplies the residual stream by in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamFactor {
    /// Nothing.
    #[default]
    Absent,
    /// A learned number.
    Present,
}

impl Default for ResidualConfig {
    /// One block after the other, results added as they are.
    fn default() -> Self {
        Self {
            kind: Residual::Sequential,
            scale: 1.0,
            factors: BlockFactors::NONE,
            stream: StreamFactor::Absent,
        }
    }
}

/// Factors inside of a layer's blocks (Yang et al. 2022).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockFactors {
    /// On what attention gives, before a recurrent block's result is added.
    pub attention: f32,
    /// On what the recurrent block gives.
    pub recurrent: f32,
    /// On the recurrent block's gate z.
    pub recurrent_gate: f32,
    /// On the feed-forward block's gate, before its activation.
    pub feed_forward_gate: f32,
    /// On what the feed-forward block gives.
    pub feed_forward: f32,
}

impl BlockFactors {
    /// All is as it is.
    pub const NONE: Self = Self {
        attention: 1.0,
        recurrent: 1.0,
        recurrent_gate: 1.0,
        feed_forward_gate: 1.0,
        feed_forward: 1.0,
    };
}

impl Default for BlockFactors {
    fn default() -> Self {
        Self::NONE
    }
}

/// What a layer's feed-forward block reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// The residual stream after attention was added.
    Sequential,
    /// The residual stream that attention reads too. If the feed-forward block has no norm of its own, it reads what
    /// attention's norm gives.
    Parallel,
}
