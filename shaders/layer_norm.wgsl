// LayerNorm of each row (Ba, Kiros and Hinton 2016).
//
//   output[t] = (input[t] − mean) / sqrt(mean((input[t] − mean)²) + ε) · weight (+ bias)
//
// Shapes: input, output T × C; weight, bias C. C is padded with zeros to COLUMNS4 blocks of four.
// Split: one workgroup a row; each lane takes every WORKGROUP-th block. The mean is subtracted before squares
// are summed, so that a large mean costs no precision; padded elements are left out of that sum.
// Twin: src/reference/norm.rs

override WORKGROUP: u32;
override COLUMNS: u32;
override COLUMNS4: u32;
override EPSILON: f32;
override HAS_BIAS: bool;

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let base = workgroup.y * COLUMNS4;
    var total = 0.0;
    for (var column = lane; column < COLUMNS4; column += WORKGROUP) {
        total += dot(input[base + column], vec4(1.0));
    }
    let mean = workgroup_sum(total, lane) / f32(COLUMNS);
    var squares = 0.0;
    for (var column = lane; column < COLUMNS4; column += WORKGROUP) {
        let element = vec4(4u * column) + vec4(0u, 1u, 2u, 3u);
        let distance = select(vec4(0.0), input[base + column] - mean, element < vec4(COLUMNS));
        squares += dot(distance, distance);
    }
    let variance = workgroup_sum(squares, lane) / f32(COLUMNS);
    let scale = 1.0 / sqrt(variance + EPSILON);
    for (var column = lane; column < COLUMNS4; column += WORKGROUP) {
        // Weight and bias are zero in the padding, and so is what this writes there.
        var value = (input[base + column] - mean) * scale * weight[column];
        if HAS_BIAS {
            value += bias[column];
        }
        output[base + column] = value;
    }
}
