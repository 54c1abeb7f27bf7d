// Stores each row's keys and values in its slot of the layer's KV cache. In the fused plan it first normalises
// and turns the keys, and does the same to the queries, which it stores for the attention that follows.
//
//   key_cache[slot(t)][g] = turn(norm(key[t][g])), value_cache[slot(t)][g] = value[t][g]
//   ready[t][h] = turn(norm(query[t][h]))
//
// Shapes: source T × columns, rows STRIDE apart, in which the queries begin at FIRST and the keys at FIRST_KEY;
// value T × columns, rows VALUE_STRIDE apart, from FIRST_VALUE on; the caches slots × G × D, D in OCTETS blocks of
// eight; ready T × H·D, rows READY_STRIDE apart. HEADS is 0 where queries are none of this kernel's business;
// PAIRS is 0 and HAS_NORMS false where the keys are ready.
// Split: x over the blocks of all query, key and value heads of a row, y over rows. No barrier.
// Twin: src/reference/cache.rs

override WORKGROUP: u32;
override HEADS: u32;
override STRIDE: u32;
override FIRST: u32;
override FIRST_KEY: u32;
override VALUE_STRIDE: u32;
override FIRST_VALUE: u32;
override READY_STRIDE: u32;

@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> value_source: array<f32>;
@group(0) @binding(3) var<storage, read> query_norm: array<f32>;
@group(0) @binding(4) var<storage, read> key_norm: array<f32>;
@group(0) @binding(5) var<storage, read_write> key_cache: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> value_cache: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read_write> ready: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.y;
    let head = id.x / OCTETS;
    let octet = id.x % OCTETS;
    let place = head_place(row_slot(row), 0u);
    if head < GROUPS {
        let begin = row * STRIDE + FIRST_KEY + head * HEAD_WIDTH;
        store_key(place + id.x, ready_octet(begin, octet, row, KEY_HEAD));
    } else if head < 2u * GROUPS {
        let group = head - GROUPS;
        let begin = row * VALUE_STRIDE + FIRST_VALUE + group * HEAD_WIDTH + 8u * octet;
        var value = Octet(vec4(0.0), vec4(0.0));
        for (var i = 0u; i < 4u; i++) {
            if 8u * octet + i < HEAD_WIDTH {
                value.low[i] = value_source[begin + i];
            }
            if 8u * octet + 4u + i < HEAD_WIDTH {
                value.high[i] = value_source[begin + 4u + i];
            }
        }
        store_value(place + group * OCTETS + octet, value);
    } else if head < 2u * GROUPS + HEADS {
        let query = (head - 2u * GROUPS) * HEAD_WIDTH;
        let value = ready_octet(row * STRIDE + FIRST + query, octet, row, QUERY_HEAD);
        let begin = row * READY_STRIDE + query + 8u * octet;
        for (var i = 0u; i < 4u; i++) {
            if 8u * octet + i < HEAD_WIDTH {
                ready[begin + i] = value.low[i];
            }
            if 8u * octet + 4u + i < HEAD_WIDTH {
                ready[begin + 4u + i] = value.high[i];
            }
        }
    }
}
