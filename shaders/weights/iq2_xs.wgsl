// Weights stored as iq2_xs: step · number, signed; points of eight numbers, a step for 16 weights. Eight units, of four
// half-words each with a point and seven signs of eight, are a block, which has three words: sixteen steps in four bits
// each, and these steps' f16 factor.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

const GRID_WORDS: u32 = 256u;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 2u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = GRID_WORDS + unit / 8u * 3u;
    let both = scales[block + (unit & 7u) / 4u] >> (8u * (unit & 3u));
    let step = unpack2x16float(scales[block + 2u]).x * (0.25 * vec2<f32>((vec2(both) >> vec2(0u, 4u)) & vec2(15u)) + 0.125);
    return SubBlock(two_words(unit), vec2(0u), step, vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 {
    let bits = part.low[index / 4u] >> (8u * (index & 2u));
    return with_signs(eight_to_43(four_of_eight(bits & 511u, index)), signs_of_eight(bits >> 9u, index));
}

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xI8(packed)); }
