// Weights stored as iq2_xxs: step · number, signed; points of eight numbers. Eight units, of a word with a byte for each
// point and a word with seven signs of eight four times and the step in the highest four bits, are a block, which has its
// steps' factor in f16; factors lie two to a word, the first in the low half.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

const GRID_WORDS: u32 = 128u;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let words = two_words(unit);
    let pair = unpack2x16float(scales[GRID_WORDS + unit / 16u]);
    let factor = select(pair.x, pair.y, (unit & 8u) == 8u);
    return SubBlock(words, vec2(0u), vec2(factor * (0.25 * f32(words.y >> 28u) + 0.125)), vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 {
    let place = index / 2u;
    let numbers = eight_to_43(four_of_eight(byte_of(part.low.xy, place), index));
    return with_signs(numbers, signs_of_eight(part.low.y >> (7u * place), index));
}

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xI8(packed)); }
