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

/// One decoder layer: an attention block and a feed-forward block, each with its norms and added to the residual
/// stream.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerConfig {
    /// How the blocks and the residual stream are connected.
    pub residual: ResidualConfig,
    /// The norms around attention.
    pub attention_norms: BlockNorms,
    /// The attention block.
    pub attention: AttentionConfig,
    /// The norms around the feed-forward block.
    pub feed_forward_norms: BlockNorms,
    /// The feed-forward block.
    pub feed_forward: FeedForwardConfig,
}

/// How a layer's blocks and the residual stream are connected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResidualConfig {
    /// What the feed-forward block reads.
    pub kind: Residual,
    /// Factor on each block's result before it is added.
    pub scale: f32,
}

impl Default for ResidualConfig {
    /// One block after the other, results added as they are.
    fn default() -> Self {
        Self { kind: Residual::Sequential, scale: 1.0 }
    }
}

/// What a layer's feed-forward block reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// The residual stream after attention was added.
    Sequential,
    /// The residual stream that attention reads too; what attention reads itself, where the feed-forward block has
    /// no norm of its own.
    Parallel,
}
