// The recurrence of a state of matrices (shaders/lib/walk.wgsl), for software drivers: a lane has an element's whole row of
// the state. All lanes then read the same key, and none waits for others.
//
// Twin: src/reference/recurrence.rs

/// Blocks of four that a lane keeps.
const LANE_BLOCKS: u32 = 32u;
