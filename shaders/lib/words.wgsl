// Weights as they lie in memory, in units of 16 bytes.

@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;

fn unit_words(unit: u32) -> vec4<u32> { return weights[unit]; }
