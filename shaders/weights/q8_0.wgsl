// Weights stored as q8_0: a unit is 16 signed bytes, the first in the lowest byte. Two units are a block, which has
// one f16 scale; scales lie two to a word, the first in the low half.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

/// Blocks of four weights in a unit.
const UNIT: u32 = 4u;

/// The weights of a unit, each still to be multiplied by the unit's scale.
fn weight_unit(unit: u32) -> array<vec4<f32>, UNIT> {
    let words = unit_words(unit);
    return array(
        vec4<f32>(unpack4xI8(words.x)),
        vec4<f32>(unpack4xI8(words.y)),
        vec4<f32>(unpack4xI8(words.z)),
        vec4<f32>(unpack4xI8(words.w)),
    );
}

/// Block `block` of a unit without signs: each number is too large by the bias.
fn numbers4(words: vec4<u32>, block: u32) -> vec4<f32> {
    return vec4<f32>(unpack4xU8(words[block] ^ 0x80808080u));
}

const BIAS: f32 = 128.0;

/// The factor on a unit's weights.
fn unit_scale(unit: u32) -> f32 {
    let pair = unpack2x16float(scales[unit / 4u]);
    return select(pair.x, pair.y, (unit & 2u) == 2u);
}

/// Weights 4·block to 4·block + 3.
fn weight4(block: u32) -> vec4<f32> {
    let unit = block / 4u;
    return unit_scale(unit) * vec4<f32>(unpack4xI8(unit_words(unit)[block % 4u]));
}
