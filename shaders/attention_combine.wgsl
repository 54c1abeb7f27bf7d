// The partial results of attention_step.wgsl as one: softmax over splits of the positions.
//
//   output[t][h] = Σ_i exp(max_i − max) · value_i / (Σ_i exp(max_i − max) · sum_i (+ exp(sinks[h] − max)))
//
// Shapes: partials T × splits × H × PARTIAL4 blocks of four: the weighted values, then one with the maximum and the
// sum of the split; output T × H·D, rows OUTPUT_STRIDE apart.
// Split: x over blocks of four of all heads, y over rows. No barrier.
// Twin: src/reference/attention.rs

override WORKGROUP: u32;
override HEADS: u32;
override HEAD_WIDTH: u32;
override PARTIAL4: u32;
override OUTPUT_STRIDE: u32;
override HAS_SINKS: bool;

@group(0) @binding(1) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read> sinks: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let blocks = PARTIAL4 - 1u;
    if id.x >= HEADS * blocks {
        return;
    }
    let row = id.y;
    let head = id.x / blocks;
    let block = id.x % blocks;
    // Shorter rows have fewer splits than the longest.
    let splits = (row_positions(row) + split_positions() - 1u) / split_positions();
    var partial = (row * split_count() * HEADS + head) * PARTIAL4;
    var maximum = partials[partial + blocks].x;
    var sum = 0.0;
    if HAS_SINKS {
        maximum = sinks[head];
        sum = 1.0;
    }
    var value = vec4(0.0);
    for (var split = 0u; split < splits; split++) {
        let summary = partials[partial + blocks];
        let highest = max(maximum, summary.x);
        let correction = exp(maximum - highest);
        let weight = exp(summary.x - highest);
        sum = sum * correction + summary.y * weight;
        value = value * correction + partials[partial + block] * weight;
        maximum = highest;
        partial += HEADS * PARTIAL4;
    }
    value /= sum;
    let begin = row * OUTPUT_STRIDE + head * HEAD_WIDTH;
    for (var i = 0u; i < 4u && 4u * block + i < HEAD_WIDTH; i++) {
        output[begin + 4u * block + i] = value[i];
    }
}
