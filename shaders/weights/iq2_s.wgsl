// Weights stored as iq2_s: step · number, signed; points of eight numbers, a step for 16 weights. Eight units, of a word
// with a byte of each point and a word of signs, are a block, which has five words: eight bytes with the points' two highest
// bits, sixteen steps in four bits each, and these steps' f16 factor.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

const GRID_WORDS: u32 = 512u;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 2u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = GRID_WORDS + unit / 8u * 5u;
    let shift = 8u * (unit & 3u);
    let high = scales[block + (unit & 7u) / 4u] >> shift;
    let both = scales[block + 2u + (unit & 7u) / 4u] >> shift;
    let step = unpack2x16float(scales[block + 4u]).x * (0.25 * vec2<f32>((vec2(both) >> vec2(0u, 4u)) & vec2(15u)) + 0.125);
    return SubBlock(two_words(unit), vec2(high, 0u), step, vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 {
    let place = index / 2u;
    let point = byte_of(part.low.xy, place) | ((part.high.x >> (2u * place)) & 3u) << 8u;
    return with_signs(eight_to_43(four_of_eight(point, index)), one_bit(part.low.y, index));
}

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xI8(packed)); }
