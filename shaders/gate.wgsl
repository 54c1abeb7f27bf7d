// The gate of a gated feed-forward block (Shazeer 2020).
//
//   gate[t] = activation(gate[t]) · up[t]
//
// Shapes: gate T × F, padded with zeros to COLUMNS4 blocks of four; up T × F from block FIRST4 of rows STRIDE4 apart, a
// whole number of blocks.
// Split: x over blocks of a row, y over rows.
// Twin: src/reference/gate.rs

override WORKGROUP: u32;
override COLUMNS4: u32;
override STRIDE4: u32;
override FIRST4: u32;

@group(0) @binding(0) var<storage, read> up: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> gate: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < COLUMNS4 && FIRST4 + id.x < STRIDE4 {
        let place = id.y * COLUMNS4 + id.x;
        gate[place] = gated4(gate[place], up[id.y * STRIDE4 + FIRST4 + id.x]);
    }
}
