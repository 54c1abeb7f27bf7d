// Softmax attention of one row's query heads over the positions that the row sees: for decoding, where each row
// has its own, many positions. Where FUSED_APPEND, it also does what comes before (norms, rotary, cache write) for
// rows that are the only new ones of their sequence.
//
//   output[t][h] = Σ_s softmax_s(score(query[t][h] · key[s][g])) · value[s][g],   g = h · G / H
//
// s runs over the row's cached positions through its page table, then over its chain: the rows of this batch
// that lead to it, itself last. Rows that simply extend their sequence find themselves in the page table and
// have no chain. Scores are as lib/scores.wgsl makes them; where HAS_SINKS, sinks[h] is one more that has no value.
// Shapes: source T × columns, rows STRIDE apart, queries from FIRST, keys from FIRST_KEY and values from FIRST_VALUE
// on; the caches slots × G × D, D in HEAD_VEC8S blocks of eight; output T × H·D, rows OUTPUT_STRIDE apart. Values may be
// narrower: D is then VALUE_WIDTH for the output, of VALUE_VEC8S blocks of eight, which a cached head has from block
// FIRST_VEC8 on; both caches may be one.
// Where SPLIT, the output is instead, for row, split and head, a partial result of PARTIAL elements: the sum of
// weighted values, then the maximum of the scores and the sum of the weights relative to it;
// attention_combine.wgsl makes them one (flash-decoding, Dao et al. 2023).
// Split: x over the SHARED query heads that share a key/value head's loads, y over rows, z over splits of the positions
// that the row sees, split_positions() of them each. Lanes form streams of HEAD_LANES, a power of two of at least four and VALUE_VEC8S; a stream takes
// HEAD_LANES positions at a time, a lane a position for the scores and then a block of the head for the values
// (online softmax, Milakov and Gimelshein 2018). Streams join at the end. Lanes beyond the last position repeat it, with a
// weight of 0. What bounds a step is the way to memory and back: so KEYS_AT_ONCE blocks of a key, and as many positions'
// values, are on their way together.
// Twin: src/reference/attention.rs

override WORKGROUP: u32;
override HEAD_LANES: u32;
override STREAMS: u32;
override SHARED: u32;
override VALUE_WIDTH: u32;
override VALUE_VEC8S: u32;
override FIRST_VEC8: u32;
override STRIDE: u32;
override FIRST: u32;
override FIRST_KEY: u32;
override FIRST_VALUE: u32;
override OUTPUT_STRIDE: u32;
override PARTIAL: u32;
override FUSED_APPEND: bool;
override SPLIT: bool;
override HAS_SINKS: bool;
// Blocks of a key, and positions' values, that are loaded together: powers of two, at most MOST_AT_ONCE.
override KEYS_AT_ONCE: u32;
override VALUES_AT_ONCE: u32;
// Blocks of a key with those that make whole turns of KEYS_AT_ONCE.
override KEY_VEC8S: u32;
// Blocks of four of the queries (2 · SHARED · KEY_VEC8S), of a tile's scores or weights (WORKGROUP · SHARED / 4), and of
// the larger of queries with scores and of what the lanes have mixed (2 · WORKGROUP).
override QUERY_BLOCKS: u32;
override WEIGHTS: u32;
override ROOM: u32;

@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> query_norm: array<f32>;
@group(0) @binding(3) var<storage, read> key_norm: array<f32>;
@group(0) @binding(4) var<storage, read_write> key_cache: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> value_cache: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> output: array<f32>;
@group(0) @binding(7) var<storage, read> sinks: array<f32>;

// Below every score, and finite: WGSL does not promise how it treats infinities.
const LOWEST: f32 = -1e30;
/// Most query heads of a workgroup.
const MOST_SHARED: u32 = 8u;
/// Most blocks of eight that are loaded together.
const MOST_AT_ONCE: u32 = 4u;

