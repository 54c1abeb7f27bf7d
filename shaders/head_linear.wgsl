// A linear map of each head by a matrix of its own, but for its first elements, which stay before the result.
//
//   output[t][h·(K + R) + k] = input[t][h·(K + C) + k] for k < K
//   output[t][h·(K + R) + K + r] = Σ_c weight[h·R + r][c] · input[t][h·(K + C) + K + c]
//
// Shapes: weight HEADS·R × C in shards of whole blocks of four rows, C in UNITS units; input T × HEADS·(K + C) in rows of
// INPUT_BLOCKS blocks of four, output T × HEADS·(K + R) in rows of OUTPUT_BLOCKS; K, R and C in KEPT4, HEAD_ROWS4 and
// HEAD_COLUMNS4 blocks of four.
// Split: one workgroup for four outputs (x and z) of a row (y). Lanes take turns at the units of a weight row, and
// one reduction (shaders/lib/reduce_*.wgsl) adds up what they have.
// Twin: src/reference/head_linear.rs

override WORKGROUP: u32;
override UNITS: u32;
override INPUT_BLOCKS: u32;
override OUTPUT_BLOCKS: u32;
override HEADS: u32;
override KEPT4: u32;
override HEAD_ROWS4: u32;
override HEAD_COLUMNS4: u32;
// The shard's first row of the weight, and how many it has.
override FIRST_ROW: u32;
override SHARD_ROWS: u32;

const SLOTS: u32 = 1u;

@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;

fn run(workgroup: vec3<u32>, lane: Lane) {
    let block = spread(workgroup);
    let head = block / (KEPT4 + HEAD_ROWS4);
    if head >= HEADS {
        return;
    }
    let row = workgroup.y;
    let first_input = row * INPUT_BLOCKS + head * (KEPT4 + HEAD_COLUMNS4);
    let place_in_head = block % (KEPT4 + HEAD_ROWS4);
    if place_in_head < KEPT4 {
        if FIRST_ROW == 0u && lane.index == 0u {
            output[row * OUTPUT_BLOCKS + block] = input[first_input + place_in_head];
        }
        return;
    }
    let weight_row = 4u * (head * HEAD_ROWS4 + place_in_head - KEPT4);
    if weight_row < FIRST_ROW || weight_row >= FIRST_ROW + SHARD_ROWS {
        return;
    }
    prepare_tables(lane.index);
    let base = (weight_row - FIRST_ROW) * UNITS;
    let first = first_input + KEPT4;
    var sums = vec4(0.0);
    for (var unit = lane.index; unit < UNITS; unit += WORKGROUP) {
        for (var output_row = 0u; output_row < 4u; output_row++) {
            let place = base + output_row * UNITS + unit;
            var weights = weight_unit(place);
            var sum = 0.0;
            for (var i = 0u; i < UNIT; i++) {
                // A row's last unit may be longer than the row: its weights are zeros there, the input the next head's.
                let column = min(unit * UNIT + i, HEAD_COLUMNS4 - 1u);
                sum += dot(weights[i], input[first + column]);
            }
            sums[output_row] = fma(sum, unit_scale(place), sums[output_row]);
        }
    }
    contribute(0u, sums, lane);
    join(lane);
    if lane.index == 0u {
        output[row * OUTPUT_BLOCKS + block] = joined(0u, lane);
    }
}
