// Weights stored as f16, four to an 8-byte block, the first in the low half of the first word.

@group(0) @binding(1) var<storage, read> weights: array<vec2<u32>>;

/// Weights 4·block to 4·block + 3.
fn weight4(block: u32) -> vec4<f32> {
    let words = weights[block];
    return vec4(unpack2x16float(words.x), unpack2x16float(words.y));
}
