// Copies one buffer to another as fast as the device can: the bandwidth that other kernels are measured against.
//
//   output[i] = input[i]
//
// Shapes: blocks of four words, whole groups of WORKGROUP · 8 of them.
// Split: eight blocks a lane, all loaded before the first is stored; neighbouring lanes have neighbouring blocks.
// Twin: none; src/gpu/yardsticks/copy_bandwidth.rs compares what was copied.

override WORKGROUP: u32;

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * WORKGROUP * 8u + lane;
    let a = input[first];
    let b = input[first + WORKGROUP];
    let c = input[first + 2u * WORKGROUP];
    let d = input[first + 3u * WORKGROUP];
    let e = input[first + 4u * WORKGROUP];
    let f = input[first + 5u * WORKGROUP];
    let g = input[first + 6u * WORKGROUP];
    let h = input[first + 7u * WORKGROUP];
    output[first] = a;
    output[first + WORKGROUP] = b;
    output[first + 2u * WORKGROUP] = c;
    output[first + 3u * WORKGROUP] = d;
    output[first + 4u * WORKGROUP] = e;
    output[first + 5u * WORKGROUP] = f;
    output[first + 6u * WORKGROUP] = g;
    output[first + 7u * WORKGROUP] = h;
}
