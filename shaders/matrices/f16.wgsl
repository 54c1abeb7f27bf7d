// Matrix units that multiply f16 and add up in f32.

enable f16;

alias Number = f16;

// Blocks of four that a row of a tile is longer than its columns, so that rows begin in different banks.
const PADDING: u32 = 2u;
// How many numbers of the units have an f32 as their sum: the second is what the first leaves. They are within 2⁻²¹ of it.
const HALVES: u32 = 2u;

/// Eight neighbouring elements in a cache of f16.
struct CachedVec8 {
    first: vec4<f16>,
    second: vec4<f16>,
}

/// Numbers as the units take them; those beyond f16's range as its largest ones.
fn narrowed(value: vec4<f32>) -> vec4<f16> { return vec4<f16>(clamp(value, vec4(-65504.0), vec4(65504.0))); }

/// The two halves of cached elements.
fn cached_first(vec8: CachedVec8) -> vec4<f16> { return vec8.first; }
fn cached_second(vec8: CachedVec8) -> vec4<f16> { return vec8.second; }
