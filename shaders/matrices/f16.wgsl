// Matrix units that multiply f16 and add up in f32.

enable f16;
enable wgpu_cooperative_matrix;

alias Number = f16;

// What a row of a tile is longer than its columns, so that rows begin in different banks.
const PADDING: u32 = 8u;

/// Numbers as the units take them; those beyond f16's range as its largest ones.
fn narrowed(value: vec4<f32>) -> vec4<f16> {
    // What is beyond becomes infinite first; two numbers are kept within the range at once then.
    return clamp(vec4<f16>(value), vec4<f16>(-65504.0h), vec4<f16>(65504.0h));
}
