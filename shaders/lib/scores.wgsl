// From query·key to the score that the softmax takes.
//
//   score = scale(t) · query·key, capped to SCORE_CAP · tanh(score / SCORE_CAP), less slope(h) · distance
//   scale(t) = SCALE · (1 + GROWTH · ln(1 + ⌊(position(t) + GROWTH_OFFSET) / GROWTH_INTERVAL⌋))
//
// A row sees the last WINDOW positions up to itself, and none before the last multiple of CHUNK. Each of these is absent
// where its constant is 0; then nothing is left of it in the compiled kernel.

override HEADS: u32;
override SCALE: f32;
override WINDOW: u32;
override CHUNK: u32;
override SCORE_CAP: f32;
override LINEAR_BIAS: f32;
override GROWTH: f32;
override GROWTH_INTERVAL: u32;
override GROWTH_OFFSET: u32;

/// What query·key is multiplied by in a row that sees so many positions, itself the last of them.
fn row_scale(positions: u32) -> f32 {
    if GROWTH != 0.0 {
        return SCALE * (1.0 + GROWTH * log(1.0 + f32((positions - 1u + GROWTH_OFFSET) / GROWTH_INTERVAL)));
    }
    return SCALE;
}

/// The first of `positions` positions that their last one sees.
fn first_seen(positions: u32) -> u32 {
    var first = 0u;
    if WINDOW > 0u && positions > WINDOW {
        first = positions - WINDOW;
    }
    // A divisor, even where nothing is divided.
    if CHUNK > 0u && positions > 0u {
        first = max(first, (positions - 1u) / max(CHUNK, 1u) * CHUNK);
    }
    return first;
}

/// How much lower the score is for each position further away (Press et al. 2022): a geometric series over as many
/// heads as the largest power of two, and every other member of the next one for the rest.
fn slope(head: u32) -> f32 {
    let power = 1u << firstLeadingBit(HEADS);
    var exponent = 8.0 * f32(head + 1u) / f32(power);
    if head >= power {
        exponent = 4.0 * f32(2u * (head - power) + 1u) / f32(power);
    }
    return LINEAR_BIAS * exp2(-exponent);
}

/// The score of head `head` for a position so far away; `product` is scale(t) · query·key.
fn finished_score(product: f32, head: u32, distance: u32) -> f32 {
    var score = product;
    if SCORE_CAP > 0.0 {
        // The argument of tanh is kept where every driver computes it.
        score = SCORE_CAP * tanh(clamp(score / SCORE_CAP, -10.0, 10.0));
    }
    if LINEAR_BIAS != 0.0 {
        score -= slope(head) * f32(distance);
    }
    return score;
}
