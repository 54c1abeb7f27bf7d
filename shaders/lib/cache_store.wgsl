// Making queries, keys and values ready, and storing them in the KV cache.
// A kernel declares `source`, `query_norm` and `key_norm` (arrays of f32) beside the caches.

override HEAD_WIDTH: u32;
override PAIRS: u32;
override TABLE: u32;
override HAS_NORMS: bool;
override EPSILON: f32;

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

fn halves_of_octet(octet: Octet) -> vec4<u32> {
    return vec4(
        half_bits(octet.low.x) | (half_bits(octet.low.y) << 16u),
        half_bits(octet.low.z) | (half_bits(octet.low.w) << 16u),
        half_bits(octet.high.x) | (half_bits(octet.high.y) << 16u),
        half_bits(octet.high.z) | (half_bits(octet.high.w) << 16u),
    );
}

fn store_key(place: u32, octet: Octet) {
    if HALVES {
        key_cache[place] = halves_of_octet(octet);
    } else {
        key_cache[2u * place] = bitcast<vec4<u32>>(octet.low);
        key_cache[2u * place + 1u] = bitcast<vec4<u32>>(octet.high);
    }
}

fn store_value(place: u32, octet: Octet) {
    if HALVES {
        value_cache[place] = halves_of_octet(octet);
    } else {
        value_cache[2u * place] = bitcast<vec4<u32>>(octet.low);
        value_cache[2u * place + 1u] = bitcast<vec4<u32>>(octet.high);
    }
}

/// Which kind of head is made ready.
const QUERY_HEAD: u32 = 0u;
const KEY_HEAD: u32 = 1u;

/// Block `octet` of the head that begins at `head` of the source: normalised, then turned by the row's angles.
fn ready_octet(head: u32, octet: u32, row: u32, kind: u32) -> Octet {
    var inverse = 1.0;
    if HAS_NORMS {
        // Each lane sums the whole head: less work than a barrier.
        var squares = 0.0;
        for (var i = head; i < head + HEAD_WIDTH; i++) {
            squares += source[i] * source[i];
        }
        inverse = 1.0 / sqrt(squares / f32(HEAD_WIDTH) + EPSILON);
    }
    let angles = pass_data[8u + TABLE] + row * 2u * PAIRS;
    let first = 8u * octet;
    var low = vec4(0.0);
    var high = vec4(0.0);
    for (var i = 0u; i < 4u; i++) {
        low[i] = ready_element(head, first + i, inverse, angles, kind);
        high[i] = ready_element(head, first + 4u + i, inverse, angles, kind);
    }
    return Octet(low, high);
}

fn ready_element(head: u32, i: u32, inverse: f32, angles: u32, kind: u32) -> f32 {
    if i >= HEAD_WIDTH {
        return 0.0;
    }
    let x = normed_element(head, i, inverse, kind);
    if i >= 2u * PAIRS {
        return x;
    }
    // (a, b) → (a·cos − b·sin, b·cos + a·sin), as rotary.wgsl.
    let is_first = i < PAIRS;
    let pair = select(i - PAIRS, i, is_first);
    let partner = normed_element(head, select(pair, pair + PAIRS, is_first), inverse, kind);
    let cosine = bitcast<f32>(pass_data[angles + pair]);
    let sine = bitcast<f32>(pass_data[angles + PAIRS + pair]);
    return x * cosine + partner * select(sine, -sine, is_first);
}

fn normed_element(head: u32, i: u32, inverse: f32, kind: u32) -> f32 {
    let x = source[head + i];
    if HAS_NORMS {
        return x * inverse * select(query_norm[i], key_norm[i], kind == KEY_HEAD);
    }
    return x;
}
