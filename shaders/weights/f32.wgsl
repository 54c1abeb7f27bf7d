// Weights stored as f32: a unit is four.

/// Blocks of four weights in a unit.
const UNIT: u32 = 1u;

fn weight_unit(unit: u32) -> array<vec4<f32>, UNIT> { return array(bitcast<vec4<f32>>(unit_words(unit))); }

/// Block `block` of a unit.
fn numbers4(words: vec4<u32>, block: u32) -> vec4<f32> { return bitcast<vec4<f32>>(words); }

/// How much too large they are.
const BIAS: f32 = 0.0;

/// The factor on a unit's weights.
fn unit_scale(unit: u32) -> f32 { return 1.0; }

/// Weights 4·block to 4·block + 3.
fn weight4(block: u32) -> vec4<f32> { return bitcast<vec4<f32>>(unit_words(block)); }
