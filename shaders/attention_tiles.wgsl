// Softmax attention of many rows: for prompts, where neighbouring rows see nearly the same positions, so that a
// tile of rows shares each tile of keys and values in workgroup memory (flash attention, Dao et al. 2022).
//
//   output[t][h] = Σ_s softmax_s(score(query[t][h] · key[s][g])) · value[s][g],   g = h · G / H
//
// A tile of rows is up to 32 rows of one sequence (src/gpu/pass/words.rs lists them). Its keys are the positions that
// its longest row sees through the page table, then the slots of all its rows' chains; a row takes those that it sees
// itself. Scores are as lib/scores.wgsl makes them; where HAS_SINKS, sinks[h] is one more that has no value. Tiles of
// keys before every row's window are skipped.
// Shapes: query T × H·D in blocks of four, rows STRIDE4 apart from FIRST4 on; output T × H·D, rows OUTPUT_STRIDE4
// apart; the caches slots × G × D, D in HEAD_VEC8S blocks of eight, a multiple of eight elements.
// Split: x over heads, y over tiles of rows. Lanes form 8 groups of KEY_COLUMNS lanes; a group takes four rows, and a
// lane of it every KEY_COLUMNS-th key of the TILE for the scores, every KEY_COLUMNS-th block of the head for the
// values.
// Twin: src/reference/attention.rs

override WORKGROUP: u32;
override KEY_COLUMNS: u32;
override TILE: u32;
override STRIDE4: u32;
override FIRST4: u32;
override OUTPUT_STRIDE4: u32;
override HAS_SINKS: bool;
// vec4<u32> of a head in the cache, and one more: so that lanes of different keys fall on different banks.
override KEY_STRIDE: u32;
// Sizes of the arrays below: TILE · KEY_STRIDE, 8 · TILE.
override TILE_BLOCKS: u32;
override WEIGHTS: u32;

@group(0) @binding(1) var<storage, read> query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> key_cache: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> value_cache: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> sinks: array<f32>;

// Below every score, and finite: WGSL does not promise how it treats infinities.
const LOWEST: f32 = -1e30;
/// Most keys and most blocks of a head that a lane takes.
const MOST_KEYS: u32 = 8u;
const MOST_VEC8S: u32 = 4u;