// How many waves a GPU holds depends on what stands here. So two that are never needed together share their room: the
// queries, by head and block, with a tile's scores behind them, by head and then four lanes each; and, once all
// positions are through, what the lanes have mixed.
var<workgroup> room: array<vec4<f32>, ROOM>;
// A tile's weights, as the scores; once all positions are through, maximum and sum of each head's streams.
var<workgroup> weights: array<vec4<f32>, WEIGHTS>;
var<workgroup> places: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first_head = workgroup.x * SHARED;
    let group = first_head / (HEADS / KV_HEADS);
    let row = workgroup.y;
    let range = key_range(row);
    let first = first_seen(range.positions);
    let split = split_positions(range.positions - first);
    let start = first + select(0u, workgroup.z * split, SPLIT);
    let end = select(range.positions, min(start + split, range.positions), SPLIT);
    // Rows that see less than the longest may have fewer splits.
    if start >= end {
        return;
    }
    prepare(first_head, group, row, end == range.positions, lane);
    storageBarrier();
    workgroupBarrier();

    let stream = lane / HEAD_LANES;
    let part = lane % HEAD_LANES;
    let stream_lane = stream * HEAD_LANES;
    var maximum = array<f32, MOST_SHARED>();
    var sum = array<f32, MOST_SHARED>();
    var low = array<vec4<f32>, MOST_SHARED>();
    var high = array<vec4<f32>, MOST_SHARED>();
    for (var h = 0u; h < SHARED; h++) {
        maximum[h] = LOWEST;
    }
    let block = FIRST_VEC8 + min(part, VALUE_VEC8S - 1u);
    for (var tile = start; tile < end; tile += WORKGROUP) {
        let position = min(tile + lane, end - 1u);
        let is_seen = tile + lane < end;
        let place = head_place(slot_of(range, position), group);
        var score = array<f32, MOST_SHARED>();
        // Not from 0 to a constant: see gemv_per_lane.wgsl.
        for (var first = place; first < place + KEY_VEC8S; first += KEYS_AT_ONCE) {
            var keys: array<Vec8, MOST_AT_ONCE>;
            for (var i = 0u; i < MOST_AT_ONCE; i++) {
                if i < KEYS_AT_ONCE {
                    // Beyond the key the query is 0.
                    keys[i] = key_vec8(min(first + i, place + HEAD_VEC8S - 1u));
                }
            }
            for (var i = 0u; i < MOST_AT_ONCE; i++) {
                if i < KEYS_AT_ONCE {
                    let at = 2u * (first - place + i);
                    for (var h = 0u; h < SHARED; h++) {
                        let query = at + 2u * h * KEY_VEC8S;
                        score[h] += dot(room[query], keys[i].low) + dot(room[query + 1u], keys[i].high);
                    }
                }
            }
        }
        for (var h = 0u; h < SHARED; h++) {
            score[h] = finished_score(score[h], first_head + h, range.positions - 1u - position);
            room[QUERY_BLOCKS + lane_block(h, lane)][lane % 4u] = score[h];
        }
        workgroupBarrier();
        for (var h = 0u; h < SHARED; h++) {
            let at = QUERY_BLOCKS + lane_block(h, stream_lane);
            var highest = maximum[h];
            for (var other = at; other < at + HEAD_LANES / 4u; other++) {
                let scores = room[other];
                highest = max(highest, max(max(scores.x, scores.y), max(scores.z, scores.w)));
            }
            let correction = exp(maximum[h] - highest);
            maximum[h] = highest;
            sum[h] *= correction;
            low[h] *= correction;
            high[h] *= correction;
            weights[lane_block(h, lane)][lane % 4u] = select(0.0, exp(score[h] - highest), is_seen);
        }
        // Other lanes read the last tile's until the barrier before.
        places[lane] = place;
        workgroupBarrier();
        for (var other = stream_lane; other < stream_lane + HEAD_LANES; other += VALUES_AT_ONCE) {
            var values: array<Vec8, MOST_AT_ONCE>;
            for (var i = 0u; i < MOST_AT_ONCE; i++) {
                if i < VALUES_AT_ONCE {
                    values[i] = value_vec8(places[other + i] + block);
                }
            }
            for (var h = 0u; h < SHARED; h++) {
                let four = some_weights(h, other);
                for (var i = 0u; i < MOST_AT_ONCE; i++) {
                    if i < VALUES_AT_ONCE {
                        let weight = four[i];
                        sum[h] += weight;
                        low[h] += weight * values[i].low;
                        high[h] += weight * values[i].high;
                    }
                }
            }
        }
    }

    // The streams become one.
    workgroupBarrier();
    if part == 0u {
        for (var h = 0u; h < SHARED; h++) {
            weights[lane_block(h, 0u) + stream] = vec4(maximum[h], sum[h], 0.0, 0.0);
        }
    }
    workgroupBarrier();
    // Not from 0 to a constant: see gemv_subgroup.wgsl.
    for (var head = first_head; head < first_head + SHARED; head++) {
        let h = head - first_head;
        var own_low = low[0];
        var own_high = high[0];
        for (var other = 1u; other < SHARED; other++) {
            own_low = select(own_low, low[other], other == h);
            own_high = select(own_high, high[other], other == h);
        }
        let streams = lane_block(h, 0u);
        let own_maximum = weights[streams + stream].x;
        var highest = own_maximum;
        for (var other = streams; other < streams + STREAMS; other++) {
            highest = max(highest, weights[other].x);
        }
        // After splits, the kernel that makes them one has the sinks.
        if HAS_SINKS && !SPLIT {
            highest = max(highest, sinks[head]);
        }
        let factor = exp(own_maximum - highest);
        room[2u * lane] = own_low * factor;
        room[2u * lane + 1u] = own_high * factor;
        workgroupBarrier();
        let begin = select(
            row * OUTPUT_STRIDE + head * VALUE_WIDTH,
            ((row * workgroups.z + workgroup.z) * HEADS + head) * PARTIAL,
            SPLIT,
        );
        if lane < VALUE_VEC8S {
            var total = 0.0;
            if HAS_SINKS && !SPLIT {
                total = exp(sinks[head] - highest);
            }
            var all = Vec8(vec4(0.0), vec4(0.0));
            for (var other = 0u; other < STREAMS; other++) {
                let summary = weights[streams + other];
                total += summary.y * exp(summary.x - highest);
                all.low += room[2u * (other * HEAD_LANES + lane)];
                all.high += room[2u * (other * HEAD_LANES + lane) + 1u];
            }
            if SPLIT {
                if lane == 0u {
                    output[begin + 8u * VALUE_VEC8S] = highest;
                    output[begin + 8u * VALUE_VEC8S + 1u] = total;
                }
            } else {
                all.low /= total;
                all.high /= total;
            }
            // No other lane has read these.
            room[2u * lane] = all.low;
            room[2u * lane + 1u] = all.high;
        }
        workgroupBarrier();
        for (var element = lane; element < select(VALUE_WIDTH, 8u * VALUE_VEC8S, SPLIT); element += WORKGROUP) {
            output[begin + element] = room[element / 4u][element % 4u];
        }
        workgroupBarrier();
    }
}

