// The KV cache as kernels see it: a slot is KV_HEADS heads of HEAD_VEC8S blocks of eight elements, padded with zeros.
// A kernel declares `key_cache` and `value_cache` with the elements and the access that it needs.
//
// In f16 (KV_F16) a block is one load, in f32 two. src/gpu/cache/kv_cache.rs makes the buffers.

override KV_F16: bool;
override KV_HEADS: u32;
override HEAD_VEC8S: u32;
override PAGE_POSITIONS: u32;

/// Eight neighbouring elements of a head.
struct Vec8 {
    low: vec4<f32>,
    high: vec4<f32>,
}

/// What a row sees: `cached` positions through its page table, then a chain of slots.
struct KeyRange {
    cached: u32,
    pages_at: u32,
    chain_at: u32,
    positions: u32,
}

fn key_range(row: u32) -> KeyRange {
    return KeyRange(
        row_cached(row), row_word(row, ROW_PAGES_AT), row_word(row, ROW_CHAIN_AT), row_positions(row)
    );
}

/// The slot of a position that a row sees.
fn slot_of(range: KeyRange, position: u32) -> u32 {
    if position < range.cached {
        let page = pass_data[range.pages_at + position / PAGE_POSITIONS];
        return page * PAGE_POSITIONS + position % PAGE_POSITIONS;
    }
    return pass_data[range.chain_at + position - range.cached];
}

/// Number of a head's first block in the cache.
fn head_place(slot: u32, group: u32) -> u32 { return (slot * KV_HEADS + group) * HEAD_VEC8S; }

fn vec8_of_halves(words: vec4<u32>) -> Vec8 {
    return Vec8(
        vec4(unpack2x16float(words.x), unpack2x16float(words.y)),
        vec4(unpack2x16float(words.z), unpack2x16float(words.w)),
    );
}
