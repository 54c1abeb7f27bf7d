// The recurrence of a state of matrices (shaders/lib/walk.wgsl), for hardware: several lanes share an element's row of the
// state, so that it stays in registers.
//
// Twin: src/reference/recurrence.rs

/// Blocks of four that a lane keeps.
const LANE_BLOCKS: u32 = 8u;
