// Bends large numbers of a buffer towards a cap, in place (Bello et al. 2017).
//
//   values[t] = CAP · tanh(values[t] / CAP)
//
// The argument of tanh is kept where every driver computes it; beyond ±10 an f32's tanh is ±1. Near 0, where WGSL
// promises only an absolute error, the first terms of its series are exact to an f32.
// Shapes: values T × columns, padded with zeros to COLUMNS4 blocks of four.
// Split: x over blocks of a row, y over rows.
// Twin: src/reference/soft_cap.rs

override WORKGROUP: u32;
override COLUMNS4: u32;
override CAP: f32;

@group(0) @binding(0) var<storage, read_write> values: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < COLUMNS4 {
        let place = id.y * COLUMNS4 + id.x;
        let x = values[place] / CAP;
        let squares = x * x;
        let series = x * (1.0 - squares * (1.0 / 3.0 - squares * (2.0 / 15.0 - squares * (17.0 / 315.0))));
        let far = tanh(clamp(x, vec4(-10.0), vec4(10.0)));
        values[place] = CAP * select(far, series, abs(x) < vec4(0.2));
    }
}
