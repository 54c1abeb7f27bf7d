// Softmax attention of many rows by an adapter's matrix units (flash attention, Dao et al. 2022): for GPUs that list squares of
// a kind in shaders/matrices/, and caches in f16.
//
// Maths, tiles of rows and bindings: shaders/attention_tiles.wgsl. Heads are whole pairs of squares wide.
// Nothing is rounded more than in f32. Cached keys and values are f16 as they are. Queries and weights are each the sum of two
// f16 (HALVES), which takes two multiplications; powers of two before keep the second of them from being too small for f16, and are
// taken back from what comes out.
// What is mixed stays in registers, multiplied by a row's factor only where its largest score has grown by more than SLACK: weights are
// e^(score − reference), whatever the reference.
// Split: x over heads, y over tiles of rows. Four subgroups compute a quarter each of 32 rows by TILE keys, and then of 32 rows by
// the head's width; where subgroups are smaller than the adapter's largest, more of them do the same once more. Lanes share a
// row's scores, WORKGROUP / 32 to a row. A tile of keys or values is loaded while the one before is multiplied. Values lie
// turned in workgroup memory, element by element, so that units load both factors in whole runs.
// A line with $i, $o, $b or $v stands once for each square down a quarter, each across the output's, each block of eight of keys
// and each four of those of values that a lane copies (src/gpu/kernels/repeat.rs).
// Twin: src/reference/attention.rs

override WORKGROUP: u32;
override STRIDE4: u32;
override FIRST4: u32;
override OUTPUT_STRIDE4: u32;
override HAS_SINKS: bool;
// Elements of tiles that queries, keys or values, and weights take:
// (32 · HALVES · head_stride() + max(TILE · head_stride(), 8 · HEAD_VEC8S · KEY_STRIDE) + 32 · HALVES · KEY_STRIDE) · ELEMENTS.
override TILE_ROOM: u32;

@group(0) @binding(1) var<storage, read> query: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> key_cache: array<CachedVec8>;
@group(0) @binding(3) var<storage, read> value_cache: array<CachedVec8>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> sinks: array<f32>;

// Below every score, and finite: WGSL does not promise how it treats infinities.
const LOWEST: f32 = -1e30;
// How far a score may be above its row's reference.
const SLACK: f32 = 4.0;
// What weights are multiplied by: e^SLACK of it is no larger than f16 holds.
const WEIGHT_SCALE: f32 = 256.0;

const SUBGROUPS: u32 = 4u;
const ROWS: u32 = 32u;
// Keys of a tile.
const TILE: u32 = 2u * SIDE;
const SIDE_BLOCKS: u32 = SIDE / 4u;
// From one row of what has a column for each key to the next, in blocks of four: weights and turned values.
const KEY_STRIDE: u32 = TILE / 4u + PADDING;
// A row of scores, in blocks of four, and one more against conflicts of banks.
const SCORE_STRIDE: u32 = TILE / 4u + 1u;
const SUM_ROOM: u32 = ROWS * SCORE_STRIDE;

// A number of each lane, a factor of each row, and whether one of them is below 1.
var<workgroup> numbers: array<f32, WORKGROUP>;
var<workgroup> factors: array<f32, ROWS>;
var<workgroup> shrinks: atomic<u32>;

