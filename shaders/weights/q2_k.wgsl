// Weights stored as q2_k: step · code − offset, codes of two bits, both for 16 weights. Eight units, of eight bytes each,
// are a block, which has five words: sixteen bytes with a step in the low half and an offset in the high one, and
// the f16 factors of both.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 2u;
const OFFSETS: bool = true;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = unit / 8u * 5u;
    let both = (vec2(scales[block + (unit & 7u) / 2u] >> (16u * (unit & 1u))) >> vec2(0u, 8u)) & vec2(0xffu);
    let factors = unpack2x16float(scales[block + 4u]);
    let step = factors.x * vec2<f32>(both & vec2(15u));
    return SubBlock(two_words(unit), vec2(0u), step, factors.y * vec2<f32>(both >> vec2(4u)));
}

fn codes(part: SubBlock, index: u32) -> u32 { return two_bits(part.low.xy, index); }

fn codebook(packed: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(packed)); }
