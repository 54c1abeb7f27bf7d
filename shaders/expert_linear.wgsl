// A linear map by the experts that each row was given, of which only their own weights are read.
//
//   output[t][k·R + r] = Σ_c weight[e(t, k)·R + r][c] · x[c] (+ bias[e(t, k)·R + r]),
//   x = input[t], or block k of it, or share(t, k) · input[t] (TIMES_SHARE)
//
// Shapes: weight E·R × C in shards of whole blocks of four rows, C in UNITS units; input rows of INPUT_BLOCKS
// blocks of four, of which slot k reads from k · SLOT_BLOCKS on; routes rows of ROUTES_STRIDE numbers, the indices
// first, then the shares; output T × K·R, rows of OUTPUT_BLOCKS blocks of four.
// Split: one workgroup for four outputs (x and z) of a row (y). Lanes take turns at the units of a weight row, and
// one reduction (shaders/lib/reduce_*.wgsl) adds up what they have.
// Twin: src/reference/expert_linear.rs

override WORKGROUP: u32;
override UNITS: u32;
override INPUT_BLOCKS: u32;
override SLOT_BLOCKS: u32;
override OUTPUT_BLOCKS: u32;
override ROUTES_STRIDE: u32;
// R: rows of one expert's matrix, and K of them for each row of the batch.
override EXPERT_ROWS: u32;
override ACTIVE: u32;
// The shard's first row of the weight, and how many it has.
override FIRST_ROW: u32;
override SHARD_ROWS: u32;
override HAS_BIAS: bool;
override TIMES_SHARE: bool;

const SLOTS: u32 = 1u;

@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> routes: array<f32>;
@group(0) @binding(6) var<storage, read> bias: array<vec4<f32>>;

fn run(workgroup: vec3<u32>, lane: Lane) {
    let block = spread(workgroup);
    let slot = 4u * block / EXPERT_ROWS;
    if slot >= ACTIVE {
        return;
    }
    let row = workgroup.y;
    let expert = u32(routes[row * ROUTES_STRIDE + slot]);
    let weight_row = expert * EXPERT_ROWS + 4u * block % EXPERT_ROWS;
    if weight_row < FIRST_ROW || weight_row >= FIRST_ROW + SHARD_ROWS {
        return;
    }
    prepare_tables(lane.index);
    let base = (weight_row - FIRST_ROW) * UNITS;
    let first_input = row * INPUT_BLOCKS + slot * SLOT_BLOCKS;
    var sums = vec4(0.0);
    for (var unit = lane.index; unit < UNITS; unit += WORKGROUP) {
        for (var output_row = 0u; output_row < 4u; output_row++) {
            let place = base + output_row * UNITS + unit;
            var weights = weight_unit(place);
            var sum = 0.0;
            for (var i = 0u; i < UNIT; i++) {
                sum += dot(weights[i], input[first_input + unit * UNIT + i]);
            }
            sums[output_row] = fma(sum, unit_scale(place), sums[output_row]);
        }
    }
    contribute(0u, sums, lane);
    join(lane);
    if lane.index == 0u {
        var result = joined(0u, lane);
        if TIMES_SHARE {
            result *= routes[row * ROUTES_STRIDE + ACTIVE + slot];
        }
        if HAS_BIAS {
            result += bias[weight_row / 4u];
        }
        output[row * OUTPUT_BLOCKS + block] = result;
    }
}
