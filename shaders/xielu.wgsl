// The expanded integral of ELU, in place.
//
//   values[t] = POSITIVE · x² + LINEAR · x above 0, otherwise NEGATIVE · (exp(min(x, LEAST)) − 1 − x) + LINEAR · x
//
// Shapes: values T × F, padded with zeros to COLUMNS4 blocks of four; 0 stays 0, where the formula has NEGATIVE · LEAST.
// Split: x over blocks of a row, y over rows.
// Twin: src/reference/xielu.rs

override WORKGROUP: u32;
override COLUMNS4: u32;
override POSITIVE: f32;
override NEGATIVE: f32;
override LINEAR: f32;
override LEAST: f32;

@group(0) @binding(0) var<storage, read_write> values: array<vec4<f32>>;

/// exp(x) − 1 − x up to 0: near 0 by its series, where the difference of rounded numbers would be left.
fn beyond_the_line(x: f32) -> f32 {
    if x < -0.5 {
        return exp(max(x, -80.0)) - 1.0 - x;
    }
    let series = 1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0))));
    return 0.5 * x * x * series;
}

fn xielu(x: f32) -> f32 {
    if x > 0.0 {
        return POSITIVE * x * x + LINEAR * x;
    }
    let least = min(x, LEAST);
    let value = NEGATIVE * (beyond_the_line(least) + (least - x)) + LINEAR * x;
    return select(value, 0.0, x == 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < COLUMNS4 {
        let place = id.y * COLUMNS4 + id.x;
        let x = values[place];
        values[place] = vec4(xielu(x.x), xielu(x.y), xielu(x.z), xielu(x.w));
    }
}