/// From one row of queries or keys to the next, in blocks of four; where keys or values lie, and the weights.
fn head_stride() -> u32 { return 2u * HEAD_VEC8S + PADDING; }
fn cached_at() -> u32 { return ROWS * HALVES * head_stride(); }
fn weights_at() -> u32 { return cached_at() + max(TILE * head_stride(), 8u * HEAD_VEC8S * KEY_STRIDE); }
/// Squares across a quarter of the output.
fn squares_across() -> u32 { return HEAD_VEC8S * 4u / SIDE; }

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let head = workgroup.x;
    let group = head / (HEADS / KV_HEADS);
    let tile = row_tile(workgroup.y);
    // The lane's row of the tile, and its place among those of that row. Rows beyond the tile's last are that row again.
    let row_lanes = WORKGROUP / ROWS;
    let index = lane / row_lanes;
    let column = lane % row_lanes;
    let row = tile_row(tile, min(index, tile.rows - 1u));
    let cached = row_cached(row);
    let last = cached + row_chain_length(row) - 1u;
    let bound = first_seen(last + 1u);
    // The quarter: its first row, and its half of what lies across.
    let quarter = subgroup % SUBGROUPS;
    let down = quarter / 2u * (ROWS / 2u);
    let across = quarter % 2u;
    let scores_at = down * SCORE_STRIDE + across * SIDE_BLOCKS;

    var key_$b = cached_key(tile, first_key(tile, TILE), group, $bu, lane);
    let query_at = row * STRIDE4 + FIRST4 + 2u * head * HEAD_VEC8S;
    var largest = 0.0;
    for (var block = column; block < 2u * HEAD_VEC8S; block += row_lanes) {
        let four = abs(query[query_at + block]);
        largest = max(largest, max(max(four.x, four.y), max(four.z, four.w)));
    }
    numbers[lane] = largest;
    workgroupBarrier();
    for (var other = lane - column; other < lane - column + row_lanes; other++) {
        largest = max(largest, numbers[other]);
    }
    // The power of two by which a row's largest query is between 2¹² and 2¹³.
    let exponent = clamp(bitcast<u32>(largest) >> 23u, 40u, 227u);
    let scaling = bitcast<f32>((266u - exponent) << 23u);
    let scale = row_scale(last + 1u) * bitcast<f32>((exponent - 12u) << 23u);
    for (var block = column; block < 2u * HEAD_VEC8S; block += row_lanes) {
        put_halves(index * head_stride() + block, ROWS * head_stride(), scaling * query[query_at + block]);
    }

    // No constant: compilers would write out the loops that begin there, for minutes.
    let none = pass_data[PASS_ROWS] >> 31u;
    var reference = LOWEST;
    var sum = vec4<f32>();
    var mixed_$i_$o = Sums();
    for (var base = first_key(tile, TILE); base < tile.keys; base += TILE) {
        put_key(key_$b, $bu, lane);
        if lane == 0u {
            atomicStore(&shrinks, 0u);
        }
        workgroupBarrier();

        let values_$v = cached_values(tile, base, group, $vu, lane);
        var scores_$i = Sums();
        for (var block = none; block < 2u * HEAD_VEC8S; block += SIDE_BLOCKS) {
            let keys = right_columns(cached_at() + across * SIDE * head_stride() + block, head_stride());
            let queries_$i = left_rows((down + $iu * SIDE) * head_stride() + block, head_stride());
            let rest_$i = left_rows(((HALVES - 1u) * ROWS + down + $iu * SIDE) * head_stride() + block, head_stride());
            scores_$i = coopMultiplyAdd(queries_$i, keys, scores_$i);
            if HALVES > 1u { scores_$i = coopMultiplyAdd(rest_$i, keys, scores_$i); }
        }
        keep_sums(scores_$i, scores_at + $iu * SIDE * SCORE_STRIDE, SCORE_STRIDE);
        workgroupBarrier();

        // Every lane is done with the keys: the values take their place.
        put_values(values_$v, $vu, lane);
        var highest = LOWEST;
        for (var block = column; block < TILE / 4u; block += row_lanes) {
            let key = base + 4u * block;
            let places = vec4(
                place_of(tile, row, cached, key),
                place_of(tile, row, cached, key + 1u),
                place_of(tile, row, cached, key + 2u),
                place_of(tile, row, cached, key + 3u),
            );
            let product = scale * four_sums(index * SCORE_STRIDE + block);
            let score = vec4(
                finished_score(product.x, head, last - places.x),
                finished_score(product.y, head, last - places.y),
                finished_score(product.z, head, last - places.z),
                finished_score(product.w, head, last - places.w),
            );
            let sees = (places >= vec4(bound)) & (places <= vec4(last));
            let seen = select(vec4(LOWEST), score, sees);
            put_sums(index * SCORE_STRIDE + block, seen);
            highest = max(highest, max(max(seen.x, seen.y), max(seen.z, seen.w)));
        }
        numbers[lane] = highest;
        workgroupBarrier();

        for (var other = lane - column; other < lane - column + row_lanes; other++) {
            highest = max(highest, numbers[other]);
        }
        var factor = 1.0;
        if highest > reference + SLACK {
            factor = exp(reference - highest);
            // Of a row that saw nothing yet, nothing is mixed.
            if reference > LOWEST {
                atomicStore(&shrinks, 1u);
            }
            reference = highest;
            sum *= factor;
        }
        if column == 0u {
            factors[index] = factor;
        }
        for (var block = column; block < TILE / 4u; block += row_lanes) {
            let score = four_sums(index * SCORE_STRIDE + block);
            let weights = select(vec4(0.0), WEIGHT_SCALE * exp(score - reference), score > vec4(LOWEST));
            sum += weights;
            put_halves(weights_at() + index * KEY_STRIDE + block, ROWS * KEY_STRIDE, weights);
        }
        if workgroupUniformLoad(&shrinks) > 0u {
            for (var square = none; square < squares_across(); square++) {
                if ($ou < squares_across()) & (square == $ou) { keep_sums(mixed_$i_$o, scores_at + $iu * SIDE * SCORE_STRIDE, SCORE_STRIDE); }
                workgroupBarrier();
                for (var i = lane; i < ROWS * 2u * SIDE_BLOCKS; i += WORKGROUP) {
                    let place = i / (2u * SIDE_BLOCKS) * SCORE_STRIDE + i % (2u * SIDE_BLOCKS);
                    put_sums(place, factors[i / (2u * SIDE_BLOCKS)] * four_sums(place));
                }
                workgroupBarrier();
                if ($ou < squares_across()) & (square == $ou) { mixed_$i_$o = kept_sums(scores_at + $iu * SIDE * SCORE_STRIDE, SCORE_STRIDE); }
                workgroupBarrier();
            }
        }

        key_$b = cached_key(tile, base + TILE, group, $bu, lane);
        for (var key = none; key < TILE / 4u; key += SIDE_BLOCKS) {
            let weights_$i = left_rows(weights_at() + (down + $iu * SIDE) * KEY_STRIDE + key, KEY_STRIDE);
            let rest_$i = left_rows(weights_at() + ((HALVES - 1u) * ROWS + down + $iu * SIDE) * KEY_STRIDE + key, KEY_STRIDE);
            let turned_$o = right_columns(turned_at(across, $ou) + key, KEY_STRIDE);
            if $ou < squares_across() { mixed_$i_$o = coopMultiplyAdd(weights_$i, turned_$o, mixed_$i_$o); }
            if ($ou < squares_across()) & (HALVES > 1u) { mixed_$i_$o = coopMultiplyAdd(rest_$i, turned_$o, mixed_$i_$o); }
        }
        workgroupBarrier();
    }

    numbers[lane] = sum.x + sum.y + sum.z + sum.w;
    workgroupBarrier();
    var total = 0.0;
    for (var other = lane - column; other < lane - column + row_lanes; other++) {
        total += numbers[other];
    }
    var factor = 1.0;
    if HAS_SINKS {
        let highest = max(reference, sinks[head]);
        factor = exp(reference - highest);
        total = total * factor + WEIGHT_SCALE * exp(sinks[head] - highest);
    }
    if column == 0u {
        factors[index] = factor / total;
    }
    for (var square = none; square < squares_across(); square++) {
        if ($ou < squares_across()) & (square == $ou) { keep_sums(mixed_$i_$o, scores_at + $iu * SIDE * SCORE_STRIDE, SCORE_STRIDE); }
        workgroupBarrier();
        for (var i = lane; i < tile.rows * 2u * SIDE_BLOCKS; i += WORKGROUP) {
            let tile_index = i / (2u * SIDE_BLOCKS);
            let block = i % (2u * SIDE_BLOCKS);
            let half = block / SIDE_BLOCKS * HEAD_VEC8S;
            let place = tile_row(tile, tile_index) * OUTPUT_STRIDE4 + 2u * head * HEAD_VEC8S + half;
            output[place + square * SIDE_BLOCKS + block % SIDE_BLOCKS] =
                factors[tile_index] * four_sums(tile_index * SCORE_STRIDE + block);
        }
        workgroupBarrier();
    }
}

