// RMSNorm of each row (Zhang and Sennrich 2019).
//
//   output[t] = input[t] / sqrt(mean(input[t]²) + ε) · weight (+ bias)
//
// Shapes, bindings and split: shaders/lib/norm.wgsl.
// Twin: src/reference/norm.rs

/// Of the row that begins at block `base`.
fn statistics(base: u32, lane: Lane) -> Statistics {
    var squares = 0.0;
    for (var column = lane.index; column < COLUMNS4; column += WORKGROUP) {
        let value = input[base + column];
        squares += dot(value, value);
    }
    let mean_square = workgroup_sum(squares, lane) / f32(COLUMNS);
    return Statistics(0.0, 1.0 / sqrt(mean_square + EPSILON));
}
