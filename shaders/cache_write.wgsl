// Stores each row's keys and values in its slot of the layer's KV cache.
//
//   key_cache[slot(t)][g][d] = key[t][g·D + d], and the same for values
//
// Shapes: key, value T × G·D, from columns FIRST_KEY and FIRST_VALUE of rows STRIDE apart; the caches slots × G × D with D padded with zeros to
// HEAD_BLOCKS blocks of four.
// Split: x over the blocks of a slot, y over rows.
// Twin: src/reference/cache.rs

override WORKGROUP: u32;
override GROUPS: u32;
override HEAD_WIDTH: u32;
override HEAD_BLOCKS: u32;
override STRIDE: u32;
override FIRST_KEY: u32;
override FIRST_VALUE: u32;

@group(0) @binding(1) var<storage, read> key: array<f32>;
@group(0) @binding(2) var<storage, read> value: array<f32>;
@group(0) @binding(3) var<storage, read_write> key_cache: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> value_cache: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= GROUPS * HEAD_BLOCKS {
        return;
    }
    let group = id.x / HEAD_BLOCKS;
    let first = 4u * (id.x % HEAD_BLOCKS);
    let source = id.y * STRIDE + group * HEAD_WIDTH + first;
    var key_block = vec4(0.0);
    var value_block = vec4(0.0);
    for (var i = 0u; i < 4u && first + i < HEAD_WIDTH; i++) {
        key_block[i] = key[source + FIRST_KEY + i];
        value_block[i] = value[source + FIRST_VALUE + i];
    }
    let place = row_slot(id.y) * GROUPS * HEAD_BLOCKS + id.x;
    key_cache[place] = key_block;
    value_cache[place] = value_block;
}