/// Which block of four has a lane's number for a head.
fn lane_block(h: u32, lane: u32) -> u32 { return h * (WORKGROUP / 4u) + lane / 4u; }

/// A head's weights of VALUES_AT_ONCE lanes from one on, and whatever.
fn some_weights(h: u32, first: u32) -> vec4<f32> {
    let block = lane_block(h, first);
    if VALUES_AT_ONCE == 4u {
        return weights[block];
    }
    // Software drivers load one number at a time.
    return vec4(weights[block][first % 4u], weights[block][(first + 1u) % 4u], 0.0, 0.0);
}

/// The queries, ready and scaled, in workgroup memory; where FUSED_APPEND and the newest position is this
/// workgroup's, its key and value in the cache.
fn prepare(first_head: u32, group: u32, row: u32, has_newest: bool, lane: u32) {
    let begin = row * STRIDE;
    let place = head_place(row_slot(row), group);
    let angles = angles_of(row);
    let scale = row_scale(row_positions(row));
    // Where a group has more heads than a workgroup takes, several store the same key and value.
    let heads = select(SHARED, SHARED + 2u, FUSED_APPEND && has_newest);
    for (var i = lane; i < heads * KEY_VEC8S; i += WORKGROUP) {
        let index = i / KEY_VEC8S;
        let vec8 = i % KEY_VEC8S;
        var kind = QUERY_HEAD;
        var head = begin + FIRST + (first_head + index) * HEAD_WIDTH;
        if index >= SHARED {
            kind = select(VALUE_HEAD, KEY_HEAD, index == SHARED);
            head = begin + select(FIRST_VALUE, FIRST_KEY, kind == KEY_HEAD) + group * HEAD_WIDTH;
        }
        let factor = head_factor(head, kind);
        for (var word = 4u * i; word < 4u * i + 4u; word++) {
            let element = 2u * (word - 4u * index * KEY_VEC8S);
            let pair = ready_pair(head, element, factor, angles, kind);
            if kind == QUERY_HEAD {
                room[word / 2u][2u * (word % 2u)] = pair.x * scale;
                room[word / 2u][2u * (word % 2u) + 1u] = pair.y * scale;
            } else if vec8 < HEAD_VEC8S {
                store_pair(kind, place + vec8, word % 4u, pair);
            }
        }
    }
}

fn raw(place: u32, kind: u32) -> f32 { return source[place]; }

fn key_vec8(place: u32) -> Vec8 {
    if KV_F16 {
        return vec8_of_halves(key_cache[place]);
    }
    return Vec8(bitcast<vec4<f32>>(key_cache[2u * place]), bitcast<vec4<f32>>(key_cache[2u * place + 1u]));
}

fn value_vec8(place: u32) -> Vec8 {
    if KV_F16 {
        return vec8_of_halves(value_cache[place]);
    }
    return Vec8(bitcast<vec4<f32>>(value_cache[2u * place]), bitcast<vec4<f32>>(value_cache[2u * place + 1u]));
}
