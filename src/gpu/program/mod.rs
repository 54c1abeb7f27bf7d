//! The plan as dispatches: for each op the pipelines, bind groups and grids that compute it.

mod attention;
mod attention_shape;
mod compiled;
mod compiler;
mod dispatch;
mod experts;
mod linear;
mod plain_ops;
mod resources;
mod selection;
mod steps;

pub(super) use attention_shape::{decode, scratch_bytes};
pub(super) use compiled::Program;
pub(super) use resources::Resources;
pub(super) use selection::{SUMMARY_BYTES, Selection, selection_bytes};
pub(super) use steps::Step;
