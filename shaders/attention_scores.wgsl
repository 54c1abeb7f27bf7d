// The scores of one row's query heads before the softmax, for a look at them. What computes with them is
// attention_step.wgsl and its neighbours.
//
//   scores[h][s] = score(query[h] · key[s][g]),   g = h · G / H
//
// s runs over the positions that row 0 of the pass sees; those before the window are left alone. Scores are as
// lib/scores.wgsl makes them.
// Shapes: source T × columns, rows STRIDE apart, ready queries from FIRST on; the cache slots × G × D, D in HEAD_VEC8S
// blocks of eight; scores H × positions.
// Split: one workgroup a head (x); lanes share out the positions. No barrier.
// Twin: src/reference/attention.rs

override WORKGROUP: u32;
override FIRST: u32;
override HEAD_WIDTH: u32;

@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> key_cache: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = workgroup.x;
    let group = head / (HEADS / KV_HEADS);
    let range = key_range(0u);
    let scale = row_scale(range.positions);
    let query = FIRST + head * HEAD_WIDTH;
    for (var position = first_seen(range.positions) + lane; position < range.positions; position += WORKGROUP) {
        let place = head_place(slot_of(range, position), group);
        var product = 0.0;
        for (var block = 0u; block < HEAD_VEC8S; block++) {
            let key = key_vec8(place + block);
            for (var i = 0u; i < 4u; i++) {
                let element = 8u * block + i;
                if element < HEAD_WIDTH {
                    product += source[query + element] * key.low[i];
                }
                if element + 4u < HEAD_WIDTH {
                    product += source[query + element + 4u] * key.high[i];
                }
            }
        }
        let distance = range.positions - 1u - position;
        scores[head * range.positions + position] = finished_score(product * scale, head, distance);
    }
}

fn key_vec8(place: u32) -> Vec8 {
    if KV_F16 {
        return vec8_of_halves(key_cache[place]);
    }
    return Vec8(bitcast<vec4<f32>>(key_cache[2u * place]), bitcast<vec4<f32>>(key_cache[2u * place + 1u]));
}
