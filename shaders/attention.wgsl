// Softmax attention of one row's query head over the positions that the row sees.
//
//   output[t][h] = Σ_s softmax_s(scale · query[t][h] · key[s][g]) · value[s][g],   g = h · G / H
//
// s runs over the row's cached positions through its page table, then over its chain: the rows of this batch
// that lead to it, itself last. Rows that simply extend their sequence find themselves in the page table and
// have no chain.
// Shapes: query T × H·D from column FIRST of rows STRIDE apart, output T × H·D; the caches slots × G × D with D padded with zeros to
// HEAD_BLOCKS blocks of four; TILE positions at a time.
// Split: one workgroup for each head (x) and row (y). Over a tile, lanes share out the positions, then the
// blocks of the head; maximum and sum follow from tile to tile (online softmax, Milakov and Gimelshein 2018).
// Twin: src/reference/attention.rs

override WORKGROUP: u32;
override TILE: u32;
override HEADS: u32;
override GROUPS: u32;
override HEAD_WIDTH: u32;
override HEAD_BLOCKS: u32;
override STRIDE: u32;
override FIRST: u32;
override OUTPUT_STRIDE: u32;
override SCALE: f32;
override PAGE_POSITIONS: u32;

@group(0) @binding(1) var<storage, read> query: array<f32>;
@group(0) @binding(2) var<storage, read> key_cache: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> value_cache: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

// Below every score, and finite: WGSL does not promise how it treats infinities.
const LOWEST: f32 = -1e30;

var<workgroup> head_query: array<vec4<f32>, HEAD_BLOCKS>;
var<workgroup> mixed: array<vec4<f32>, HEAD_BLOCKS>;
var<workgroup> scores: array<f32, TILE>;
var<workgroup> places: array<u32, TILE>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = workgroup.x;
    let row = workgroup.y;
    let group = head / (HEADS / GROUPS);
    let record = row_record(row);
    let cached = pass_data[record + 3u];
    let pages_at = pass_data[record + 4u];
    let chain_at = pass_data[record + 5u];
    let positions = cached + pass_data[record + 6u];
    let head_at = row * STRIDE + FIRST + head * HEAD_WIDTH;
    let output_at = row * OUTPUT_STRIDE + head * HEAD_WIDTH;

    for (var block = lane; block < HEAD_BLOCKS; block += WORKGROUP) {
        var value = vec4(0.0);
        for (var i = 0u; i < 4u && 4u * block + i < HEAD_WIDTH; i++) {
            value[i] = query[head_at + 4u * block + i];
        }
        head_query[block] = value * SCALE;
        mixed[block] = vec4(0.0);
    }
    workgroupBarrier();

    var maximum = LOWEST;
    var sum = 0.0;
    for (var start = 0u; start < positions; start += TILE) {
        // Loops run from `start` on rather than from 0: a compiler that saw their bound would unroll them, and
        // software drivers spend seconds on the result.
        let end = min(start + TILE, positions);
        for (var position = start + lane; position < end; position += WORKGROUP) {
            var slot = 0u;
            if position < cached {
                let page = pass_data[pages_at + position / PAGE_POSITIONS];
                slot = page * PAGE_POSITIONS + position % PAGE_POSITIONS;
            } else {
                slot = pass_data[chain_at + position - cached];
            }
            let place = (slot * GROUPS + group) * HEAD_BLOCKS;
            var score = 0.0;
            for (var block = 0u; block < HEAD_BLOCKS; block++) {
                score += dot(head_query[block], key_cache[place + block]);
            }
            scores[position - start] = score;
            places[position - start] = place;
        }
        workgroupBarrier();

        var tile_maximum = maximum;
        for (var position = start; position < end; position++) {
            tile_maximum = max(tile_maximum, scores[position - start]);
        }
        workgroupBarrier();
        for (var position = start + lane; position < end; position += WORKGROUP) {
            scores[position - start] = exp(scores[position - start] - tile_maximum);
        }
        workgroupBarrier();

        let correction = exp(maximum - tile_maximum);
        maximum = tile_maximum;
        sum *= correction;
        for (var position = start; position < end; position++) {
            sum += scores[position - start];
        }
        for (var block = lane; block < HEAD_BLOCKS; block += WORKGROUP) {
            var value = mixed[block] * correction;
            for (var position = start; position < end; position++) {
                value += scores[position - start] * value_cache[places[position - start] + block];
            }
            mixed[block] = value;
        }
        workgroupBarrier();
    }

    for (var block = lane; block < HEAD_BLOCKS; block += WORKGROUP) {
        let value = mixed[block] / sum;
        for (var i = 0u; i < 4u && 4u * block + i < HEAD_WIDTH; i++) {
            output[output_at + 4u * block + i] = value[i];
        }
    }
}
