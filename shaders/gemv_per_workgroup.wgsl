// A linear map for one row, or for up to eight at once: a workgroup for four or eight rows of the weight. For
// GPUs, whose neighbouring lanes should read neighbouring addresses.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl.
// Split: x and z over groups of 4 · PARTS rows of the weight, y over groups of AT_ONCE rows of the batch. Lanes
// take turns at the units of a row, so that a subgroup reads one stretch of memory; what a lane loads of the
// weight it uses for every row of the batch, what it loads of the input for every row of the weight. The squares
// for the norm are summed on the way. One reduction ends the group; each of its first lanes finishes one row.
// Twin: src/reference/linear.rs

// Blocks of four rows of the weight that a workgroup takes: 1 or 2; with FINISH = GATE 2, a gate and its up.
override PARTS: u32;
// Rows of the batch that a workgroup takes: 1 to 8, and no more than it has lanes.
override AT_ONCE: u32;
// Sums made at once: AT_ONCE · PARTS, and for the norm one more for every four rows of the batch.
override SLOTS: u32;

fn run(workgroup: vec3<u32>, lane: Lane) {
    let group = spread(workgroup);
    let groups_of_outputs = select(PARTS, 1u, FINISH == GATE);
    if group * groups_of_outputs >= SHARD_BLOCKS {
        return;
    }
    prepare_grid(lane.index);
    let first_row = workgroup.y * AT_ONCE;
    let rows_here = min(AT_ONCE, row_count() - first_row);
    let base = group * 4u * PARTS * UNITS;

    // Sized for the largest choice; every loop over them has constant bounds, so that they stay in registers.
    var sums: array<vec4<f32>, 16>;
    var squares: array<f32, 8>;
    // Numbers come without their factors: one that is made of a single value is made where it is used, so that few of them
    // take registers at a time.
    var numbers_of: array<array<vec4<f32>, UNIT>, 8>;
    var steps_of: array<array<vec4<f32>, STEPS>, 2>;
    var offsets_of: array<array<vec4<f32>, STEPS>, 2>;
    for (var unit = lane.index; unit < UNITS; unit += WORKGROUP) {
        for (var part = 0u; part < PARTS; part++) {
            for (var i = 0u; i < 4u; i++) {
                let place = base + (4u * part + i) * UNITS + unit;
                numbers_of[4u * part + i] = unit_numbers(place);
                let factors = unit_factors(place);
                for (var step = 0u; step < STEPS; step++) {
                    steps_of[part][step][i] = factors.step[step];
                    offsets_of[part][step][i] = factors.offset[step];
                }
            }
        }
        for (var i = 0u; i < UNIT; i++) {
            let column = unit * UNIT + i;
            let step = i / (UNIT / STEPS);
            for (var t = 0u; t < AT_ONCE; t++) {
                // The whole workgroup takes the same branch; the first row needs none.
                if t == 0u || t < rows_here {
                    var value = input[(first_row + t) * INPUT_BLOCKS + column];
                    if HAS_NORM {
                        squares[t] += dot(value, value);
                        value *= norm_weight[column];
                    }
                    for (var part = 0u; part < PARTS; part++) {
                        let products = vec4(
                            dot(numbers_of[4u * part][i], value),
                            dot(numbers_of[4u * part + 1u][i], value),
                            dot(numbers_of[4u * part + 2u][i], value),
                            dot(numbers_of[4u * part + 3u][i], value),
                        );
                        let slot = t * PARTS + part;
                        sums[slot] = fma(products, steps_of[part][step], sums[slot]);
                        if OFFSETS {
                            sums[slot] -= dot(value, vec4(1.0)) * offsets_of[part][step];
                        }
                    }
                }
            }
        }
    }

    for (var slot = 0u; slot < AT_ONCE * PARTS; slot++) {
        contribute(slot, sums[slot], lane);
    }
    if HAS_NORM {
        for (var t = 0u; t < AT_ONCE; t += 4u) {
            let four = vec4(squares[t], squares[t + 1u], squares[t + 2u], squares[t + 3u]);
            contribute(AT_ONCE * PARTS + t / 4u, four, lane);
        }
    }
    join(lane);

    if lane.index >= rows_here {
        return;
    }
    let row = first_row + lane.index;
    var factor = 1.0;
    if HAS_NORM {
        factor = norm_factor(joined(AT_ONCE * PARTS + lane.index / 4u, lane)[lane.index % 4u]);
    }
    let slot = lane.index * PARTS;
    let first = factor * joined(slot, lane);
    if FINISH == GATE {
        finish(row, group, first, factor * joined(slot + 1u, lane));
        return;
    }
    finish(row, group * PARTS, first, vec4(0.0));
    if PARTS == 2u && group * 2u + 1u < SHARD_BLOCKS {
        finish(row, group * 2u + 1u, factor * joined(slot + 1u, lane), vec4(0.0));
    }
}
