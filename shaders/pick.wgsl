// Copies the rows whose logits are wanted, so that the final norm and the LM head run on those alone.
//
//   output[i] = input[picked(i)]
//
// Shapes: input T × C, output (wanted rows) × C, padded to COLUMNS4 blocks of four.
// Split: x over blocks of a row, y over wanted rows.
// Twin: src/reference/pick.rs

override WORKGROUP: u32;
override COLUMNS4: u32;

@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < COLUMNS4 {
        output[id.y * COLUMNS4 + id.x] = input[picked_row(id.y) * COLUMNS4 + id.x];
    }
}
