// For linear maps in which each lane of a subgroup of eight computes whole rows of the weight, and what the
// input holds is read once for all lanes and handed around by shuffles. For software drivers: they read storage
// lane by lane, a dozen instructions for each word, so that what matters is how seldom a word is read; shuffles
// are one instruction, barriers and reductions are dear.

/// Lanes of a workgroup, which is one subgroup.
const LANES: u32 = 8u;

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
