// A linear map for few rows, one workgroup for four outputs: for GPUs, where neighbouring lanes should read
// neighbouring addresses.
//
//   output[t][r] = Σ_c weight[r][c] · input[t][c] (+ bias[r])
//
// Shapes: weight R × C in the weight format, of which this shard holds SHARD_ROWS rows from FIRST_ROW on;
// input T × C; output T × R. C is padded with zeros to COLUMNS4 blocks of four, R to
// OUTPUT_BLOCKS; FIRST_ROW is a multiple of four.
// Split: x and z over groups of four outputs, y over rows of the batch. Each lane takes every WORKGROUP-th
// block of a row; the four outputs share its loads of the input and one reduction in workgroup memory.
// Twin: src/reference/linear.rs

override WORKGROUP: u32;
override COLUMNS4: u32;
override FIRST_ROW: u32;
override SHARD_ROWS: u32;
override OUTPUT_BLOCKS: u32;
override HAS_BIAS: bool;

@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;

var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = spread(workgroup) * 4u;
    // Outputs beyond the shard read its last row again and are not stored.
    let rows = min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(SHARD_ROWS - 1u)) * COLUMNS4;
    let input_base = workgroup.y * COLUMNS4;
    var sums = vec4(0.0);
    for (var column = lane; column < COLUMNS4; column += WORKGROUP) {
        let value = input[input_base + column];
        sums += vec4(
            dot(weight4(rows.x + column), value),
            dot(weight4(rows.y + column), value),
            dot(weight4(rows.z + column), value),
            dot(weight4(rows.w + column), value),
        );
    }
    partial[lane] = sums;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half = half / 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        let block = (FIRST_ROW + first) / 4u;
        var value = partial[0];
        if HAS_BIAS {
            value += bias[block];
        }
        // The padding after the last output stays zero.
        let stored = vec4(first) + vec4(0u, 1u, 2u, 3u) < vec4(SHARD_ROWS);
        output[workgroup.y * OUTPUT_BLOCKS + block] = select(vec4(0.0), value, stored);
    }
}
