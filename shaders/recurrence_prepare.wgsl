// What a recurrence multiplies by, before any state is looked at: queries and keys as they are used, their products,
// decays and strengths.
//
//   Δ = softplus(time_step[t][h]),  decay = exp(rate[h] · Δ)
//   gated delta rule (DELTA): query / (√(Σ query² + 1e-6) · √N), key / √(Σ key² + 1e-6), strength = RANGE · σ(strength[t][h])
//   Mamba 2: queries and keys as they are, Δ kept between LEAST_STEP and MOST_STEP, strength = Δ
//
// Shapes: source T × columns, rows STRIDE apart, queries from FIRST and keys from FIRST_KEY on, G heads of KEY_WIDTH each;
// time_step and strength T × H, rows STEP_STRIDE apart; rate H; prepared as shaders/lib/recurrence.wgsl has it.
// Split: one workgroup a group (x) and row (y); lanes share out the elements of a key, and the heads whose number the
// group's is modulo G.
// Twin: src/reference/recurrence.rs

override WORKGROUP: u32;
override STRIDE: u32;
override FIRST: u32;
override FIRST_KEY: u32;
override KEY_WIDTH: u32;
override STEP_STRIDE: u32;
override DELTA: bool;
override RANGE: f32;
override LEAST_STEP: f32;
override MOST_STEP: f32;
override EPSILON: f32;

const SLOTS: u32 = 1u;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> time_step: array<f32>;
@group(0) @binding(2) var<storage, read> strength: array<f32>;
@group(0) @binding(3) var<storage, read> rate: array<f32>;
@group(0) @binding(4) var<storage, read_write> prepared: array<f32>;

/// ln(1 + eˣ), accurate where it is small as well: ln(1 + y) = 2 · artanh(y / (2 + y)), by its series.
fn softplus(x: f32) -> f32 {
    let y = exp(-min(abs(x), 80.0));
    let z = y / (2.0 + y);
    let s = z * z;
    let series =
        1.0 + s * (1.0 / 3.0 + s * (0.2 + s * (1.0 / 7.0 + s * (1.0 / 9.0 + s * (1.0 / 11.0 + s / 13.0)))));
    return max(x, 0.0) + 2.0 * z * series;
}

fn run(workgroup: vec3<u32>, lane: Lane) {
    let group = workgroup.x;
    let row = workgroup.y;
    let query = row * STRIDE + FIRST + group * KEY_WIDTH;
    let key = row * STRIDE + FIRST_KEY + group * KEY_WIDTH;
    var products = vec3(0.0);
    for (var i = lane.index; i < KEY_WIDTH; i += WORKGROUP) {
        let q = source[query + i];
        let k = source[key + i];
        products += vec3(q * q, k * k, q * k);
    }
    let squares_query = workgroup_sum(products.x, lane);
    let squares_key = workgroup_sum(products.y, lane);
    let both = workgroup_sum(products.z, lane);
    var query_factor = 1.0;
    var key_factor = 1.0;
    if DELTA {
        query_factor = 1.0 / (sqrt(squares_query + EPSILON) * sqrt(f32(KEY_WIDTH)));
        key_factor = 1.0 / sqrt(squares_key + EPSILON);
    }
    let query_place = 4u * query_at(row, group);
    let key_place = 4u * key_at(row, group);
    for (var i = lane.index; i < 4u * KEY4; i += WORKGROUP) {
        var q = 0.0;
        var k = 0.0;
        if i < KEY_WIDTH {
            q = source[query + i] * query_factor;
            k = source[key + i] * key_factor;
        }
        prepared[query_place + i] = q;
        prepared[key_place + i] = k;
    }
    if lane.index == 0u {
        prepared[product_at(row, group)] = both * query_factor * key_factor;
    }
    for (var head = group + GROUPS * lane.index; head < HEADS; head += GROUPS * WORKGROUP) {
        var step = softplus(time_step[row * STEP_STRIDE + head]);
        var of_head = 0.0;
        if DELTA {
            of_head = RANGE / (1.0 + exp(clamp(-strength[row * STEP_STRIDE + head], -80.0, 80.0)));
        } else {
            step = clamp(step, LEAST_STEP, MOST_STEP);
            of_head = step;
        }
        prepared[decay_at(row, head)] = exp(rate[head] * step);
        prepared[strength_at(row, head)] = of_head;
    }
}
