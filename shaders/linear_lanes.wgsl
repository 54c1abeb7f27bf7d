// A linear map for few rows, one lane for each output: for software drivers, where a barrier costs more than
// it saves.
//
//   output[t][r] = Σ_c weight[r][c] · input[t][c] (+ bias[r])
//
// Shapes: weight R × C in the weight format, of which this shard holds SHARD_ROWS rows from FIRST_ROW on;
// input T × C; output T × R. C is padded with zeros to COLUMNS4 blocks of four, R to
// OUTPUT_BLOCKS.
// Split: x and z over outputs, one lane each; y over rows of the batch. No barrier.
// Twin: src/reference/linear.rs

override WORKGROUP: u32;
override COLUMNS4: u32;
override FIRST_ROW: u32;
override SHARD_ROWS: u32;
override OUTPUT_BLOCKS: u32;
override HAS_BIAS: bool;

@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let shard_row = spread(workgroup) * WORKGROUP + lane;
    if shard_row >= SHARD_ROWS {
        return;
    }
    // The loop runs over the input's own blocks rather than from 0 to a constant: software drivers would unroll
    // that, and spend seconds compiling it.
    let begin = workgroup.y * COLUMNS4;
    let end = begin + COLUMNS4;
    var block = shard_row * COLUMNS4;
    var sums = vec4(0.0);
    for (var column = begin; column < end; column++) {
        sums = fma(weight4(block), input[column], sums);
        block++;
    }
    let row = FIRST_ROW + shard_row;
    var value = dot(sums, vec4(1.0));
    if HAS_BIAS {
        value += bias[row];
    }
    output[workgroup.y * 4u * OUTPUT_BLOCKS + row] = value;
}
