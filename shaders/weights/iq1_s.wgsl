// Weights stored as iq1_s: step · (number ± 1/8); points of eight numbers, −1, 0 or 1. Eight units, of a word each with a
// byte of each point, are a block, which has five words: eight half-words, with the points' three highest bits, a step and
// the sign of the eighth, and the steps' f16 factor.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

const GRID_WORDS: u32 = 1024u;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = true;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = GRID_WORDS + unit / 8u * 5u;
    let high = (scales[block + (unit & 7u) / 2u] >> (16u * (unit & 1u))) & 0xffffu;
    let step = unpack2x16float(scales[block + 4u]).x * f32(((high >> 11u) & 14u) + 1u);
    let offset = step * select(0.875, 1.125, high >= 0x8000u);
    return SubBlock(vec4(unit_words(unit / 4u)[unit & 3u]), vec2(high, 0u), vec2(step), vec2(offset));
}

fn codes(part: SubBlock, index: u32) -> u32 {
    let place = index / 2u;
    let point = ((part.low.x >> (8u * place)) & 0xffu) | ((part.high.x >> (3u * place)) & 7u) << 8u;
    return four_of_eight(point, index);
}

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(packed)); }
