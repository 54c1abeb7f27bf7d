// Weights stored as q4_0: a unit is a block of 32 numbers of four bits, each eight too high. Word i has the weights
// 8i to 8i + 3 in the low halves of its bytes, and 8i + 4 to 8i + 7 in the high ones. A unit has one f16 scale;
// scales lie two to a word, the first in the low half.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// Blocks of four weights in a unit.
const UNIT: u32 = 8u;

/// The weights of a unit, each still to be multiplied by the unit's scale.
fn weight_unit(unit: u32) -> array<vec4<f32>, UNIT> {
    let words = unit_words(unit);
    return array(
        low_halves(words.x) - BIAS,
        low_halves(words.x >> 4u) - BIAS,
        low_halves(words.y) - BIAS,
        low_halves(words.y >> 4u) - BIAS,
        low_halves(words.z) - BIAS,
        low_halves(words.z >> 4u) - BIAS,
        low_halves(words.w) - BIAS,
        low_halves(words.w >> 4u) - BIAS,
    );
}

/// Block `block` of a unit as it is stored: each number is too large by the bias.
fn numbers4(words: vec4<u32>, block: u32) -> vec4<f32> {
    return low_halves(words[block / 2u] >> (4u * (block & 1u)));
}

const BIAS: f32 = 8.0;

fn low_halves(word: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(word & 0x0f0f0f0fu)); }

/// The factor on a unit's weights.
fn unit_scale(unit: u32) -> f32 {
    let pair = unpack2x16float(scales[unit / 2u]);
    return select(pair.x, pair.y, (unit & 1u) == 1u);
}

/// Weights 4·block to 4·block + 3.
fn weight4(block: u32) -> vec4<f32> {
    let unit = block / 8u;
    let word = unit_words(unit)[block / 2u % 4u];
    return unit_scale(unit) * (low_halves(word >> (4u * (block % 2u))) - BIAS);
}
