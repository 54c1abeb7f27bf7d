// Meanings of four-bit codes by a table, each byte by itself: the fewest instructions.

/// What four-bit codes, one a byte, mean by a table of sixteen signed bytes.
fn by_table(packed: u32, table: vec4<u32>) -> vec4<f32> {
    let code = unpack4xU8(packed);
    let second = (code & vec4(4u)) != vec4(0u);
    let lower = select(vec4(table.x), vec4(table.y), second);
    let upper = select(vec4(table.z), vec4(table.w), second);
    let word = select(lower, upper, (code & vec4(8u)) != vec4(0u));
    let top = bitcast<vec4<i32>>(word << (vec4(24u) - 8u * (code & vec4(3u))));
    return vec4<f32>(top >> vec4(24u));
}
