// Matrix units that multiply f16 and add up in f32.

enable f16;

alias Number = f16;

// Blocks of four that a row of a tile is longer than its columns, so that rows begin in different banks.
const PADDING: u32 = 2u;

/// Numbers as the units take them; those beyond f16's range as its largest ones.
fn narrowed(value: vec4<f32>) -> vec4<f16> { return vec4<f16>(clamp(value, vec4(-65504.0), vec4(65504.0))); }
