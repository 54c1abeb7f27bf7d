// Weights stored as iq1_m: step · (number ± 1/8); points of eight numbers, −1, 0 or 1, a step for 16 weights. Eight units,
// of a word each with a byte of each point, are a block, which has six words: eight half-words, with the points' three highest
// bits and the sign of the eighth for each, and four, with four steps in three bits each and a fourth of these steps' f16
// factor, the lowest first.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

const GRID_WORDS: u32 = 1024u;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 2u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = GRID_WORDS + unit / 8u * 6u;
    let high = scales[block + (unit & 7u) / 2u] >> (16u * (unit & 1u));
    let words = vec2(scales[block + 4u], scales[block + 5u]);
    let quarters = (words >> vec2(12u)) & vec2(0xfu) | (words >> vec2(24u)) & vec2(0xf0u);
    let factor = unpack2x16float(quarters.x | quarters.y << 8u).x;
    let steps = vec2(words[(unit & 7u) / 4u] >> (16u * ((unit >> 1u) & 1u) + 6u * (unit & 1u))) >> vec2(0u, 3u);
    // In eighths, as the codes are.
    let step = factor * (0.25 * vec2<f32>(steps & vec2(7u)) + 0.125);
    return SubBlock(vec4(unit_words(unit / 4u)[unit & 3u]), vec2(high, 0u), step, vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 {
    let place = index / 2u;
    let high = part.high.x >> (4u * place);
    let point = ((part.low.x >> (8u * place)) & 0xffu) | (high & 7u) << 8u;
    // 8 · index, and two more where the eighth is added.
    return (four_of_eight(point, index) << 3u) + select(0x02020202u, 0u, (high & 8u) == 8u);
}

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(packed)) - 9.0; }
