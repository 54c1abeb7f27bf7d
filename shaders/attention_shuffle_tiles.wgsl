// Softmax attention of many rows, eight rows at a time: for software drivers, which read storage lane by lane, so that
// each key and value is to serve as many rows as there are accumulators for.
//
//   output[t][h] = Σ_s softmax_s(score(query[t][h] · key[s][g])) · value[s][g],   g = h · G / H
//
// Tiles of rows and their keys: lib/row_tiles.wgsl. Scores are as lib/scores.wgsl makes them; where HAS_SINKS, sinks[h]
// is one more that has no value. Keys before every row's window and behind every row are skipped.
// Shapes: query T × H·D in blocks of four, rows STRIDE4 apart from FIRST4 on; output T × H·D, rows OUTPUT_STRIDE4
// apart; the caches slots × G × D, D in HEAD_VEC8S blocks of eight, a multiple of eight elements.
// Split: x over heads, y over eights of rows, TILE_PARTS to a tile. The eight lanes are one subgroup: lane l reads the
// query of row l and hands it around, scores every eighth key for all rows, and mixes every eighth block of the values
// (online softmax, Milakov and Gimelshein 2018). No barrier.
// Twin: src/reference/attention.rs

override STRIDE4: u32;
override FIRST4: u32;
override OUTPUT_STRIDE4: u32;
override HAS_SINKS: bool;
// Eights of rows in a tile.
override TILE_PARTS: u32;

// Loaded eight bytes at a time: see lib/words_in_pairs.wgsl.
@group(0) @binding(1) var<storage, read> query: array<vec2<u64>>;
@group(0) @binding(2) var<storage, read> key_cache: array<vec2<u64>>;
@group(0) @binding(3) var<storage, read> value_cache: array<vec2<u64>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> sinks: array<f32>;

