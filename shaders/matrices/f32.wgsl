// Matrix units that multiply f32.

alias Number = f32;

// Blocks of four that a row of a tile is longer than its columns, so that rows begin in different banks.
const PADDING: u32 = 1u;
// How many numbers of the units have an f32 as their sum.
const HALVES: u32 = 1u;

/// Eight neighbouring elements in a cache of f16.
alias CachedVec8 = vec4<u32>;

/// Numbers as the units take them.
fn narrowed(value: vec4<f32>) -> vec4<f32> { return value; }

/// The two halves of cached elements.
fn cached_first(vec8: CachedVec8) -> vec4<f32> { return vec4(unpack2x16float(vec8.x), unpack2x16float(vec8.y)); }
fn cached_second(vec8: CachedVec8) -> vec4<f32> { return vec4(unpack2x16float(vec8.z), unpack2x16float(vec8.w)); }
