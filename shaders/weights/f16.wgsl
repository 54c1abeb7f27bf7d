// Weights stored as f16: a unit is eight, two to a word, the first in the low half.

/// Blocks of four weights in a unit.
const UNIT: u32 = 2u;

fn weight_unit(unit: u32) -> array<vec4<f32>, UNIT> {
    let words = unit_words(unit);
    return array(
        vec4(unpack2x16float(words.x), unpack2x16float(words.y)),
        vec4(unpack2x16float(words.z), unpack2x16float(words.w)),
    );
}

/// Block `block` of a unit.
fn numbers4(words: vec4<u32>, block: u32) -> vec4<f32> {
    return vec4(unpack2x16float(words[2u * block]), unpack2x16float(words[2u * block + 1u]));
}

/// How much too large they are.
const BIAS: f32 = 0.0;

/// The factor on a unit's weights.
fn unit_scale(unit: u32) -> f32 { return 1.0; }

/// Weights 4·block to 4·block + 3.
fn weight4(block: u32) -> vec4<f32> {
    let words = unit_words(block / 2u);
    let pair = select(words.xy, words.zw, block % 2u == 1u);
    return vec4(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
