// Stores each row's keys and values in its slot of the layer's KV cache. In the fused plan it first normalises
// both and turns the keys, and does the same to the queries, which it stores for the attention that follows.
//
//   key_cache[slot(t)][g] = turn(norm(key[t][g])), value_cache[slot(t)][g] = norm(value[t][g])
//   ready[t][h] = turn(norm(query[t][h]))
//
// Shapes: source T × columns, rows STRIDE apart, in which the queries begin at FIRST and the keys at FIRST_KEY; value T
// × columns, rows VALUE_STRIDE apart, from FIRST_VALUE on; the caches slots × G × D, D in HEAD_VEC8S blocks of eight;
// ready T × H·D, rows READY_STRIDE apart. HEADS is 0 where queries are none of this kernel's business; PAIRS is 0 and
// HAS_NORMS false where the keys are ready, and VALUE_EPSILON is 0 where the values are. VALUE_HEADS is G, or 0 where
// values are parts of the keys.
// Split: x over the blocks of all query, key and value heads of a row, y over rows. No barrier.
// Twin: src/reference/cache.rs

override WORKGROUP: u32;
override HEADS: u32;
override VALUE_HEADS: u32;
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
    // Keys, then values, then queries.
    let index = id.x / HEAD_VEC8S;
    let vec8 = id.x % HEAD_VEC8S;
    let row = id.y;
    if index >= KV_HEADS + VALUE_HEADS + HEADS {
        return;
    }
    var kind = KEY_HEAD;
    var group = index;
    var head = row * STRIDE + FIRST_KEY + group * HEAD_WIDTH;
    if index >= KV_HEADS {
        kind = VALUE_HEAD;
        group = index - KV_HEADS;
        head = row * VALUE_STRIDE + FIRST_VALUE + group * HEAD_WIDTH;
    }
    if index >= KV_HEADS + VALUE_HEADS {
        kind = QUERY_HEAD;
        group = index - KV_HEADS - VALUE_HEADS;
        head = row * STRIDE + FIRST + group * HEAD_WIDTH;
    }
    let place = head_place(row_slot(row), group) + vec8;
    let factor = head_factor(head, kind);
    let angles = angles_of(row);
    let first = 4u * vec8;
    for (var word = first; word < first + 4u; word++) {
        let element = 2u * word;
        let pair = ready_pair(head, element, factor, angles, kind);
        if kind != QUERY_HEAD {
            store_pair(kind, place, word - first, pair);
            continue;
        }
        let begin = row * READY_STRIDE + group * HEAD_WIDTH;
        if element < HEAD_WIDTH {
            ready[begin + element] = pair.x;
        }
        if element + 1u < HEAD_WIDTH {
            ready[begin + element + 1u] = pair.y;
        }
    }
}

fn raw(place: u32, kind: u32) -> f32 {
    if kind == VALUE_HEAD {
        return value_source[place];
    }
    return source[place];
}
