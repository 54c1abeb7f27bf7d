// Adds up what workgroups have found over parts of a linear map's columns (shaders/lib/partial_sums.wgsl), and makes it
// the output.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl.
// Split: x and z over blocks of outputs, a lane each; y over rows of the batch.
// Twin: src/reference/linear.rs

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = workgroup.y;
    let block = spread(workgroup) * WORKGROUP + lane;
    if block >= SHARD_BLOCKS {
        return;
    }
    let parts = u32(partials[0].x);
    var result = vec4<f32>();
    var up = vec4<f32>();
    for (var part = 0u; part < parts; part++) {
        let place = partial_place(part, row, block);
        result += partials[place];
        if FINISH == GATE {
            up += partials[place + 1u];
        }
    }
    finish(row, block, result, up);
}
