//! One pass: where its rows go, what its dispatches have to know, and the buffer that tells the kernels.

mod layout;
mod pass_shape;
mod placement;
mod rows;
mod splits;
mod walks;
mod words;

pub(super) use layout::{FIRST_TOKEN, MOST_TABLES, OUTPUT_COUNT};
pub(super) use pass_shape::{PassShape, TILE_ROWS};
pub(super) use placement::{BatchShape, Placement};
pub(super) use rows::Rows;
pub(super) use splits::{SplitRule, most_partials};
pub(super) use words::{Fixed, words};
