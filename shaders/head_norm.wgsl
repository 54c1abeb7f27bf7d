// RMSNorm of each head of a row by itself, in place.
//
//   x[t][h] = x[t][h] / sqrt(mean(x[t][h]²) + ε) · weight
//
// Shapes: x T × heads·D from column FIRST of rows STRIDE apart; weight D = HEAD_WIDTH.
// Split: one workgroup a head (x) and row (y); lanes share out the elements, and the sum is reduced in workgroup
// memory.
// Twin: src/reference/norm.rs

override WORKGROUP: u32;
override HEAD_WIDTH: u32;
override STRIDE: u32;
override FIRST: u32;
override EPSILON: f32;

@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let base = workgroup.y * STRIDE + FIRST + workgroup.x * HEAD_WIDTH;
    var squares = 0.0;
    for (var i = lane; i < HEAD_WIDTH; i += WORKGROUP) {
        squares += values[base + i] * values[base + i];
    }
    let mean_square = workgroup_sum(squares, lane) / f32(HEAD_WIDTH);
    let scale = 1.0 / sqrt(mean_square + EPSILON);
    for (var i = lane; i < HEAD_WIDTH; i += WORKGROUP) {
        values[base + i] *= scale * weight[i];
    }
}
