// Weights stored as f32, four to a 16-byte block.

@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;

/// Weights 4·block to 4·block + 3.
fn weight4(block: u32) -> vec4<f32> { return weights[block]; }
