// Matrix units that multiply f32.

alias Number = f32;

// Blocks of four that a row of a tile is longer than its columns, so that rows begin in different banks.
const PADDING: u32 = 1u;

/// Numbers as the units take them.
fn narrowed(value: vec4<f32>) -> vec4<f32> { return value; }
