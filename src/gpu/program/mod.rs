//! The plan as dispatches: for each op the pipelines, bind groups and grids that compute it.

mod attention;
mod attention_kernels;
mod attention_shape;
mod compile;
mod compiled;
mod compiler;
mod crossing;
mod dispatch;
mod experts;
mod heads;
mod linear;
mod linear_maps;
mod parts;
mod plain_ops;
mod recurrent;
mod resources;
mod scores;
mod segments;
mod selection;
mod spec;
mod steps;
mod summary;

pub(super) use attention_shape::{decode, scratch_bytes};
pub use compile::kernel_uses;
pub(super) use compile::pass_uses;
pub(super) use compiled::Program;
pub(super) use crossing::Schedule;
pub(super) use dispatch::Dispatch;
pub(super) use resources::Resources;
pub(super) use segments::Segment;
pub use selection::selection_uses;
pub(super) use selection::{Selection, selection_bytes};
pub(super) use steps::Step;
pub(super) use summary::{PINNED_BYTES, SUMMARY_BYTES, read_pinned};
