// RMSNorm or LayerNorm of each head of a row by itself, in place.
//
//   x[t][h] = (x[t][h] − m) / sqrt(mean((x[t][h] − m)²) + ε) (· weight[h]),   m = mean(x[t][h]), or 0 for RMSNorm
//
// Shapes: x T × heads·D from column FIRST of rows STRIDE apart; weight D = HEAD_WIDTH for all heads, or heads·D
// (WEIGHT_WIDTH elements). A whole row is normalised as one head.
// Split: one workgroup a head (x) and row (y); lanes share out the elements, and shaders/lib/reduce_*.wgsl makes the
// sums.
// Twin: src/reference/head_norm.rs

override WORKGROUP: u32;
override HEAD_WIDTH: u32;
override HAS_WEIGHT: bool;
override WEIGHT_WIDTH: u32;
override STRIDE: u32;
override FIRST: u32;
override SUBTRACTS_MEAN: bool;
override EPSILON: f32;

const SLOTS: u32 = 1u;

@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;

fn run(workgroup: vec3<u32>, lane: Lane) {
    let base = workgroup.y * STRIDE + FIRST + workgroup.x * HEAD_WIDTH;
    let weight_base = workgroup.x * HEAD_WIDTH % WEIGHT_WIDTH;
    var mean = 0.0;
    if SUBTRACTS_MEAN {
        var total = 0.0;
        for (var i = lane.index; i < HEAD_WIDTH; i += WORKGROUP) {
            total += values[base + i];
        }
        mean = workgroup_sum(total, lane) / f32(HEAD_WIDTH);
    }
    var squares = 0.0;
    for (var i = lane.index; i < HEAD_WIDTH; i += WORKGROUP) {
        let distance = values[base + i] - mean;
        squares += distance * distance;
    }
    let mean_square = workgroup_sum(squares, lane) / f32(HEAD_WIDTH);
    let scale = 1.0 / sqrt(mean_square + EPSILON);
    for (var i = lane.index; i < HEAD_WIDTH; i += WORKGROUP) {
        var value = (values[base + i] - mean) * scale;
        if HAS_WEIGHT {
            value *= weight[weight_base + i];
        }
        values[base + i] = value;
    }
}
