// The partial results of attention_step.wgsl as one: softmax over splits of the positions.
//
//   output[t][h] = Σ_i exp(max_i − max) · value_i / (Σ_i exp(max_i − max) · sum_i (+ exp(sinks[h] − max)))
//
// Shapes: partials T × splits × H × PARTIAL4 blocks of four: the weighted values, then one with the maximum and the
// sum of the split; output T × H·D, rows OUTPUT_STRIDE apart.
// Split: x over blocks of four of all heads, y over rows. AT_ONCE splits are on their way from memory together. No barrier.
// Twin: src/reference/attention.rs

override WORKGROUP: u32;
override HEAD_WIDTH: u32;
override PARTIAL4: u32;
override OUTPUT_STRIDE: u32;
override HAS_SINKS: bool;

const AT_ONCE: u32 = 8u;

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
    // Rows that see less than the longest may have fewer splits.
    let seen = row_positions(row) - first_seen(row_positions(row));
    let splits = (seen + split_positions(seen) - 1u) / split_positions(seen);
    let first = (row * split_count() * HEADS + head) * PARTIAL4;
    var maximum = partials[first + blocks].x;
    var sum = 0.0;
    if HAS_SINKS {
        maximum = sinks[head];
        sum = 1.0;
    }
    var value = vec4(0.0);
    for (var begin = 0u; begin < splits; begin += AT_ONCE) {
        var summaries: array<vec4<f32>, AT_ONCE>;
        var values: array<vec4<f32>, AT_ONCE>;
        for (var i = 0u; i < AT_ONCE; i++) {
            let partial = first + min(begin + i, splits - 1u) * HEADS * PARTIAL4;
            summaries[i] = partials[partial + blocks];
            values[i] = partials[partial + block];
        }
        var highest = maximum;
        for (var i = 0u; i < AT_ONCE; i++) {
            highest = max(highest, summaries[i].x);
        }
        let correction = exp(maximum - highest);
        sum *= correction;
        value *= correction;
        for (var i = 0u; i < AT_ONCE; i++) {
            // Beyond the last split there is none.
            let weight = select(0.0, exp(summaries[i].x - highest), begin + i < splits);
            sum += summaries[i].y * weight;
            value += values[i] * weight;
        }
        maximum = highest;
    }
    value /= sum;
    let begin = row * OUTPUT_STRIDE + head * HEAD_WIDTH;
    for (var i = 0u; i < 4u && 4u * block + i < HEAD_WIDTH; i++) {
        output[begin + 4u * block + i] = value[i];
    }
}
