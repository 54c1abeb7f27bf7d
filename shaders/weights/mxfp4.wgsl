// Weights stored as mxfp4: 2^(e − 128) · float of four bits (E2M1, doubled). A unit is a block, which has its e in a byte;
// four lie in a word, the first lowest.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let e = (scales[unit / 4u] >> (8u * (unit & 3u))) & 0xffu;
    let step = bitcast<f32>(select((e - 1u) << 23u, 0x00200000u << e, e < 2u));
    return SubBlock(unit_words(unit), vec2(0u), vec2(step), vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 { return four_bits(part.low, index); }
