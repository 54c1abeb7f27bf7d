// What both norms of a row share. The kernel gives `statistics`.
//
//   output[t] = (input[t] − mean) · factor · weight (+ bias)
//
// Shapes: input, output T × C; weight, bias C. C is padded with zeros to COLUMNS4 blocks of four.
// Split: one workgroup a row; each lane takes every WORKGROUP-th block, and the sums are made by
// shaders/lib/reduce_*.wgsl.

override WORKGROUP: u32;
override COLUMNS: u32;
override COLUMNS4: u32;
override EPSILON: f32;
override HAS_BIAS: bool;

const SLOTS: u32 = 1u;

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>;

struct Statistics {
    mean: f32,
    factor: f32,
}

fn run(workgroup: vec3<u32>, lane: Lane) {
    let base = workgroup.y * COLUMNS4;
    let row = statistics(base, lane);
    for (var column = lane.index; column < COLUMNS4; column += WORKGROUP) {
        // Weight and bias are zero in the padding, and so is what this writes there.
        var value = (input[base + column] - row.mean) * row.factor * weight[column];
        if HAS_BIAS {
            value += bias[column];
        }
        output[base + column] = value;
    }
}
