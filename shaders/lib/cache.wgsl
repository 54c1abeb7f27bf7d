// The KV cache as kernels see it: a slot is GROUPS heads of OCTETS blocks of eight elements, padded with zeros.
// A kernel declares `key_cache` and `value_cache` with the elements and the access that it needs.
//
// In f16 (HALVES) a block is one load, in f32 two. src/gpu/cache/kv_cache.rs makes the buffers.

override HALVES: bool;
override GROUPS: u32;
override OCTETS: u32;
override PAGE_POSITIONS: u32;

/// Eight neighbouring elements of a head.
struct Octet {
    low: vec4<f32>,
    high: vec4<f32>,
}

/// What a row sees: `cached` positions through its page table, then a chain of slots.
struct Sight {
    cached: u32,
    pages_at: u32,
    chain_at: u32,
    positions: u32,
}

fn row_sight(row: u32) -> Sight {
    let record = row_record(row);
    let cached = pass_data[record + 3u];
    return Sight(cached, pass_data[record + 4u], pass_data[record + 5u], cached + pass_data[record + 6u]);
}

/// The slot of a position that a row sees.
fn slot_of(sight: Sight, position: u32) -> u32 {
    if position < sight.cached {
        let page = pass_data[sight.pages_at + position / PAGE_POSITIONS];
        return page * PAGE_POSITIONS + position % PAGE_POSITIONS;
    }
    return pass_data[sight.chain_at + position - sight.cached];
}

/// Number of a head's first block in the cache.
fn head_place(slot: u32, group: u32) -> u32 { return (slot * GROUPS + group) * OCTETS; }

fn octet_of_halves(words: vec4<u32>) -> Octet {
    return Octet(
        vec4(unpack2x16float(words.x), unpack2x16float(words.y)),
        vec4(unpack2x16float(words.z), unpack2x16float(words.w)),
    );
}
