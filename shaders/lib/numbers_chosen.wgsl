// What codes of four bits stand for (NUMBERS, which stands before this), chosen of all numbers: for kernels that have no
// table in workgroup memory.

/// Of all numbers the ones for four codes, one a byte, by their bits from the lowest on.
fn codebook(packed: u32) -> vec4<f32> {
    let code = unpack4xU8(packed);
    let first = (code & vec4(1u)) != vec4(0u);
    let second = (code & vec4(2u)) != vec4(0u);
    let third = (code & vec4(4u)) != vec4(0u);
    let lower = select(of_four(0u, first, second), of_four(4u, first, second), third);
    let upper = select(of_four(8u, first, second), of_four(12u, first, second), third);
    return select(lower, upper, (code & vec4(8u)) != vec4(0u));
}

fn of_four(begin: u32, first: vec4<bool>, second: vec4<bool>) -> vec4<f32> {
    let lower = select(vec4(NUMBERS[begin]), vec4(NUMBERS[begin + 1u]), first);
    let upper = select(vec4(NUMBERS[begin + 2u]), vec4(NUMBERS[begin + 3u]), first);
    return select(lower, upper, second);
}
