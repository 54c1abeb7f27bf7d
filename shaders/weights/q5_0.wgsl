// Weights stored as q5_0: step · (code − 16), codes of five bits. A unit is a block, which has two words: the step as
// f16, and the highest bits.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 16.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let step = unpack2x16float(scales[2u * unit]).x;
    return SubBlock(unit_words(unit), vec2(scales[2u * unit + 1u], 0u), vec2(step), vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 {
    return four_bits(part.low, index) | one_bit_at(part.high.x, index, 4u);
}

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(packed)); }
