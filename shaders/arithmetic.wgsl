// Multiplies and adds as fast as the device can: the f32 rate that matrix products are measured against.
//
//   sum = sum · factor + addend, eight times a turn, for eight blocks of four independent sums a lane
//
// Shapes: work = [turns, factor and addend as bits of f32]; results one number a lane.
// Split: one lane a result; 256 multiply-adds a lane and turn, in 32 chains that do not wait for each other.
// Twin: none; src/gpu/yardsticks/arithmetic.rs knows the closed form.

override WORKGROUP: u32;

@group(0) @binding(0) var<storage, read> work: array<u32>;
@group(0) @binding(1) var<storage, read_write> results: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
    // What a compiler cannot know it cannot compute beforehand.
    let turns = work[0];
    let factor = vec4(bitcast<f32>(work[1]));
    let addend = vec4(bitcast<f32>(work[2]));
    var a = vec4(0.0);
    var b = a + addend;
    var c = b + addend;
    var d = c + addend;
    var e = d + addend;
    var f = e + addend;
    var g = f + addend;
    var h = g + addend;
    for (var turn = 0u; turn < turns; turn++) {
        for (var again = 0u; again < 8u; again++) {
            a = fma(a, factor, addend);
            b = fma(b, factor, addend);
            c = fma(c, factor, addend);
            d = fma(d, factor, addend);
            e = fma(e, factor, addend);
            f = fma(f, factor, addend);
            g = fma(g, factor, addend);
            h = fma(h, factor, addend);
        }
    }
    results[invocation.x] = dot(((a + b) + (c + d)) + ((e + f) + (g + h)), vec4(0.25));
}
