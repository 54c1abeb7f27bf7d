// A linear map for several rows, eight input rows at a time: for software drivers.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl. The input comes normalised.
// Split: x and z over groups of GROUP_ROWS rows of the weight, y over groups of eight input rows. Lane l reads
// input row l and hands it around; it computes its rows of the weight for all eight. No barrier.
// Twin: src/reference/linear.rs

/// Rows of the weight that a lane computes: fewer where a unit is long, since all of it is unrolled.
const LANE_ROWS: u32 = clamp(4u / UNIT, 1u, 2u);

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = spread(workgroup);
    let row = workgroup.y * LANES;
    // Rows beyond the batch are read as its last one, and not stored.
    var block = min(row + lane, row_count() - 1u) * INPUT_BLOCKS;
    // The loop runs over the weight's own units rather than from 0 to a constant: software drivers would unroll
    // it, and spend seconds compiling.
    let begin = lane_row(group, lane, 0u);
    let next = lane_row(group, lane, 1u) - begin;
    var sums: array<array<f32, LANE_ROWS>, LANES>;
    for (var unit = begin; unit < begin + UNITS; unit++) {
        var weights: array<array<vec4<f32>, UNIT>, LANE_ROWS>;
        for (var index = 0u; index < LANE_ROWS; index++) {
            weights[index] = weight_unit(unit + index * next);
            let scale = unit_scale(unit + index * next);
            for (var i = 0u; i < UNIT; i++) {
                weights[index][i] *= scale;
            }
        }
        for (var i = 0u; i < UNIT; i++) {
            let mine = input[block + i];
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
