// A linear map for several rows, eight input rows at a time: for software drivers.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl. The input comes normalised.
// Split: x and z over groups of GROUP_ROWS rows of the weight, y over groups of eight input rows. Lane l reads
// input row l and hands it around; it computes its rows of the weight for all eight. No barrier.
// Twin: src/reference/linear.rs

/// Rows of the weight that a lane computes: fewer where a unit is long, since all of it is unrolled.
const LANE_ROWS: u32 = clamp(4u / UNIT, 1u, 2u);

/// Rows of the weight that a workgroup computes: lane l computes rows l, LANES + l, ….
const GROUP_ROWS: u32 = LANES * LANE_ROWS;

/// Where the weight row begins that is a lane's `index`th; beyond the shard, where its last one does.
fn lane_row(workgroup: u32, lane: u32, index: u32) -> u32 {
    let last = first_weight_row(SHARD_BLOCKS) - 1u;
    return min(workgroup * GROUP_ROWS + index * LANES + lane, last) * UNITS;
}

/// The result for row `row` of the workgroup's rows, from whichever lane computed it.
fn group_result(results: array<f32, LANE_ROWS>, row: u32) -> f32 {
    var given = results;
    var result = 0.0;
    for (var index = 0u; index < LANE_ROWS; index++) {
        let candidate = subgroupShuffle(given[index], row % LANES);
        result = select(result, candidate, row / LANES == index);
    }
    return result;
}

fn group_results4(results: array<f32, LANE_ROWS>, row: u32) -> vec4<f32> {
    return vec4(
        group_result(results, row),
        group_result(results, row + 1u),
        group_result(results, row + 2u),
        group_result(results, row + 3u),
    );
}

/// Finishes the workgroup's blocks of outputs of an input row, one block a lane; every lane calls it. Input rows
/// beyond the pass's are left out.
fn finish_group(row: u32, workgroup: u32, lane: u32, results: array<f32, LANE_ROWS>) {
    let block_rows = first_weight_row(1u);
    let blocks = GROUP_ROWS / block_rows;
    let first = group_results4(results, lane * block_rows);
    var up = vec4(0.0);
    if FINISH == GATE {
        up = group_results4(results, lane * block_rows + 4u);
    }
    let block = workgroup * blocks + lane;
    if lane < blocks && block < SHARD_BLOCKS && row < row_count() {
        finish(row, block, first, up);
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = spread(workgroup);
    let row = workgroup.y * LANES;
    // Rows beyond the batch are read as its last one, and not stored.
    var block = min(row + lane, row_count() - 1u) * INPUT_BLOCKS;
    // The loop begins at the row rather than at 0: software drivers would unroll it, and spend seconds compiling.
    let begin = lane_row(group, lane, 0u);
    let next = lane_row(group, lane, 1u) - begin;
    var sums: array<array<f32, LANE_ROWS>, LANES>;
    for (var turn = row; turn < row + UNITS; turn++) {
        let unit = begin + turn - row;
        var weights: array<array<vec4<f32>, UNIT>, LANE_ROWS>;
        for (var index = 0u; index < LANE_ROWS; index++) {
            weights[index] = weight_unit(unit + index * next);
            let scale = unit_scale(unit + index * next);
            for (var i = 0u; i < UNIT; i++) {
                weights[index][i] *= scale;
            }
        }
        for (var i = 0u; i < UNIT; i++) {
            let mine = input4(block + i);
            for (var t = 0u; t < LANES; t++) {
                let value = subgroupShuffle(mine, t);
                for (var index = 0u; index < LANE_ROWS; index++) {
                    let w = weights[index][i];
                    sums[t][index] = fma(w.w, value.w, fma(w.z, value.z, fma(w.y, value.y, fma(w.x, value.x, sums[t][index]))));
                }
            }
        }
        block += UNIT;
    }
    // Likewise, so that one store does for all rows.
    for (var finished = row; finished < min(row + LANES, row_count()); finished++) {
        var results = sums[0];
        for (var t = 1u; t < LANES; t++) {
            for (var index = 0u; index < LANE_ROWS; index++) {
                results[index] = select(results[index], sums[t][index], t == finished - row);
            }
        }
        finish_group(finished, group, lane, results);
    }
}
