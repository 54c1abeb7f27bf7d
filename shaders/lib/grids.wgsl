// Points of a grid, for the formats whose codes are such: what a point's numbers are, and their signs.
//
// The grid stands before the records that the scales hold. A point of four numbers is a word, a byte for each; one of
// eight is half a word, of two bits for each number.

/// Byte `index` of two words.
fn byte_of(words: vec2<u32>, index: u32) -> u32 { return (words[index / 4u] >> (8u * (index & 3u))) & 0xffu; }

/// Four indices, one a byte, of a point of eight: its first for an even `index`, and its last for an odd one.
fn four_of_eight(point: u32, index: u32) -> u32 {
    let bits = (grid_word(point / 2u) >> (16u * (point & 1u))) & 0xffffu;
    return ((bits | bits << 12u) >> (2u * (index & 1u))) & 0x03030303u;
}

/// 8, 25 and 43 for 0, 1 and 2, in each byte.
fn eight_to_43(codes: u32) -> u32 { return codes + (codes << 4u) + ((codes >> 1u) & 0x01010101u) + 0x08080808u; }

/// Bytes from 1 to 127 taken off 0 where `negative` has 1, and as they are where it has 0.
fn with_signs(numbers: u32, negative: u32) -> u32 { return (numbers ^ ((negative << 8u) - negative)) + negative; }

/// Which of weights 4·index to 4·index + 3 are negative, as 1 in a byte for each: of eight weights by the lowest seven bits
/// for all of them, since their number is even.
fn signs_of_eight(bits: u32, index: u32) -> u32 {
    let seven = bits & 0x7fu;
    let eight = seven | (countOneBits(seven) & 1u) << 7u;
    return (((eight >> (4u * (index & 1u))) & 0xfu) * 0x00204081u) & 0x01010101u;
}