/// Puts a block of four numbers of f32 where tiles have those, as so many of the units' as make it up.
fn put_halves(place: u32, stride: u32, block: vec4<f32>) {
    if HALVES == 1u {
        put(place, narrowed(block));
        return;
    }
    // The leading bits, by a mask: what a conversion to f16 and back leaves, compilers take for the number itself.
    let leading = bitcast<vec4<f32>>(bitcast<vec4<u32>>(block) & vec4(0xffffe000u));
    put(place, narrowed(leading));
    put(place + stride, narrowed(block - leading));
}

/// Where the elements of values begin of the square that is so far across a half of the head. Beyond the head's last it is that
/// one again, for nothing.
fn turned_at(half: u32, square: u32) -> u32 {
    return cached_at() + (4u * half * HEAD_VEC8S + min(square, squares_across() - 1u) * SIDE) * KEY_STRIDE;
}

/// A lane's block of eight of the keys from `base` on, by its index. Those beyond the tile's are zero, and so are values: weights
/// that are zero make nothing of them.
fn cached_key(tile: RowTile, base: u32, group: u32, index: u32, lane: u32) -> CachedVec8 {
    let item = index * WORKGROUP + lane;
    let key = base + item / HEAD_VEC8S;
    if item >= TILE * HEAD_VEC8S || key >= tile.keys {
        return CachedVec8();
    }
    return key_cache[head_place(tile_slot(tile, key), group) + item % HEAD_VEC8S];
}

