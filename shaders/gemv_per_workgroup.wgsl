// A linear map for one row: a workgroup for four or eight rows of the weight. For GPUs, whose neighbouring lanes should
// read neighbouring addresses.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl; PARTS: shaders/lib/parts.wgsl.
// Split: x and z over groups of 4 · PARTS rows of the weight, y over rows of the batch. Lanes take turns at the units of
// a row, so that a subgroup reads one stretch of memory; what a lane loads of the input it uses for every row of the
// weight. The squares for the norm are summed on the way. One reduction ends the group.
// Twin: src/reference/linear.rs

// Sums made at once: PARTS, and for the norm one more.
override SLOTS: u32;

fn run(workgroup: vec3<u32>, lane: Lane) {
    let group = spread(workgroup);
    if is_beyond_shard(group) {
        return;
    }
    prepare_tables(lane.index);
    let row = workgroup.y;
    let base = group * 4u * PARTS * UNITS;

    // Sized for the largest choice; every loop over them has constant bounds, so that they stay in registers.
    var sums: array<vec4<f32>, 2>;
    var squares = 0.0;
    // Units stay as they were loaded, and their numbers, without factors, are made where they are used: so few of them take
    // registers at a time.
    var raw_of: array<RawUnit, 8>;
    var steps_of: array<array<vec4<f32>, STEPS>, 2>;
    var offsets_of: array<array<vec4<f32>, STEPS>, 2>;
    for (var unit = lane.index; unit < UNITS; unit += WORKGROUP) {
        for (var part = 0u; part < PARTS; part++) {
            for (var i = 0u; i < 4u; i++) {
                let place = base + (4u * part + i) * UNITS + unit;
                raw_of[4u * part + i] = raw_unit(place);
                let factors = unit_factors(raw_of[4u * part + i], place);
                for (var step = 0u; step < STEPS; step++) {
                    steps_of[part][step][i] = factors.step[step];
                    offsets_of[part][step][i] = factors.offset[step];
                }
            }
        }
        for (var step = 0u; step < STEPS; step++) {
            // The sums of the weights that have one step, and of their inputs.
            var alike: array<vec4<f32>, 2>;
            var inputs = 0.0;
            for (var j = 0u; j < UNIT / STEPS; j++) {
                let i = step * (UNIT / STEPS) + j;
                let column = unit * UNIT + i;
                var value = input[row * INPUT_BLOCKS + column];
                if HAS_NORM {
                    squares += dot(value, value);
                    value *= norm_weight[column];
                }
                if HAS_OFFSET {
                    inputs += dot(value, vec4(1.0));
                }
                for (var part = 0u; part < PARTS; part++) {
                    // Columns of the weight, each for four of its rows.
                    let columns = transpose(mat4x4(
                        numbers4(raw_of[4u * part], i),
                        numbers4(raw_of[4u * part + 1u], i),
                        numbers4(raw_of[4u * part + 2u], i),
                        numbers4(raw_of[4u * part + 3u], i),
                    ));
                    for (var c = 0u; c < 4u; c++) {
                        alike[part] = fma(columns[c], vec4(value[c]), alike[part]);
                    }
                }
            }
            for (var part = 0u; part < PARTS; part++) {
                sums[part] = fma(alike[part], steps_of[part][step], sums[part]);
                if HAS_OFFSET {
                    sums[part] = fma(vec4(-inputs), offsets_of[part][step], sums[part]);
                }
            }
        }
    }

    for (var part = 0u; part < PARTS; part++) {
        contribute(part, sums[part], lane);
    }
    if HAS_NORM {
        contribute(PARTS, vec4(squares), lane);
    }
    join(lane);

    if lane.index > 0u {
        return;
    }
    var factor = 1.0;
    if HAS_NORM {
        factor = norm_factor(joined(PARTS, lane).x);
    }
    finish_parts(row, group, 0u, factor, lane);
}
