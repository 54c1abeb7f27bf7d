// What codes of four bits stand for (NUMBERS, which stands before this), looked up in workgroup memory: sixteen words lie in
// as many banks, so lanes never wait for one another.

var<workgroup> numbers: array<f32, 16>;

/// Copies the numbers; all lanes call it together, before weights are read.
fn prepare_tables(lane: u32) {
    for (var i = lane; i < 16u; i += WORKGROUP) {
        numbers[i] = NUMBERS[i];
    }
    workgroupBarrier();
}

/// What four codes, one a byte, stand for.
fn codebook(packed: u32) -> vec4<f32> {
    let code = unpack4xU8(packed);
    return vec4(numbers[code.x], numbers[code.y], numbers[code.z], numbers[code.w]);
}
