// From query·key to the score that the softmax takes.
//
//   score = scale · query·key, capped to SCORE_CAP · tanh(score / SCORE_CAP), less slope(h) · distance
//
// A row sees the last WINDOW positions up to itself. Each of these is absent where its constant is 0; then nothing
// is left of it in the compiled kernel.

override HEADS: u32;
override SCALE: f32;
override WINDOW: u32;
override SCORE_CAP: f32;
override LINEAR_BIAS: f32;

/// The first of `positions` positions that their last one sees.
fn window_start(positions: u32) -> u32 {
    if WINDOW > 0u && positions > WINDOW {
        return positions - WINDOW;
    }
    return 0u;
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

/// The score of head `head` for a position so far away; `product` is SCALE · query·key.
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
