// Weights stored as q5_k: step · code − offset, codes of five bits. Eight units are a block, which has twelve words: the
// f16 factors of its steps and its offsets, these in six bits each, and the highest bits of each unit.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = true;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = unit / 8u * 12u;
    let factors = unpack2x16float(scales[block]) * vec2<f32>(step_and_least(block, unit));
    let high = scales[block + 4u + (unit & 7u)];
    return SubBlock(unit_words(unit), vec2(high, 0u), vec2(factors.x), vec2(factors.y));
}

/// Step and offset of a unit in six bits each, from the three words that a block has for all eight of its units.
fn step_and_least(block: u32, unit: u32) -> vec2<u32> {
    let words = vec3(scales[block + 1u], scales[block + 2u], scales[block + 3u]);
    let bytes = (words >> vec3(8u * (unit & 3u))) & vec3(0xffu);
    if (unit & 4u) == 0u {
        return bytes.xy & vec2(63u);
    }
    return vec2(bytes.z & 15u, bytes.z >> 4u) | (bytes.xy >> vec2(6u)) << vec2(4u);
}

fn codes(part: SubBlock, index: u32) -> u32 {
    return four_bits(part.low, index) | one_bit_at(part.high.x, index, 4u);
}

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(packed)); }
