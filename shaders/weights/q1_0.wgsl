// Weights stored as q1_0: step or −step, by a bit. Four units, of a word each, are a block, which has a step in f16; steps
// lie two to a word, the first in the low half.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.5;

fn read_sub_block(unit: u32) -> SubBlock {
    let pair = unpack2x16float(scales[unit / 8u]);
    // From one of the two numbers to the other.
    let step = 2.0 * select(pair.x, pair.y, (unit & 4u) == 4u);
    return SubBlock(vec4(unit_words(unit / 4u)[unit & 3u]), vec2(0u), vec2(step), vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 { return one_bit(part.low.x, index); }

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(packed)); }
