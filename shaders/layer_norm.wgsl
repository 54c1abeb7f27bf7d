// LayerNorm of each row (Ba, Kiros and Hinton 2016).
//
//   output[t] = (input[t] − mean) / sqrt(mean((input[t] − mean)²) + ε) · weight (+ bias)
//
// The mean is subtracted before squares are summed, so that a large mean costs no precision; padded elements are
// left out of that sum.
// Shapes, bindings and split: shaders/lib/norm.wgsl.
// Twin: src/reference/norm.rs

/// Of the row that begins at block `base`.
fn statistics(base: u32, lane: Lane) -> Statistics {
    var total = 0.0;
    for (var column = lane.index; column < COLUMNS4; column += WORKGROUP) {
        total += dot(input[base + column], vec4(1.0));
    }
    let mean = workgroup_sum(total, lane) / f32(COLUMNS);
    var squares = 0.0;
    for (var column = lane.index; column < COLUMNS4; column += WORKGROUP) {
        let element = vec4(4u * column) + vec4(0u, 1u, 2u, 3u);
        let distance = select(vec4(0.0), input[base + column] - mean, element < vec4(COLUMNS));
        squares += dot(distance, distance);
    }
    let variance = workgroup_sum(squares, lane) / f32(COLUMNS);
    return Statistics(mean, 1.0 / sqrt(variance + EPSILON));
}
