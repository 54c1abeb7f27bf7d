// A linear map for many rows: each lane computes a tile of four outputs by four rows in registers, so that
// every block loaded is used four times.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl. The input comes normalised.
// Split: x and z over groups of WORKGROUP blocks of outputs, y over groups of four rows. No barrier.
// Twin: src/reference/linear.rs

/// Four outputs of four rows: a row of the matrix is an input row's.
fn tile_sums(weight_row: u32, rows: vec4<u32>) -> mat4x4<f32> {
    let base = weight_row * UNITS;
    var x = rows * INPUT_BLOCKS;
    var sums = mat4x4<f32>();
    for (var unit = base; unit < base + UNITS; unit++) {
        var weights0 = weight_unit(unit);
        var weights1 = weight_unit(unit + UNITS);
        var weights2 = weight_unit(unit + 2u * UNITS);
        var weights3 = weight_unit(unit + 3u * UNITS);
        let scales = vec4(
            unit_scale(unit),
            unit_scale(unit + UNITS),
            unit_scale(unit + 2u * UNITS),
            unit_scale(unit + 3u * UNITS),
        );
        for (var i = 0u; i < UNIT; i++) {
            let block = mat4x4(weights0[i], weights1[i], weights2[i], weights3[i]);
            sums[0] += input[x.x + i] * block * scales;
            sums[1] += input[x.y + i] * block * scales;
            sums[2] += input[x.z + i] * block * scales;
            sums[3] += input[x.w + i] * block * scales;
        }
        x += vec4(UNIT);
    }
    return sums;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let block = spread(workgroup) * WORKGROUP + lane;
    if block >= SHARD_BLOCKS {
        return;
    }
    // What lies beyond the batch is computed from its last row and not stored.
    let row = workgroup.y * 4u;
    let last = row_count() - 1u;
    let rows = min(vec4(row) + vec4(0u, 1u, 2u, 3u), vec4(last));
    let first = first_weight_row(block);
    let results = tile_sums(first, rows);
    var ups = mat4x4<f32>();
    if FINISH == GATE {
        ups = tile_sums(first + 4u, rows);
    }
    finish(row, block, results[0], ups[0]);
    if row + 1u <= last {
        finish(row + 1u, block, results[1], ups[1]);
    }
    if row + 2u <= last {
        finish(row + 2u, block, results[2], ups[2]);
    }
    if row + 3u <= last {
        finish(row + 3u, block, results[3], ups[3]);
    }
}
