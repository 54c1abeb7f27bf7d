// Weights stored as iq4_xs: step · meaning of a code, codes of four bits. Eight units are a block, which has two words: the
// f16 factor of its steps, and these in six bits, two bits of each in a word's high half and four in the other word.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = unit / 8u * 2u;
    let first = scales[block];
    let low = (scales[block + 1u] >> (4u * (unit & 7u))) & 15u;
    let high = (first >> (16u + 2u * (unit & 7u))) & 3u;
    let step = unpack2x16float(first).x * (f32(low | high << 4u) - 32.0);
    return SubBlock(unit_words(unit), vec2(0u), vec2(step), vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 { return four_bits(part.low, index); }
