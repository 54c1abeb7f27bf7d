// The recurrence of a state of matrices, along each walk through the rows of the batch: what `recurrence.wgsl` and
// `recurrence_whole.wgsl` share, which say how many blocks of four a lane keeps (LANE_BLOCKS).
//
//   S ← d · S;  S ← S + k ⊗ u;  o[t][h] = Sᵀq (+ skip[h] · v)
//   u = strength · (v − Sᵀk), with the decayed S (DELTA), or strength · v
//
// What a row gives is computed in one go with what its change needs: Sᵀq of the new S is that of the decayed one plus
// (k · q) · u. A walk begins with a stored state, and goes through rows each of which is the parent of the next; rows that
// several walks share belong to the first of them. A row with a state of its own stores it.
//
// Shapes: source T × columns, rows STRIDE apart, values from FIRST_VALUE on; prepared as shaders/lib/recurrence.wgsl has it;
// skip H; states slots × H × P (VALUE_WIDTH) × 4·KEY4; output T × H·P, rows OUTPUT_STRIDE apart.
// Split: x over heads and slices of their values, y over walks. KEY_PARTS lanes keep an element's row of the state in
// registers, interleaved by blocks of four, and add up in workgroup memory: one barrier a row, none for one part.
// Twin: src/reference/recurrence.rs

override WORKGROUP: u32;
override KEY_PARTS: u32;
override PARTIAL_SUMS: u32;
override VALUE_WIDTH: u32;
override STRIDE: u32;
override FIRST_VALUE: u32;
override OUTPUT_STRIDE: u32;
override TURNS: bool;
override DELTA: bool;

@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> prepared: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> skip: array<f32>;
@group(0) @binding(4) var<storage, read_write> states: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

/// Two rows' sums by lane, so that one barrier a row is enough.
var<workgroup> sums: array<vec2<f32>, PARTIAL_SUMS>;

/// Whether a key has this block: known beforehand for all but a lane's last ones.
fn has_block(i: u32, block: u32) -> bool { return (i + 1u) * KEY_PARTS <= KEY4 || block < KEY4; }

fn number(place: u32) -> f32 { return prepared[place / 4u][place % 4u]; }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let values = WORKGROUP / KEY_PARTS;
    let slices = (VALUE_WIDTH + values - 1u) / values;
    let head = workgroup.x / slices;
    let element = workgroup.x % slices * values + lane / KEY_PARTS;
    let part = lane % KEY_PARTS;
    let is_used = element < VALUE_WIDTH;
    var group = head / (HEADS / GROUPS);
    if TURNS {
        group = head % GROUPS;
    }
    let place = (head * VALUE_WIDTH + element) * KEY4;
    let slot_blocks = HEADS * VALUE_WIDTH * KEY4;

    let walk = workgroup.y;
    let before = walk_word(walk, WALK_FROM) * slot_blocks + place;
    let rows_at = walk_word(walk, WALK_ROWS_AT);
    let rows = walk_word(walk, WALK_ROW_COUNT);
    let first_own = walk_word(walk, WALK_FIRST_OWN);
    var state: array<vec4<f32>, LANE_BLOCKS>;
    for (var i = 0u; i < LANE_BLOCKS; i++) {
        let block = i * KEY_PARTS + part;
        state[i] = vec4(0.0);
        if is_used && has_block(i, block) {
            state[i] = states[before + block];
        }
    }
    for (var step = 0u; step < rows; step++) {
        let row = walk_row(rows_at, step);
        let query = query_at(row, group);
        let key = key_at(row, group);
        let decay = number(decay_at(row, head));
        var keys: array<vec4<f32>, LANE_BLOCKS>;
        // What the decayed state gives for the key, and for the query.
        var given = vec2(0.0);
        for (var i = 0u; i < LANE_BLOCKS; i++) {
            let block = i * KEY_PARTS + part;
            keys[i] = vec4(0.0);
            state[i] *= decay;
            if has_block(i, block) {
                keys[i] = prepared[key + block];
                given += vec2(dot(state[i], keys[i]), dot(state[i], prepared[query + block]));
            }
        }
        if KEY_PARTS > 1u {
            let turn = step % 2u * WORKGROUP;
            sums[turn + lane] = given;
            workgroupBarrier();
            given = vec2(0.0);
            let first = turn + lane - part;
            for (var other = first; other < first + KEY_PARTS; other++) {
                given += sums[other];
            }
        }
        var value = 0.0;
        if is_used {
            value = source[row * STRIDE + FIRST_VALUE + head * VALUE_WIDTH + element];
        }
        let strength = number(strength_at(row, head));
        var change = strength * value;
        if DELTA {
            change = strength * (value - given.x);
        }
        for (var i = 0u; i < LANE_BLOCKS; i++) {
            state[i] += keys[i] * change;
        }
        // No lane leaves the loop's turn early: the barrier is for all.
        if step >= first_own && is_used {
            if part == 0u {
                var result = given.y + number(product_at(row, group)) * change;
                if !DELTA {
                    result += skip[head] * value;
                }
                output[row * OUTPUT_STRIDE + head * VALUE_WIDTH + element] = result;
            }
            let own = row_word(row, ROW_STATE_TO);
            if own != NOTHING {
                for (var i = 0u; i < LANE_BLOCKS; i++) {
                    let block = i * KEY_PARTS + part;
                    if has_block(i, block) {
                        states[own * slot_blocks + place + block] = state[i];
                    }
                }
            }
        }
    }
}
