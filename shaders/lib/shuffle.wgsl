// For linear maps in which each lane of a subgroup of eight computes whole rows of the weight, and what the
// input holds is read once for all lanes and handed around by shuffles. For software drivers: they read storage
// lane by lane, a dozen instructions for each word, so that what matters is how seldom a word is read; shuffles
// are one instruction, barriers and reductions are dear.

/// Lanes of a workgroup, which is one subgroup.
const LANES: u32 = 8u;

// The input and the norm's weight, loaded as weights are.
@group(0) @binding(3) var<storage, read> input_pairs: array<vec2<u64>>;
@group(0) @binding(6) var<storage, read> norm_pairs: array<vec2<u64>>;

fn input4(block: u32) -> vec4<f32> { return bitcast<vec4<f32>>(words_of(input_pairs[block])); }

fn norm4(block: u32) -> vec4<f32> { return bitcast<vec4<f32>>(words_of(norm_pairs[block])); }
