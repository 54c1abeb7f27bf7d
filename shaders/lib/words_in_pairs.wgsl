// Weights as they lie in memory, in units of 16 bytes, loaded eight bytes at a time: software drivers load each
// element for each lane with a branch or two, so fewer and wider ones are faster, and much quicker to compile.

@group(0) @binding(1) var<storage, read> weights: array<vec2<u64>>;

fn words_of(pairs: vec2<u64>) -> vec4<u32> {
    return vec4(u32(pairs.x), u32(pairs.x >> 32u), u32(pairs.y), u32(pairs.y >> 32u));
}

fn unit_words(unit: u32) -> vec4<u32> { return words_of(weights[unit]); }
