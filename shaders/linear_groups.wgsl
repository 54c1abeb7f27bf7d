// A linear map for few rows, one workgroup for four outputs: for GPUs, where neighbouring lanes should read
// neighbouring addresses.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl.
// Split: x and z over blocks of four outputs, y over rows of the batch. Each lane takes every WORKGROUP-th
// unit of a row; the outputs share its loads of the input and one reduction in workgroup memory. The squares for
// the norm are summed on the way.
// Twin: src/reference/linear.rs

var<workgroup> partial: array<array<vec4<f32>, 2>, WORKGROUP>;
var<workgroup> partial_squares: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let block = spread(workgroup);
    // The grid is a whole number of 65,535s where it spills into z.
    if block >= SHARD_BLOCKS {
        return;
    }
    let row = workgroup.y;
    let base = first_weight_row(block) * UNITS;
    var sums = vec4(0.0);
    var up_sums = vec4(0.0);
    var squares = 0.0;
    for (var unit = lane; unit < UNITS; unit += WORKGROUP) {
        var values: array<vec4<f32>, UNIT>;
        for (var i = 0u; i < UNIT; i++) {
            values[i] = input4(row, unit * UNIT + i);
            if HAS_NORM {
                let raw = input[row * INPUT_BLOCKS + unit * UNIT + i];
                squares += dot(raw, raw);
            }
        }
        for (var output_row = 0u; output_row < 4u; output_row++) {
            sums[output_row] += unit_dot(base + output_row * UNITS + unit, &values);
            if FINISH == GATE {
                up_sums[output_row] += unit_dot(base + (output_row + 4u) * UNITS + unit, &values);
            }
        }
    }
    partial[lane][0] = sums;
    partial[lane][1] = up_sums;
    partial_squares[lane] = squares;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half = half / 2u) {
        if lane < half {
            partial[lane][0] += partial[lane + half][0];
            partial[lane][1] += partial[lane + half][1];
            partial_squares[lane] += partial_squares[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        var factor = 1.0;
        if HAS_NORM {
            factor = norm_factor(partial_squares[0]);
        }
        finish(row, block, factor * partial[0][0], factor * partial[0][1]);
    }
}

/// One unit of weights times as many inputs.
fn unit_dot(unit: u32, values: ptr<function, array<vec4<f32>, UNIT>>) -> f32 {
    var weights = weight_unit(unit);
    var sum = 0.0;
    for (var i = 0u; i < UNIT; i++) {
        sum += dot(weights[i], (*values)[i]);
    }
    return sum * unit_scale(unit);
}