// Below every score, and finite: WGSL does not promise how it treats infinities.
const LOWEST: f32 = -1e30;
const LANES: u32 = 8u;
/// Keys that a lane scores at once, and blocks of a head that it mixes at most.
const LANE_KEYS: u32 = 2u;
const MOST_BLOCKS: u32 = 2u;
const TURN: u32 = LANES * LANE_KEYS;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = workgroup.x;
    let group = head / (HEADS / KV_HEADS);
    let tile = row_tile(workgroup.y / TILE_PARTS);
    let first = workgroup.y % TILE_PARTS * LANES;
    if first >= tile.rows {
        return;
    }
    // Rows beyond the tile's last are that row again, and not stored.
    let row = tile_row(tile, min(first + lane, tile.rows - 1u));
    let cached = row_cached(row);
    let positions = row_positions(row);
    let query_at = row * STRIDE4 + FIRST4 + 2u * head * HEAD_VEC8S;
    // Without chains, what the longest of the eight rows does not see is not computed.
    var end = tile.keys;
    if tile.keys == tile.longest {
        end = subgroupMax(cached);
    }

    var maximum: array<f32, LANES>;
    // Each lane's share; they are added up at the end.
    var sum: array<f32, LANES>;
    var low: array<array<vec4<f32>, LANES>, MOST_BLOCKS>;
    var high: array<array<vec4<f32>, LANES>, MOST_BLOCKS>;
    for (var r = 0u; r < LANES; r++) {
        maximum[r] = LOWEST;
    }
    for (var base = first_key(tile, TURN); base < end; base += TURN) {
        var places: array<u32, LANE_KEYS>;
        for (var j = 0u; j < LANE_KEYS; j++) {
            // Beyond the last key is that key again, and no row sees it.
            places[j] = head_place(tile_slot(tile, min(base + j * LANES + lane, tile.keys - 1u)), group);
        }
        var scores: array<array<f32, LANE_KEYS>, LANES>;
        // Not from 0 to a constant: see gemv_per_lane.wgsl.
        var vec8 = query_at;
        for (var turn = base; turn < base + HEAD_VEC8S; turn++) {
            let mine_low = query_block(vec8);
            let mine_high = query_block(vec8 + 1u);
            vec8 += 2u;
            var keys: array<Vec8, LANE_KEYS>;
            keys[0] = key_vec8(places[0] + turn - base);
            keys[1] = key_vec8(places[1] + turn - base);
            for (var r = 0u; r < LANES; r++) {
                let low = subgroupShuffle(mine_low, r);
                let high = subgroupShuffle(mine_high, r);
                for (var j = 0u; j < LANE_KEYS; j++) {
                    scores[r][j] += dot(low, keys[j].low) + dot(high, keys[j].high);
                }
            }
        }

        for (var r = 0u; r < LANES; r++) {
            let row_cached = subgroupShuffle(cached, r);
            let row_positions = subgroupShuffle(positions, r);
            // Here, where all lanes take part: below, some lanes have keys of chains and others have not.
            let row_number = subgroupShuffle(row, r);
            let scale = row_scale(row_positions);
            var sees: array<bool, LANE_KEYS>;
            var highest = maximum[r];
            for (var j = 0u; j < LANE_KEYS; j++) {
                let key = base + j * LANES + lane;
                var place = select(NOWHERE, key, key < row_cached);
                if key >= tile.longest && key < tile.keys {
                    place = chain_position(row_number, tile_slot(tile, key));
                }
                sees[j] = place >= first_seen(row_positions) && place < row_positions;
                let score = finished_score(scores[r][j] * scale, head, row_positions - 1u - place);
                scores[r][j] = select(LOWEST, score, sees[j]);
                highest = max(highest, scores[r][j]);
            }
            highest = max(highest, subgroupShuffleXor(highest, 1u));
            highest = max(highest, subgroupShuffleXor(highest, 2u));
            highest = max(highest, subgroupShuffleXor(highest, 4u));
            let correction = exp(maximum[r] - highest);
            maximum[r] = highest;
            sum[r] *= correction;
            for (var j = 0u; j < LANE_KEYS; j++) {
                scores[r][j] = select(0.0, exp(scores[r][j] - highest), sees[j]);
                sum[r] += scores[r][j];
            }
            for (var k = 0u; k < MOST_BLOCKS; k++) {
                if k * LANES < HEAD_VEC8S {
                    low[k][r] *= correction;
                    high[k][r] *= correction;
                }
            }
        }

        for (var j = 0u; j < LANE_KEYS; j++) {
            let first_key = base + j * LANES;
            for (var key = first_key; key < min(first_key + LANES, end); key++) {
                let place = subgroupShuffle(places[j], key - first_key);
                for (var k = 0u; k < MOST_BLOCKS; k++) {
                    if k * LANES < HEAD_VEC8S {
                        // A lane beyond the head's last block computes that block again.
                        let value = value_vec8(place + min(lane + k * LANES, HEAD_VEC8S - 1u));
                        for (var r = 0u; r < LANES; r++) {
                            let weight = subgroupShuffle(scores[r][j], key - first_key);
                            low[k][r] = fma(vec4(weight), value.low, low[k][r]);
                            high[k][r] = fma(vec4(weight), value.high, high[k][r]);
                        }
                    }
                }
            }
        }
    }

    // One store for all rows, which software drivers would write out eight times: see gemv_per_lane.wgsl.
    for (var index = first; index < min(first + LANES, tile.rows); index++) {
        var own_sum = sum[0];
        var own_maximum = maximum[0];
        var own_low: array<vec4<f32>, MOST_BLOCKS>;
        var own_high: array<vec4<f32>, MOST_BLOCKS>;
        for (var r = 0u; r < LANES; r++) {
            let is_own = r == index - first;
            own_sum = select(own_sum, sum[r], is_own);
            own_maximum = select(own_maximum, maximum[r], is_own);
            for (var k = 0u; k < MOST_BLOCKS; k++) {
                own_low[k] = select(own_low[k], low[k][r], is_own);
                own_high[k] = select(own_high[k], high[k][r], is_own);
            }
        }
        var total = subgroupAdd(own_sum);
        var factor = 1.0;
        if HAS_SINKS {
            let highest = max(own_maximum, sinks[head]);
            factor = exp(own_maximum - highest);
            total = total * factor + exp(sinks[head] - highest);
        }
        factor /= total;
        let begin = tile_row(tile, index) * OUTPUT_STRIDE4 + 2u * head * HEAD_VEC8S;
        for (var k = 0u; k < MOST_BLOCKS; k++) {
            let vec8 = lane + k * LANES;
            if vec8 < HEAD_VEC8S {
                output[begin + 2u * vec8] = own_low[k] * factor;
                output[begin + 2u * vec8 + 1u] = own_high[k] * factor;
            }
        }
    }
}

fn words_of(pairs: vec2<u64>) -> vec4<u32> {
    return vec4(u32(pairs.x), u32(pairs.x >> 32u), u32(pairs.y), u32(pairs.y >> 32u));
}

fn query_block(place: u32) -> vec4<f32> { return bitcast<vec4<f32>>(words_of(query[place])); }

fn key_vec8(place: u32) -> Vec8 {
    if KV_F16 {
        return vec8_of_halves(words_of(key_cache[place]));
    }
    return Vec8(
        bitcast<vec4<f32>>(words_of(key_cache[2u * place])), bitcast<vec4<f32>>(words_of(key_cache[2u * place + 1u]))
    );
}

fn value_vec8(place: u32) -> Vec8 {
    if KV_F16 {
        return vec8_of_halves(words_of(value_cache[place]));
    }
    return Vec8(
        bitcast<vec4<f32>>(words_of(value_cache[2u * place])),
        bitcast<vec4<f32>>(words_of(value_cache[2u * place + 1u])),
    );
}
