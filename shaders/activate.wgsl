// The non-linearity of a plain feed-forward block, in place.
//
//   values[t] = activation(values[t])
//
// Shapes: values T × F, padded with zeros to COLUMNS4 blocks of four; every activation keeps zero.
// Split: x over blocks of a row, y over rows.
// Twin: src/reference/activate.rs

override WORKGROUP: u32;
override COLUMNS4: u32;

@group(0) @binding(0) var<storage, read_write> values: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < COLUMNS4 {
        let place = id.y * COLUMNS4 + id.x;
        values[place] = activate4(values[place]);
    }
}
