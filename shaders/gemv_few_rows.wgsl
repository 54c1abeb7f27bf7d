// A linear map for two to eight rows at once, each weight read and decoded once: a workgroup for four or eight rows of the
// weight. For GPUs, whose neighbouring lanes should read neighbouring addresses.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl; PARTS: shaders/lib/parts.wgsl.
// Split: x and z over groups of 4 · PARTS rows of the weight, y over groups of AT_ONCE rows of the batch. Lanes take
// turns at the units of a row, so that a subgroup reads one stretch of memory; what a lane loads of the weight it uses
// for every row of the batch, what it loads of the input for four rows of the weight. One reduction ends the
// group; each of its first lanes finishes one row.
// Twin: src/reference/linear.rs

// Rows of the batch that a workgroup takes: 4 or 8, and no more than it has lanes.
override AT_ONCE: u32;
// Sums made at once: AT_ONCE · PARTS, and for the norm one more for every four rows of the batch.
override SLOTS: u32;

// What a lane has of one part. Sized for the largest choice; every index of theirs is a constant once loops over constants are
// unrolled, so that they stay in registers.
var<private> sums: array<vec4<f32>, 8>;
var<private> raw_of: array<RawUnit, 4>;
var<private> steps_of: array<vec4<f32>, STEPS>;
var<private> offsets_of: array<vec4<f32>, STEPS>;

fn run(workgroup: vec3<u32>, lane: Lane) {
    let group = spread(workgroup);
    if is_beyond_shard(group) {
        return;
    }
    prepare_tables(lane.index);
    let first_row = workgroup.y * AT_ONCE;
    let rows_here = min(AT_ONCE, row_count() - first_row);

    // Part by part, so that the sums of one take registers at a time.
    for (var part = 0u; part < PARTS; part++) {
        let base = (group * PARTS + part) * 4u * UNITS;
        for (var t = 0u; t < AT_ONCE; t++) {
            sums[t] = vec4(0.0);
        }
        for (var unit = lane.index; unit < UNITS; unit += WORKGROUP) {
            load_units(base + unit);
            add_unit(unit, first_row, rows_here);
        }
        for (var t = 0u; t < AT_ONCE; t++) {
            contribute(t * PARTS + part, sums[t], lane);
        }
    }
    if HAS_NORM {
        contribute_squares(first_row, rows_here, lane);
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
    finish_parts(row, group, lane.index * PARTS, factor, lane);
}

/// Loads the same unit of four rows of the weight, from `place` on.
fn load_units(place: u32) {
    for (var i = 0u; i < 4u; i++) {
        raw_of[i] = raw_unit(place + i * UNITS);
        let factors = unit_factors(raw_of[i], place + i * UNITS);
        for (var step = 0u; step < STEPS; step++) {
            steps_of[step][i] = factors.step[step];
            offsets_of[step][i] = factors.offset[step];
        }
    }
}

/// Adds what the loaded units give with each row of the batch: written out block by block, as a loop of so many
/// instructions stays one, and then selects by its counter what might be named.
fn add_unit(unit: u32, first_row: u32, rows_here: u32) {
    add_block(unit, 0u, first_row, rows_here);
    if UNIT > 1u {
        add_block(unit, 1u, first_row, rows_here);
    }
    if UNIT > 2u {
        add_block(unit, 2u, first_row, rows_here);
        add_block(unit, 3u, first_row, rows_here);
    }
    if UNIT > 4u {
        add_block(unit, 4u, first_row, rows_here);
        add_block(unit, 5u, first_row, rows_here);
        add_block(unit, 6u, first_row, rows_here);
        add_block(unit, 7u, first_row, rows_here);
    }
}

fn add_block(unit: u32, block: u32, first_row: u32, rows_here: u32) {
    let column = unit * UNIT + block;
    let step = block / (UNIT / STEPS);
    var rows = mat4x4<f32>();
    for (var i = 0u; i < 4u; i++) {
        rows[i] = numbers4(raw_of[i], block) * steps_of[step][i];
        if HAS_OFFSET {
            rows[i] = fma(numbers4(raw_of[i], block), vec4(steps_of[step][i]), vec4(-offsets_of[step][i]));
        }
        if HAS_NORM {
            rows[i] *= norm_weight[column];
        }
    }
    // Columns of the weight, each for four of its rows.
    let columns = transpose(rows);
    for (var t = 0u; t < AT_ONCE; t++) {
        // Rows beyond the last are that row again: a branch would have each row wait for its own numbers.
        let value = input[(first_row + min(t, rows_here - 1u)) * INPUT_BLOCKS + column];
        for (var c = 0u; c < 4u; c++) {
            sums[t] = fma(columns[c], vec4(value[c]), sums[t]);
        }
    }
}

/// Gives this lane's part of the squares of each row.
fn contribute_squares(first_row: u32, rows_here: u32, lane: Lane) {
    var squares: array<f32, 8>;
    for (var column = lane.index; column < UNITS * UNIT; column += WORKGROUP) {
        for (var t = 0u; t < AT_ONCE; t++) {
            let value = input[(first_row + min(t, rows_here - 1u)) * INPUT_BLOCKS + column];
            squares[t] += dot(value, value);
        }
    }
    for (var t = 0u; t < AT_ONCE; t += 4u) {
        let four = vec4(squares[t], squares[t + 1u], squares[t + 2u], squares[t + 3u]);
        contribute(AT_ONCE * PARTS + t / 4u, four, lane);
    }
}
