// Weights of a group format: step · (code − zero) + bias. What it is made of stands before this file: the bits of its codes
// (BITS) and how many of them a unit lacks (HIGHER), how many units a block has (GROUP_UNITS), the kind of its factors
// (FACTORS), and what codes mean (`codebook`), with what that is to be multiplied by (CODE_SCALE) and whether the one in the middle
// is 0 (WHOLE). A unit is 8 or 16 bytes of codes, or
// 32 of codes of eight bits. A block has a word with its factors, then for each of its units the bits that the unit
// lacks, in one word or two.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// How many steps a unit has, and whether something is taken off.
const STEPS: u32 = 1u;
const OFFSETS: bool = FACTORS != SINGLE || WHOLE;
/// How much too large the numbers are that codes stand for.
const BIAS: f32 = 0.0;

// Values of FACTORS.
const HALF_BIAS: u32 = 0u;
const BRAIN_BIAS: u32 = 1u;
const HALF_ZERO: u32 = 2u;
const BRAIN_ZERO: u32 = 3u;
const SINGLE: u32 = 4u;

fn read_sub_block(unit: u32) -> SubBlock {
    let block = unit / GROUP_UNITS * (1u + GROUP_UNITS * HIGHER);
    let word = scales[block];
    var high = vec2(0u);
    if HIGHER > 0u {
        let place = block + 1u + unit % GROUP_UNITS * HIGHER;
        high = vec2(scales[place], scales[place + HIGHER - 1u]);
    }
    var low = vec4(0u);
    if BITS < 4u {
        low = two_words(unit);
    } else if BITS < 8u {
        low = unit_words(unit);
    } else {
        high.x = unit;
    }
    let factors = step_and_offset(word);
    return SubBlock(low, high, vec2(factors.x), vec2(factors.y));
}

fn step_and_offset(word: u32) -> vec2<f32> {
    let halves = unpack2x16float(word);
    let brains = vec2(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));
    let zero = f32(word >> 16u);
    if FACTORS == HALF_BIAS {
        return vec2(halves.x, -halves.y);
    }
    if FACTORS == BRAIN_BIAS {
        return vec2(brains.x, -brains.y);
    }
    if FACTORS == HALF_ZERO {
        return halves.x * vec2(1.0, zero);
    }
    if FACTORS == BRAIN_ZERO {
        return brains.x * vec2(1.0, zero);
    }
    return bitcast<f32>(word) * vec2(CODE_SCALE, select(0.0, f32(1u << (BITS - 1u)), WHOLE));
}

fn codes(part: SubBlock, index: u32) -> u32 {
    if BITS == 8u {
        return unit_words(2u * part.high.x + index / 4u)[index & 3u];
    }
    if BITS < 4u {
        return two_bits(part.low.xy, index) | select(0u, one_bit_at(part.high.x, index, 2u), BITS == 3u);
    }
    if BITS == 6u {
        return four_bits(part.low, index) | two_bits_at(part.high, index, 4u);
    }
    return four_bits(part.low, index) | select(0u, one_bit_at(part.high.x, index, 4u), BITS == 5u);
}
