// Weights stored as q3_k: step · (code − 4), codes of three bits, a step for 16 weights. Eight units, of eight bytes each,
// are a block, which has thirteen words: a word for each unit's highest bits, four of sixteen signed bytes, and the
// steps' f16 factor.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 2u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 4.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = unit / 8u * 13u;
    let steps = scales[block + 8u + (unit & 7u) / 2u];
    let first = 2u * (unit & 1u);
    let step = unpack2x16float(scales[block + 12u]).x * vec2(signed_byte(steps, first), signed_byte(steps, first + 1u));
    return SubBlock(two_words(unit), vec2(scales[block + (unit & 7u)], 0u), step, vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 {
    return two_bits(part.low.xy, index) | one_bit_at(part.high.x, index, 2u);
}

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(packed)); }
