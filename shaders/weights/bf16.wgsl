// Weights stored as bf16, four to an 8-byte block: each is the upper half of an f32.

@group(0) @binding(1) var<storage, read> weights: array<vec2<u32>>;

/// Weights 4·block to 4·block + 3.
fn weight4(block: u32) -> vec4<f32> {
    let words = weights[block];
    return bitcast<vec4<f32>>(vec4(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u));
}
