//! One pass: where its rows go, what its dispatches have to know, and the buffer that tells the kernels.

mod placement;

pub(super) use placement::{
    FIRST_TOKEN, MOST_PARTIALS, MOST_TABLES, Placement, Shape, TILE_ROWS, Work, words,
};
