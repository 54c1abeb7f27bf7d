// Meanings of four-bit codes by a table, four bytes at once: for kernels that hold many weights, as it takes the fewest
// registers.

/// What four-bit codes, one a byte, mean by a table of sixteen signed bytes: of all of them the one for each byte, by its
/// bits from the lowest on.
fn by_table(packed: u32, table: vec4<u32>) -> vec4<f32> {
    let first = all_of_byte(packed);
    let second = all_of_byte(packed >> 1u);
    let third = all_of_byte(packed >> 2u);
    let lower = chosen(four_of_table(table.x, first, second), four_of_table(table.y, first, second), third);
    let upper = chosen(four_of_table(table.z, first, second), four_of_table(table.w, first, second), third);
    return vec4<f32>(unpack4xI8(chosen(lower, upper, all_of_byte(packed >> 3u))));
}

/// The same of four bytes, by two bits.
fn four_of_table(word: u32, first: u32, second: u32) -> u32 {
    let bytes = ((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu)) * 0x01010101u;
    return chosen(chosen(bytes.x, bytes.y, first), chosen(bytes.z, bytes.w, first), second);
}

/// The bits of `b` where `mask` has 1, those of `a` elsewhere.
fn chosen(a: u32, b: u32, mask: u32) -> u32 { return a ^ ((a ^ b) & mask); }
