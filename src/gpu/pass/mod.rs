//! One pass: where its rows go, what its dispatches have to know, and the buffer that tells the kernels.

mod placement;
mod rows;
mod words;
mod work;

pub(super) use placement::{Placement, Shape};
pub(super) use rows::Rows;
pub(super) use words::{FIRST_TOKEN, MOST_TABLES, words};
pub(super) use work::{MOST_PARTIALS, TILE_ROWS, Work};
