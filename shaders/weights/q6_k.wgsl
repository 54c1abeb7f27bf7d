// Weights stored as q6_k: step · (code − 32), codes of six bits, a step for 16 weights. Eight units are a block, which
// has 21 words: two for each unit's two highest bits, four of sixteen signed bytes, and the steps' f16 factor.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 2u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 32.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = unit / 8u * 21u;
    let high = block + 2u * (unit & 7u);
    let steps = scales[block + 16u + (unit & 7u) / 2u];
    let first = 2u * (unit & 1u);
    let step = unpack2x16float(scales[block + 20u]).x * vec2(signed_byte(steps, first), signed_byte(steps, first + 1u));
    return SubBlock(unit_words(unit), vec2(scales[high], scales[high + 1u]), step, vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 {
    return four_bits(part.low, index) | two_bits_at(part.high, index, 4u);
}

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(packed)); }
