//! The plan as dispatches: for each op the pipelines, bind groups and grids that compute it.

mod attention;
mod compiler;
mod experts;
mod linear;
mod selection;

pub(super) use attention::{decode, scratch_bytes};
pub(super) use compiler::{Memory, Step, compile};
pub(super) use selection::{SUMMARY_BYTES, Selection, selection_bytes};
