// Weights stored as iq3_xxs: step · number, signed; points of four numbers. Eight units, of eight bytes each with a byte for
// each point, are a block, which has nine words: one for each unit, with seven signs of eight four times and the step
// in the highest four bits, and the steps' f16 factor.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

const GRID_WORDS: u32 = 256u;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = GRID_WORDS + unit / 8u * 9u;
    let signs = scales[block + (unit & 7u)];
    let step = unpack2x16float(scales[block + 8u]).x * (0.5 * f32(signs >> 28u) + 0.25);
    return SubBlock(two_words(unit), vec2(signs, 0u), vec2(step), vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 {
    return with_signs(grid_word(byte_of(part.low.xy, index)), signs_of_eight(part.high.x >> (7u * (index / 2u)), index));
}

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xI8(packed)); }
