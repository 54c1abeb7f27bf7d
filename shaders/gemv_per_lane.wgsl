// A linear map for few rows, one lane for each block of outputs: for software drivers, where a barrier costs
// more than it saves.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl. The input comes normalised.
// Split: x and z over blocks of four outputs, one lane each; y over rows of the batch. No barrier.
// Twin: src/reference/linear.rs

/// Four rows of the weight times an input row.
fn block_sums(weight_row: u32, row: u32) -> vec4<f32> {
    let base = weight_row * UNITS;
    // The loop runs over the weight's own units rather than from 0 to a constant: software drivers would unroll
    // that, and spend seconds compiling it.
    var column = row * INPUT_BLOCKS;
    var sums0 = vec4(0.0);
    var sums1 = vec4(0.0);
    var sums2 = vec4(0.0);
    var sums3 = vec4(0.0);
    for (var unit = base; unit < base + UNITS; unit++) {
        sums0 += unit_sums(unit, column);
        sums1 += unit_sums(unit + UNITS, column);
        sums2 += unit_sums(unit + 2u * UNITS, column);
        sums3 += unit_sums(unit + 3u * UNITS, column);
        column += UNIT;
    }
    return vec4(1.0) * mat4x4(sums0, sums1, sums2, sums3);
}

/// One unit of weights times the inputs from block `column` on.
fn unit_sums(unit: u32, column: u32) -> vec4<f32> {
    var weights = weight_unit(unit);
    var sums = vec4(0.0);
    for (var i = 0u; i < UNIT; i++) {
        sums = fma(weights[i], input[column + i], sums);
    }
    return sums * unit_scale(unit);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let block = spread(workgroup) * WORKGROUP + lane;
    if block >= SHARD_BLOCKS {
        return;
    }
    let first = first_weight_row(block);
    let result = block_sums(first, workgroup.y);
    var up = vec4(0.0);
    if FINISH == GATE {
        up = block_sums(first + 4u, workgroup.y);
    }
    finish(workgroup.y, block, result, up);
}
