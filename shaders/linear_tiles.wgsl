// A linear map for many rows: each lane computes a tile of four outputs by four rows in registers, so that
// every block loaded is used four times.
//
//   output[t][r] = Σ_c weight[r][c] · input[t][c] (+ bias[r])
//
// Shapes: weight R × C in the weight format, of which this shard holds SHARD_ROWS rows from FIRST_ROW on;
// input T × C; output T × R. C is padded with zeros to COLUMNS4 blocks of four, R to
// OUTPUT_BLOCKS; FIRST_ROW is a multiple of four.
// T is word ROWS_WORD of the pass: rows of the batch (0), or rows whose logits are wanted (1).
// Split: x and z over groups of 4 · WORKGROUP outputs, y over groups of four rows. No barrier.
// Twin: src/reference/linear.rs

override WORKGROUP: u32;
override COLUMNS4: u32;
override FIRST_ROW: u32;
override SHARD_ROWS: u32;
override OUTPUT_BLOCKS: u32;
override HAS_BIAS: bool;
override ROWS_WORD: u32;

@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = (spread(workgroup) * WORKGROUP + lane) * 4u;
    if first >= SHARD_ROWS {
        return;
    }
    let rows = pass_data[ROWS_WORD];
    let first_input = workgroup.y * 4u;
    // What lies beyond the shard or the batch is computed from the last row and not stored.
    let w = min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(SHARD_ROWS - 1u)) * COLUMNS4;
    let x = min(vec4(first_input) + vec4(0u, 1u, 2u, 3u), vec4(rows - 1u)) * COLUMNS4;
    // One sum for each of the four outputs, for each of the four input rows.
    var sums0 = vec4(0.0);
    var sums1 = vec4(0.0);
    var sums2 = vec4(0.0);
    var sums3 = vec4(0.0);
    for (var column = 0u; column < COLUMNS4; column++) {
        let block = mat4x4(
            weight4(w.x + column),
            weight4(w.y + column),
            weight4(w.z + column),
            weight4(w.w + column),
        );
        sums0 += input[x.x + column] * block;
        sums1 += input[x.y + column] * block;
        sums2 += input[x.z + column] * block;
        sums3 += input[x.w + column] * block;
    }
    let block = (FIRST_ROW + first) / 4u;
    var added = vec4(0.0);
    if HAS_BIAS {
        added = bias[block];
    }
    // The padding after the last output stays zero.
    let stored = vec4(first) + vec4(0u, 1u, 2u, 3u) < vec4(SHARD_ROWS);
    let place = first_input * OUTPUT_BLOCKS + block;
    output[place] = select(vec4(0.0), sums0 + added, stored);
    if first_input + 1u < rows {
        output[place + OUTPUT_BLOCKS] = select(vec4(0.0), sums1 + added, stored);
    }
    if first_input + 2u < rows {
        output[place + 2u * OUTPUT_BLOCKS] = select(vec4(0.0), sums2 + added, stored);
    }
    if first_input + 3u < rows {
        output[place + 3u * OUTPUT_BLOCKS] = select(vec4(0.0), sums3 + added, stored);
    }
}
