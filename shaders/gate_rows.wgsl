// Multiplies each row of a buffer by its own gate, in place.
//
//   output[t] = sigmoid(gate[t]) · output[t]
//
// Shapes: gate T × 1, rows GATE_STRIDE apart; output T × columns, padded with zeros to COLUMNS4 blocks of four.
// Split: x over blocks of a row, y over rows.
// Twin: src/reference/gate_rows.rs

override WORKGROUP: u32;
override GATE_STRIDE: u32;
override COLUMNS4: u32;

@group(0) @binding(0) var<storage, read> gate: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < COLUMNS4 {
        output[id.y * COLUMNS4 + id.x] /= 1.0 + exp(-gate[id.y * GATE_STRIDE]);
    }
}
