// Weights stored as bf16, each the upper half of an f32: a unit is eight, two to a word, the first in the low
// half.

/// Blocks of four weights in a unit.
const UNIT: u32 = 2u;

fn weight_unit(unit: u32) -> array<vec4<f32>, UNIT> {
    let words = unit_words(unit);
    return array(widened(words.xy), widened(words.zw));
}

fn widened(words: vec2<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u));
}

/// Block `block` of a unit.
fn numbers4(words: vec4<u32>, block: u32) -> vec4<f32> {
    return widened(vec2(words[2u * block], words[2u * block + 1u]));
}

/// How much too large they are.
const BIAS: f32 = 0.0;

/// The factor on a unit's weights.
fn unit_scale(unit: u32) -> f32 { return 1.0; }

/// Weights 4·block to 4·block + 3.
fn weight4(block: u32) -> vec4<f32> {
    let words = unit_words(block / 2u);
    return widened(select(words.xy, words.zw, block % 2u == 1u));
}
