// RMSNorm of each row (Zhang and Sennrich 2019).
//
//   output[t] = input[t] / sqrt(mean(input[t]²) + ε) · weight (+ bias)
//
// Shapes: input, output T × C; weight, bias C. C is padded with zeros to COLUMNS4 blocks of four.
// Split: one workgroup a row; each lane takes every WORKGROUP-th block, and the sum is reduced in workgroup
// memory.
// Twin: src/reference/norm.rs

override WORKGROUP: u32;
override COLUMNS: u32;
override COLUMNS4: u32;
override EPSILON: f32;
override HAS_BIAS: bool;

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let base = workgroup.y * COLUMNS4;
    var squares = 0.0;
    for (var column = lane; column < COLUMNS4; column += WORKGROUP) {
        let value = input[base + column];
        squares += dot(value, value);
    }
    let mean_square = workgroup_sum(squares, lane) / f32(COLUMNS);
    let scale = 1.0 / sqrt(mean_square + EPSILON);
    for (var column = lane; column < COLUMNS4; column += WORKGROUP) {
        var value = input[base + column] * scale * weight[column];
        if HAS_BIAS {
            value += bias[column];
        }
        output[base + column] = value;
    }
}
