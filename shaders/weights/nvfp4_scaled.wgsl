// Weights stored as nvfp4 with a factor: factor · step · float of four bits (E2M1, doubled), a step for 16 weights. Two
// units are a block, which has two words: four steps in floats of eight bits, and the factor in f32.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 2u;
const OFFSETS: bool = false;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = unit / 2u * 2u;
    let bits = scales[block] >> (16u * (unit & 1u));
    let step = bitcast<f32>(scales[block + 1u]) * vec2(half_e4m3(bits), half_e4m3(bits >> 8u));
    return SubBlock(unit_words(unit), vec2(0u), step, vec2(0.0));
}

fn codes(part: SubBlock, index: u32) -> u32 { return four_bits(part.low, index); }
