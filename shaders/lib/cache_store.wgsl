// Making queries, keys and values ready, and storing them in the KV cache.
// A kernel declares `query_norm` and `key_norm` (arrays of f32) in addition to the caches, and has `raw(place, kind)`, an
// element of its source. Software drivers compile whatever is written or unrolled several times as often: kernels go
// through all kinds of heads in one loop, and take two elements a turn.

override HEAD_WIDTH: u32;
override PAIRS: u32;
override TABLE: u32;
override HAS_NORMS: bool;
/// Whether queries and keys are turned before their norms, by angles that leave a head's length as it is.
override NORMS_FOLLOW: bool;
override EPSILON: f32;
/// Under the square root of the norm of values, which has no weight; 0 where they have none.
override VALUE_EPSILON: f32;

/// The largest f16: what is beyond is stored as this, since infinity would spoil every sum it enters.
const LARGEST_HALF: f32 = 65504.0;

/// The bits of the nearest f16, ties to even. Drivers may round pack2x16float towards zero; the twin rounds so.
fn half_bits(value: f32) -> u32 {
    let bits = bitcast<u32>(clamp(value, -LARGEST_HALF, LARGEST_HALF));
    let magnitude = bits & 0x7fffffffu;
    let exponent = magnitude >> 23u;
    // Another bias of the exponent, and 13 bits of the mantissa rounded away.
    let normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13u) & 1u)) >> 13u;
    // Below 2^-14 a multiple of 2^-24; below 2^-25 that is 0.
    let shift = 126u - min(exponent, 125u);
    let mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    let places = min(shift, 25u);
    let small = (mantissa + (1u << (places - 1u)) - 1u + ((mantissa >> places) & 1u)) >> places;
    return ((bits >> 16u) & 0x8000u) | select(normal, small, exponent < 113u);
}

/// Two neighbouring elements of a key or value, the `word`-th pair of a block of the cache.
fn store_pair(kind: u32, place: u32, word: u32, pair: vec2<f32>) {
    if KV_F16 {
        let halves = half_bits(pair.x) | (half_bits(pair.y) << 16u);
        if kind == KEY_HEAD {
            key_cache[place][word] = halves;
        } else {
            value_cache[place][word] = halves;
        }
        return;
    }
    let unit = 2u * place + word / 2u;
    let bits = bitcast<vec2<u32>>(pair);
    let first = 2u * (word % 2u);
    if kind == KEY_HEAD {
        key_cache[unit][first] = bits.x;
        key_cache[unit][first + 1u] = bits.y;
    } else {
        value_cache[unit][first] = bits.x;
        value_cache[unit][first + 1u] = bits.y;
    }
}

/// What a head of the source is.
const QUERY_HEAD: u32 = 0u;
const KEY_HEAD: u32 = 1u;
const VALUE_HEAD: u32 = 2u;

/// Whether a head of this kind is normalised.
fn is_normed(kind: u32) -> bool {
    if VALUE_EPSILON > 0.0 && kind == VALUE_HEAD {
        return true;
    }
    return HAS_NORMS && kind != VALUE_HEAD;
}

/// The factor that its norm puts on the head that begins at `head` of the source, if it has one.
fn head_factor(head: u32, kind: u32) -> f32 {
    if !is_normed(kind) {
        return 1.0;
    }
    // Each lane sums the whole head: less work than a barrier.
    var squares = 0.0;
    for (var i = head; i < head + HEAD_WIDTH; i++) {
        squares += raw(i, kind) * raw(i, kind);
    }
    let epsilon = select(EPSILON, VALUE_EPSILON, kind == VALUE_HEAD);
    return 1.0 / sqrt(squares / f32(HEAD_WIDTH) + epsilon);
}

/// Elements `i` and `i + 1` of the head that begins at `head` of the source, ready; 0 beyond the head.
fn ready_pair(head: u32, i: u32, factor: f32, angles: u32, kind: u32) -> vec2<f32> {
    return vec2(ready_element(head, i, factor, angles, kind), ready_element(head, i + 1u, factor, angles, kind));
}

/// An element of a head, normalised; where it is a query or a key, turned as well by the angles that begin at `angles`.
fn ready_element(head: u32, i: u32, factor: f32, angles: u32, kind: u32) -> f32 {
    if i >= HEAD_WIDTH {
        return 0.0;
    }
    let turned = turned_element(head, i, factor, angles, kind);
    if HAS_NORMS && NORMS_FOLLOW && kind != VALUE_HEAD {
        return turned * factor * norm_weight(i, kind);
    }
    return turned;
}

/// The same without the norm that follows.
fn turned_element(head: u32, i: u32, factor: f32, angles: u32, kind: u32) -> f32 {
    let x = normed_element(head, i, factor, kind);
    if i >= 2u * PAIRS || kind == VALUE_HEAD {
        return x;
    }
    // (a, b) → (a·cos − b·sin, b·cos + a·sin), as rotary.wgsl.
    let is_first = i < PAIRS;
    let pair = select(i - PAIRS, i, is_first);
    let partner = normed_element(head, select(pair, pair + PAIRS, is_first), factor, kind);
    let turn = cosine_sine(angles, pair, PAIRS);
    return x * turn.x + partner * select(turn.y, -turn.y, is_first);
}

/// An element of a head after the norm that comes before the turn, if any.
fn normed_element(head: u32, i: u32, factor: f32, kind: u32) -> f32 {
    let x = raw(head + i, kind);
    if HAS_NORMS && !NORMS_FOLLOW && kind != VALUE_HEAD {
        return x * factor * norm_weight(i, kind);
    }
    if VALUE_EPSILON > 0.0 && kind == VALUE_HEAD {
        return x * factor;
    }
    return x;
}

fn norm_weight(i: u32, kind: u32) -> f32 { return select(query_norm[i], key_norm[i], kind == KEY_HEAD); }

/// Where a row's angles begin in the pass.
fn angles_of(row: u32) -> u32 { return row_angles(row, TABLE, PAIRS); }
