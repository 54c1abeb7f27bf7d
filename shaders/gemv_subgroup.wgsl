// A linear map for one row, each lane of a subgroup computing rows of the weight: for software drivers.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl. A norm's sum of squares is taken along the way.
// Split: x and z over groups of GROUP_ROWS rows of the weight, y over rows of the batch. The eight lanes hold eight
// blocks of the input, one each, and hand them around. No barrier.
// Twin: src/reference/linear.rs

/// Rows of the weight that a lane computes.
const LANE_ROWS: u32 = 2u;

/// Units of weights that the lanes' blocks of the input are for.
const TURN: u32 = LANES / UNIT;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = spread(workgroup);
    // The loops run over the weight's own units rather than from 0 to a constant: software drivers would unroll
    // them, and spend seconds compiling.
    var unit = lane_row(group, lane, 0u);
    let next = lane_row(group, lane, 1u) - unit;
    let end = unit + UNITS;
    var column = lane;
    var squares = 0.0;
    var sums0 = vec4(0.0);
    var sums1 = vec4(0.0);
    while unit < end {
        var mine = input[workgroup.y * INPUT_BLOCKS + column];
        if HAS_NORM {
            squares += dot(mine, mine);
            mine *= norm_weight[column];
        }
        column += LANES;
        // The lanes' blocks are 32 columns: a block of weights that shares a scale, where weights have one.
        let scale0 = unit_scale(unit);
        let scale1 = unit_scale(unit + next);
        var turn0 = vec4(0.0);
        var turn1 = vec4(0.0);
        let stop = min(unit + TURN, end);
        var source = 0u;
        while unit < stop {
            var weights0 = weight_unit(unit);
            var weights1 = weight_unit(unit + next);
            for (var i = 0u; i < UNIT; i++) {
                let value = subgroupShuffle(mine, source + i);
                turn0 = fma(weights0[i], value, turn0);
                turn1 = fma(weights1[i], value, turn1);
            }
            source += UNIT;
            unit++;
        }
        sums0 = fma(turn0, vec4(scale0), sums0);
        sums1 = fma(turn1, vec4(scale1), sums1);
    }
    var factor = 1.0;
    if HAS_NORM {
        factor = norm_factor(subgroupAdd(squares));
    }
    let results = factor * vec2(dot(sums0, vec4(1.0)), dot(sums1, vec4(1.0)));
    finish_group(workgroup.y, group, lane, array(results.x, results.y));
}
