// Multiplies a buffer by a number that was learned, in place.
//
//   values[t] = factor · values[t]
//
// Shapes: values T × columns, padded with zeros to COLUMNS4 blocks of four; factor 1.
// Split: x over blocks of a row, y over rows.
// Twin: src/reference/scale.rs

override WORKGROUP: u32;
override COLUMNS4: u32;

@group(0) @binding(0) var<storage, read> factor: array<f32>;
@group(0) @binding(1) var<storage, read_write> values: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < COLUMNS4 {
        let place = id.y * COLUMNS4 + id.x;
        values[place] *= factor[0];
    }
}
