//! Whether the GPU computes what it should: every op against its twin, and converted weights against the original
//! ones.
//!
//! Knows engine and reference side by side, which nothing else does; draws nothing and prints nothing.

mod all_logits;
mod op_by_op;
mod self_test;

pub use all_logits::all_logits;
pub use op_by_op::{Agreement, Comparison, Difference, OpReport};
pub use self_test::{Findings, OpFinding, PrecisionCost, SelfTest, SelfTestError, Watcher};
