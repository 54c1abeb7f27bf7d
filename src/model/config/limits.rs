//! Upper bounds on what a configuration may ask for: far above every published model, low enough that a
//! malformed file cannot make us allocate or loop without end.

/// Vocabulary entries.
pub const VOCABULARY: usize = 1 << 22;
/// Elements of the residual stream, of a head group and of the feed-forward block.
pub const WIDTH: usize = 1 << 20;
/// Layers.
pub const LAYERS: usize = 1 << 12;
/// Experts of a layer.
pub const EXPERTS: usize = 1 << 12;
/// Experts that compute one row.
pub const ACTIVE_EXPERTS: usize = 32;
/// Groups of a layer's experts.
pub const EXPERT_GROUPS: usize = 64;
/// Rows of the matrices of all experts of a layer together.
pub const EXPERT_ROWS: usize = 1 << 26;
/// Rows that a convolution reads.
pub const CONVOLUTION: usize = 64;
/// Elements of a key of a state of matrices.
pub const STATE_KEY: usize = 1024;
/// Elements of a state of matrices.
pub const STATE: usize = 1 << 26;
/// Positions.
pub const CONTEXT: usize = 1 << 24;
