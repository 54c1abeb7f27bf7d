// Brings the columns of each row into the order in which a matrix has them.
//
//   output[t][c] = input[t][order[c]]
//
// Shapes: input and output T × COLUMNS, padded with zeros to COLUMNS4 blocks of four; order COLUMNS whole numbers.
// Split: x over blocks of a row, y over rows.
// Twin: src/reference/reorder.rs

override WORKGROUP: u32;
override COLUMNS: u32;
override COLUMNS4: u32;

@group(0) @binding(0) var<storage, read> order: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < COLUMNS4 {
        let first = id.y * 4u * COLUMNS4;
        let places = first + min(vec4<u32>(order[id.x]), vec4(COLUMNS - 1u));
        let values = vec4(input[places.x], input[places.y], input[places.z], input[places.w]);
        let columns = 4u * id.x + vec4(0u, 1u, 2u, 3u);
        output[id.y * COLUMNS4 + id.x] = select(vec4(0.0), values, columns < vec4(COLUMNS));
    }
}
