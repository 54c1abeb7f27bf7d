// Adds a block's update to the residual stream.
//
//   output[t] += input[t]
//
// Shapes: T × C, padded to COLUMNS4 blocks of four.
// Split: x over blocks of a row, y over rows.
// Twin: src/reference/add.rs

override WORKGROUP: u32;
override COLUMNS4: u32;

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < COLUMNS4 {
        let place = id.y * COLUMNS4 + id.x;
        output[place] += input[place];
    }
}