var<workgroup> blocks: array<vec4<u32>, TILE_BLOCKS>;
var<workgroup> weights: array<vec4<f32>, WEIGHTS>;
var<workgroup> maxima: array<vec4<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = workgroup.x;
    let group = head / (HEADS / KV_HEADS);
    let tile = row_tile(workgroup.y);
    let column = lane % KEY_COLUMNS;
    let first = 4u * (lane / KEY_COLUMNS);
    // Rows beyond the tile's last are that row again, and not stored.
    let indices = min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(tile.rows - 1u));
    let rows = vec4(
        tile_row(tile, indices.x), tile_row(tile, indices.y), tile_row(tile, indices.z), tile_row(tile, indices.w)
    );

    var maximum = vec4(LOWEST);
    var sum = vec4(0.0);
    var low = array<mat4x4<f32>, MOST_VEC8S>();
    var high = array<mat4x4<f32>, MOST_VEC8S>();
    for (var base = first_key(tile, TILE); base < tile.keys; base += TILE) {
        let count = min(TILE, tile.keys - base);
        for (var i = lane; i < count * (KEY_STRIDE - 1u); i += WORKGROUP) {
            let key = i / (KEY_STRIDE - 1u);
            let unit = i % (KEY_STRIDE - 1u);
            let place = (tile_slot(tile, base + key) * KV_HEADS + group) * (KEY_STRIDE - 1u);
            blocks[key * KEY_STRIDE + unit] = key_cache[place + unit];
        }
        workgroupBarrier();

        let query_at = rows * STRIDE4 + FIRST4 + 2u * head * HEAD_VEC8S;
        var scores = array<vec4<f32>, MOST_KEYS>();
        // From the first row's own start: a loop from 0 to a constant would be unrolled, and all queries loaded at once.
        for (var place = query_at.x; place < query_at.x + 2u * HEAD_VEC8S; place++) {
            let block = place - query_at.x;
            let at = query_at + block;
            let query0 = query[at.x];
            let query1 = query[at.y];
            let query2 = query[at.z];
            let query3 = query[at.w];
            for (var j = 0u; j < TILE / KEY_COLUMNS; j++) {
                let key = shared_vec4(column + j * KEY_COLUMNS, block);
                scores[j] += vec4(dot(query0, key), dot(query1, key), dot(query2, key), dot(query3, key));
            }
        }
        // Read again for each tile of keys rather than kept: registers are short here.
        let cached = vec4(row_cached(rows.x), row_cached(rows.y), row_cached(rows.z), row_cached(rows.w));
        let chained = vec4(
            row_chain_length(rows.x), row_chain_length(rows.y), row_chain_length(rows.z), row_chain_length(rows.w)
        );
        let last = cached + chained - 1u;
        let bounds = vec4(
            first_seen(last.x + 1u), first_seen(last.y + 1u), first_seen(last.z + 1u), first_seen(last.w + 1u)
        );
        let scale = vec4(
            row_scale(last.x + 1u), row_scale(last.y + 1u), row_scale(last.z + 1u), row_scale(last.w + 1u)
        );
        var highest = vec4(LOWEST);
        for (var j = 0u; j < TILE / KEY_COLUMNS; j++) {
            let places = places_of(tile, rows, cached, base + column + j * KEY_COLUMNS);
            let sees = (places >= bounds) & (places <= last);
            let product = scores[j] * scale;
            let score = vec4(
                finished_score(product.x, head, last.x - places.x),
                finished_score(product.y, head, last.y - places.y),
                finished_score(product.z, head, last.z - places.z),
                finished_score(product.w, head, last.w - places.w),
            );
            scores[j] = select(vec4(LOWEST), score, sees);
            highest = max(highest, scores[j]);
        }
        maxima[lane] = highest;
        workgroupBarrier();

        highest = maximum;
        for (var other = lane - column; other < lane - column + KEY_COLUMNS; other++) {
            highest = max(highest, maxima[other]);
        }
        let correction = exp(maximum - highest);
        maximum = highest;
        sum *= correction;
        for (var j = 0u; j < TILE / KEY_COLUMNS; j++) {
            let weight = select(vec4(0.0), exp(scores[j] - highest), scores[j] > vec4(LOWEST));
            weights[(first / 4u) * TILE + column + j * KEY_COLUMNS] = weight;
        }
        // Every lane is done with the keys since the last barrier: the values take their place.
        for (var i = lane; i < count * (KEY_STRIDE - 1u); i += WORKGROUP) {
            let key = i / (KEY_STRIDE - 1u);
            let unit = i % (KEY_STRIDE - 1u);
            let place = (tile_slot(tile, base + key) * KV_HEADS + group) * (KEY_STRIDE - 1u);
            blocks[key * KEY_STRIDE + unit] = value_cache[place + unit];
        }
        workgroupBarrier();

        for (var k = 0u; k < MOST_VEC8S; k++) {
            if k * KEY_COLUMNS < HEAD_VEC8S {
                low[k] = scaled(low[k], correction);
                high[k] = scaled(high[k], correction);
            }
        }
        for (var key = 0u; key < count; key++) {
            let weight = weights[(first / 4u) * TILE + key];
            sum += weight;
            for (var k = 0u; k < MOST_VEC8S; k++) {
                if k * KEY_COLUMNS < HEAD_VEC8S {
                    // A lane beyond the head's last block computes that block again.
                    let value = shared_vec8(key, min(column + k * KEY_COLUMNS, HEAD_VEC8S - 1u));
                    low[k] += mat4x4(
                        weight.x * value.low, weight.y * value.low, weight.z * value.low, weight.w * value.low
                    );
                    high[k] += mat4x4(
                        weight.x * value.high, weight.y * value.high, weight.z * value.high, weight.w * value.high
                    );
                }
            }
        }
        workgroupBarrier();
    }

    var factor = vec4(1.0);
    if HAS_SINKS {
        let highest = max(maximum, vec4(sinks[head]));
        factor = exp(maximum - highest);
        sum = sum * factor + exp(sinks[head] - highest);
    }
    factor /= sum;
    for (var k = 0u; k < MOST_VEC8S; k++) {
        let vec8 = column + k * KEY_COLUMNS;
        if vec8 < HEAD_VEC8S {
            for (var i = 0u; i < 4u && first + i < tile.rows; i++) {
                let place = rows[i] * OUTPUT_STRIDE4 + 2u * (head * HEAD_VEC8S + vec8);
                output[place] = low[k][i] * factor[i];
                output[place + 1u] = high[k][i] * factor[i];
            }
        }
    }
}

/// Each column times its factor.
fn scaled(columns: mat4x4<f32>, factors: vec4<f32>) -> mat4x4<f32> {
    return mat4x4(
        columns[0] * factors.x, columns[1] * factors.y, columns[2] * factors.z, columns[3] * factors.w
    );
}

/// Half a block of a key in workgroup memory.
fn shared_vec4(key: u32, vec4_index: u32) -> vec4<f32> {
    if KV_F16 {
        let words = blocks[key * KEY_STRIDE + vec4_index / 2u];
        let half = select(words.xy, words.zw, (vec4_index & 1u) == 1u);
        return vec4(unpack2x16float(half.x), unpack2x16float(half.y));
    }
    return bitcast<vec4<f32>>(blocks[key * KEY_STRIDE + vec4_index]);
}

/// A block of a key or value in workgroup memory.
fn shared_vec8(key: u32, vec8: u32) -> Vec8 {
    if KV_F16 {
        return vec8_of_halves(blocks[key * KEY_STRIDE + vec8]);
    }
    let at = key * KEY_STRIDE + 2u * vec8;
    return Vec8(bitcast<vec4<f32>>(blocks[at]), bitcast<vec4<f32>>(blocks[at + 1u]));
}

/// Which of a row's positions a key of the tile is, for four rows; NOWHERE for a row that has it in none.
fn places_of(tile: RowTile, rows: vec4<u32>, cached: vec4<u32>, key: u32) -> vec4<u32> {
    if key < tile.longest {
        return select(vec4(NOWHERE), vec4(key), vec4(key) < cached);
    }
    if key >= tile.keys {
        return vec4(NOWHERE);
    }
    let slot = tile_slot(tile, key);
    return vec4(
        chain_position(rows.x, slot),
        chain_position(rows.y, slot),
        chain_position(rows.z, slot),
        chain_position(rows.w, slot),
    );
}