fn put_key(key: CachedVec8, index: u32, lane: u32) {
    let item = index * WORKGROUP + lane;
    if item < TILE * HEAD_VEC8S {
        let place = cached_at() + item / HEAD_VEC8S * head_stride() + 2u * (item % HEAD_VEC8S);
        put(place, cached_first(key));
        put(place + 1u, cached_second(key));
    }
}

/// The same block of eight of the values of four keys.
struct FourValues {
    a: CachedVec8,
    b: CachedVec8,
    c: CachedVec8,
    d: CachedVec8,
}

/// A lane's fours of the values from `base` on, by their index: neighbouring lanes have neighbouring keys.
fn cached_values(tile: RowTile, base: u32, group: u32, index: u32, lane: u32) -> FourValues {
    let item = index * WORKGROUP + lane;
    if item >= TILE / 4u * HEAD_VEC8S {
        return FourValues();
    }
    let key = base + 4u * (item % (TILE / 4u));
    let vec8 = item / (TILE / 4u);
    return FourValues(
        cached_value(tile, key, group, vec8),
        cached_value(tile, key + 1u, group, vec8),
        cached_value(tile, key + 2u, group, vec8),
        cached_value(tile, key + 3u, group, vec8),
    );
}

fn cached_value(tile: RowTile, key: u32, group: u32, vec8: u32) -> CachedVec8 {
    if key >= tile.keys {
        return CachedVec8();
    }
    return value_cache[head_place(tile_slot(tile, key), group) + vec8];
}

fn put_values(values: FourValues, index: u32, lane: u32) {
    let item = index * WORKGROUP + lane;
    if item < TILE / 4u * HEAD_VEC8S {
        let place = cached_at() + 8u * (item / (TILE / 4u)) * KEY_STRIDE + item % (TILE / 4u);
        let first = array(cached_first(values.a), cached_first(values.b), cached_first(values.c), cached_first(values.d));
        let second =
            array(cached_second(values.a), cached_second(values.b), cached_second(values.c), cached_second(values.d));
        put(place, vec4(first[0].x, first[1].x, first[2].x, first[3].x));
        put(place + KEY_STRIDE, vec4(first[0].y, first[1].y, first[2].y, first[3].y));
        put(place + 2u * KEY_STRIDE, vec4(first[0].z, first[1].z, first[2].z, first[3].z));
        put(place + 3u * KEY_STRIDE, vec4(first[0].w, first[1].w, first[2].w, first[3].w));
        put(place + 4u * KEY_STRIDE, vec4(second[0].x, second[1].x, second[2].x, second[3].x));
        put(place + 5u * KEY_STRIDE, vec4(second[0].y, second[1].y, second[2].y, second[3].y));
        put(place + 6u * KEY_STRIDE, vec4(second[0].z, second[1].z, second[2].z, second[3].z));
        put(place + 7u * KEY_STRIDE, vec4(second[0].w, second[1].w, second[2].w, second[3].w));
    }
}

/// Which of a row's positions a key of the tile is; NOWHERE if it has it in none.
fn place_of(tile: RowTile, row: u32, cached: u32, key: u32) -> u32 {
    if key < tile.longest {
        return select(NOWHERE, key, key < cached);
    }
    if key >= tile.keys {
        return NOWHERE;
    }
    return chain_position(row, tile_slot(tile, key));
}
