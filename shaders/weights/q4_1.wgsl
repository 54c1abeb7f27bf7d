// Weights stored as q4_1: step · code + offset, codes of four bits. A unit is a block, which has a word: step and
// offset as f16.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = true;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let factors = unpack2x16float(scales[unit]);
    return SubBlock(unit_words(unit), vec2(0u), vec2(factors.x), vec2(-factors.y));
}

fn codes(part: SubBlock, index: u32) -> u32 { return four_bits(part.low, index); }

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(packed)); }
