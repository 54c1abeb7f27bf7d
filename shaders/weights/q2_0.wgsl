// Weights stored as q2_0: step · (code − 1), codes of two bits. Two units, of eight bytes each, are a block, which has a
// step in f16; steps lie two to a word, the first in the low half.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 1.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let pair = unpack2x16float(scales[unit / 4u]);
    return SubBlock(two_words(unit), vec2(0u), vec2(select(pair.x, pair.y, (unit & 2u) == 2u)), vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 { return two_bits(part.low.xy, index); }

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(packed)); }
