// Softmax attention of many rows: for prompts, where neighbouring rows see nearly the same positions, so that a
// tile of rows shares each tile of keys and values in workgroup memory (flash attention, Dao et al. 2022).
//
//   output[t][h] = Σ_s softmax_s(score(query[t][h] · key[s][g])) · value[s][g],   g = h · G / H
//
// A tile of rows is up to 32 rows of one sequence (src/gpu/pass/words.rs lists them). Its keys are the positions that
// its longest row sees through the page table, then the slots of all its rows' chains; a row takes those that it
// sees itself. Scores are as lib/scores.wgsl makes them; where HAS_SINKS, sinks[h] is one more that has no value. Tiles of keys before every row's window are skipped.
// Shapes: query T × H·D in blocks of four, rows STRIDE4 apart from FIRST4 on; output T × H·D, rows OUTPUT_STRIDE4
// apart; the caches slots × G × D, D in OCTETS blocks of eight, a multiple of eight elements.
// Split: x over heads, y over tiles of rows. Lanes form 8 groups of KEY_COLUMNS lanes; a group takes four rows, and a
// lane of it every KEY_COLUMNS-th key of the TILE for the scores, every KEY_COLUMNS-th block of the head for the values.
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
const MOST_OCTETS: u32 = 4u;

var<workgroup> blocks: array<vec4<u32>, TILE_BLOCKS>;
var<workgroup> weights: array<vec4<f32>, WEIGHTS>;
var<workgroup> maxima: array<vec4<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = workgroup.x;
    let group = head / (HEADS / GROUPS);
    let tile = row_tile(workgroup.y);
    let column = lane % KEY_COLUMNS;
    let first = 4u * (lane / KEY_COLUMNS);
    // Rows beyond the tile's last are that row again, and not stored.
    let indices = min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(tile.rows - 1u)) + tile.rows_at;
    let rows = vec4(pass_data[indices.x], pass_data[indices.y], pass_data[indices.z], pass_data[indices.w]);
    let cached = vec4(
        pass_data[row_record(rows.x) + 3u],
        pass_data[row_record(rows.y) + 3u],
        pass_data[row_record(rows.z) + 3u],
        pass_data[row_record(rows.w) + 3u],
    );
    let query_at = rows * STRIDE4 + FIRST4 + 2u * head * OCTETS;

    let last = cached + vec4(
        pass_data[row_record(rows.x) + 6u],
        pass_data[row_record(rows.y) + 6u],
        pass_data[row_record(rows.z) + 6u],
        pass_data[row_record(rows.w) + 6u],
    ) - 1u;
    let bounds = vec4(
        first_seen(last.x + 1u), first_seen(last.y + 1u), first_seen(last.z + 1u), first_seen(last.w + 1u)
    );

    var maximum = vec4(LOWEST);
    var sum = vec4(0.0);
    var low = array<mat4x4<f32>, MOST_OCTETS>();
    var high = array<mat4x4<f32>, MOST_OCTETS>();
    for (var base = first_key(tile, TILE); base < tile.keys; base += TILE) {
        let count = min(TILE, tile.keys - base);
        for (var i = lane; i < count * (KEY_STRIDE - 1u); i += WORKGROUP) {
            let key = i / (KEY_STRIDE - 1u);
            let unit = i % (KEY_STRIDE - 1u);
            let place = (tile_slot(tile, base + key) * GROUPS + group) * (KEY_STRIDE - 1u);
            blocks[key * KEY_STRIDE + unit] = key_cache[place + unit];
        }
        workgroupBarrier();

        var scores = array<vec4<f32>, MOST_KEYS>();
        for (var octet = 0u; octet < OCTETS; octet++) {
            let at = query_at + 2u * octet;
            let low0 = query[at.x];
            let low1 = query[at.y];
            let low2 = query[at.z];
            let low3 = query[at.w];
            let high0 = query[at.x + 1u];
            let high1 = query[at.y + 1u];
            let high2 = query[at.z + 1u];
            let high3 = query[at.w + 1u];
            for (var j = 0u; j < TILE / KEY_COLUMNS; j++) {
                let key = shared_octet(column + j * KEY_COLUMNS, octet);
                scores[j] += vec4(
                    dot(low0, key.low) + dot(high0, key.high),
                    dot(low1, key.low) + dot(high1, key.high),
                    dot(low2, key.low) + dot(high2, key.high),
                    dot(low3, key.low) + dot(high3, key.high),
                );
            }
        }
        var highest = vec4(LOWEST);
        for (var j = 0u; j < TILE / KEY_COLUMNS; j++) {
            let places = places_of(tile, rows, cached, base + column + j * KEY_COLUMNS);
            let sees = (places >= bounds) & (places <= last);
            let product = scores[j] * SCALE;
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
            let place = (tile_slot(tile, base + key) * GROUPS + group) * (KEY_STRIDE - 1u);
            blocks[key * KEY_STRIDE + unit] = value_cache[place + unit];
        }
        workgroupBarrier();

        for (var k = 0u; k < MOST_OCTETS; k++) {
            if k * KEY_COLUMNS < OCTETS {
                low[k] = scaled(low[k], correction);
                high[k] = scaled(high[k], correction);
            }
        }
        for (var key = 0u; key < count; key++) {
            let weight = weights[(first / 4u) * TILE + key];
            sum += weight;
            for (var k = 0u; k < MOST_OCTETS; k++) {
                if k * KEY_COLUMNS < OCTETS {
                    // A lane beyond the head's last block computes that block again.
                    let value = shared_octet(key, min(column + k * KEY_COLUMNS, OCTETS - 1u));
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
    for (var k = 0u; k < MOST_OCTETS; k++) {
        let octet = column + k * KEY_COLUMNS;
        if octet < OCTETS {
            for (var i = 0u; i < 4u && first + i < tile.rows; i++) {
                let place = rows[i] * OUTPUT_STRIDE4 + 2u * (head * OCTETS + octet);
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

/// A block of a key or value in workgroup memory.
fn shared_octet(key: u32, octet: u32) -> Octet {
    if HALVES {
        return octet_of_halves(blocks[key * KEY_STRIDE + octet]);
    }
    let at = key * KEY_STRIDE + 2u * octet;
    return Octet(bitcast<vec4<f32>>(blocks[at]), bitcast<vec4<f32>>(blocks[at + 1u]));
}

/// Which of a row's positions a key of the tile is, for four rows; NOWHERE for a row that has it in none.
fn places_of(tile: RowTile, rows: vec4<u32>, cached: vec4<u32>, key: u32) -> vec4<u32> {
    if key < tile.longest {
        return select(vec4(NOWHERE), vec4(key), vec4(key) < cached);
    }
    if key >= tile.keys {
        return vec4(NOWHERE);
    }
    let slot = pass_data[tile.extras_at + key - tile.longest];
    return vec4(
        place_in_chain(rows.x, slot),
        place_in_chain(rows.y, slot),
        place_in_chain(rows.z, slot),
        place_in_chain(rows.w, slot),
    );
}
