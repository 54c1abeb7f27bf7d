// Keeps the numbers of a buffer within a limit, in place.
//
//   values[t] = min(max(values[t], -LIMIT), LIMIT)
//
// Shapes: values T × columns, padded with zeros to COLUMNS4 blocks of four.
// Split: x over blocks of a row, y over rows.
// Twin: src/reference/clamp.rs

override WORKGROUP: u32;
override COLUMNS4: u32;
override LIMIT: f32;

@group(0) @binding(0) var<storage, read_write> values: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < COLUMNS4 {
        let place = id.y * COLUMNS4 + id.x;
        values[place] = clamp(values[place], vec4(-LIMIT), vec4(LIMIT));
    }
}
