// A linear map for one row, each lane of a subgroup computing blocks of four outputs: for software drivers.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl. A norm's sum of squares is taken along the way.
// Split: x and z over groups of LANE_BLOCKS blocks of outputs for each of eight lanes, y over rows of the batch. The
// lanes hold eight blocks of the input, one each, and hand them around. No barrier.
// Twin: src/reference/linear.rs

/// Blocks of four outputs that a lane computes, both at once.
const LANE_BLOCKS: u32 = 2u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // A lane's rows of the weight follow each other in memory, within a block and from one workgroup to the next, since
    // software drivers give a thread workgroups in their order: processors fetch ahead what is read in sequence, but not
    // the first kilobytes of it.
    let groups = (SHARD_BLOCKS + LANES * LANE_BLOCKS - 1u) / (LANES * LANE_BLOCKS);
    let group = spread(workgroup);
    let block = lane * groups + group;
    let other = block + LANES * groups;
    // Blocks beyond the shard are read as its last one, and not stored.
    var unit = first_weight_row(min(block, SHARD_BLOCKS - 1u)) * UNITS;
    let next = first_weight_row(min(other, SHARD_BLOCKS - 1u)) * UNITS - unit;
    let first_column = workgroup.y * INPUT_BLOCKS;
    let end = first_column + UNITS * UNIT;
    var squares = 0.0;
    var results0 = vec4(0.0);
    var results1 = vec4(0.0);
    var ups0 = vec4(0.0);
    var ups1 = vec4(0.0);
    // Loops begin at places of the workgroup rather than at 0: software drivers would unroll them, and spend seconds compiling.
    for (var row = group; row < group + first_weight_row(1u); row++) {
        squares = 0.0;
        var sums0 = vec4(0.0);
        var sums1 = vec4(0.0);
        for (var column = first_column; column < end; column += LANES) {
            var mine = input4(column + lane);
            if HAS_NORM {
                squares += dot(mine, mine);
                mine *= norm4(column - first_column + lane);
            }
            // The lanes' blocks are 32 columns: a block of weights that shares a scale, where weights have one.
            let scale0 = unit_scale(unit);
            let scale1 = unit_scale(unit + next);
            var turn0 = vec4(0.0);
            var turn1 = vec4(0.0);
            for (var source = column; source < min(column + LANES, end); source += UNIT) {
                var weights0 = weight_unit(unit);
                var weights1 = weight_unit(unit + next);
                for (var i = 0u; i < UNIT; i++) {
                    let value = subgroupShuffle(mine, source - column + i);
                    turn0 = fma(weights0[i], value, turn0);
                    turn1 = fma(weights1[i], value, turn1);
                }
                unit++;
            }
            sums0 = fma(turn0, vec4(scale0), sums0);
            sums1 = fma(turn1, vec4(scale1), sums1);
        }
        // After a block's last row each row's sum is in its place, a gate's before its up's.
        if FINISH == GATE {
            results0 = vec4(results0.yzw, ups0.x);
            results1 = vec4(results1.yzw, ups1.x);
            ups0 = vec4(ups0.yzw, dot(sums0, vec4(1.0)));
            ups1 = vec4(ups1.yzw, dot(sums1, vec4(1.0)));
        } else {
            results0 = vec4(results0.yzw, dot(sums0, vec4(1.0)));
            results1 = vec4(results1.yzw, dot(sums1, vec4(1.0)));
        }
    }
    var factor = 1.0;
    if HAS_NORM {
        factor = norm_factor(subgroupAdd(squares));
    }
    // A loop, so that one store does for both blocks.
    for (var finished = block; finished < min(other + 1u, SHARD_BLOCKS); finished += LANES * groups) {
        let is_other = finished == other;
        finish(workgroup.y, finished, factor * select(results0, results1, is_other), factor * select(ups0, ups1, is_other));
    }
}
