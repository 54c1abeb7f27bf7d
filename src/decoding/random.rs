//! Random numbers as a pure function of (seed, step), so that any step replays alone.

/// A uniform number 0 ≤ u < 1 for a step: the upper 53 bits of the first two Philox words, with the seed as
/// key and the step as counter.
pub fn uniform(seed: u64, step: u64) -> f64 {
    uniform_of(seed, step, [0, 0])
}

/// A uniform number 0 ≤ u < 1 of a step that needs many: one for each pair of words, the first of which is not 0.
pub fn uniform_of(seed: u64, step: u64, words: [u32; 2]) -> f64 {
    let [low, high, ..] = halves(step);
    let [first, second, ..] = philox4x32_10([low, high, words[0], words[1]], halves_of_key(seed));
    let bits = (u64::from(first) << 32 | u64::from(second)) >> 11;
    bits as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Philox4x32 with ten rounds: a block cipher of counters, from Salmon, Moraes, Dror and Shaw, "Parallel
/// random numbers: as easy as 1, 2, 3" (2011), section 3.3; the constants are those of Random123.
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    let ([mut a, mut b, mut c, mut d], [mut left, mut right]) = (counter, key);
    for _ in 0..10 {
        let (first, second) = (MULTIPLIERS[0] * u64::from(a), MULTIPLIERS[1] * u64::from(c));
        let high = |product: u64| (product >> 32) as u32;
        [a, b, c, d] = [high(second) ^ b ^ left, second as u32, high(first) ^ d ^ right, first as u32];
        left = left.wrapping_add(KEY_STEPS[0]);
        right = right.wrapping_add(KEY_STEPS[1]);
    }
    [a, b, c, d]
}

fn halves_of_key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

fn halves(step: u64) -> [u32; 4] {
    [step as u32, (step >> 32) as u32, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::{philox4x32_10, uniform};

    /// The known-answer vectors that Random123 publishes for `philox4x32 10` (its `kat_vectors` file).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(
            philox4x32_10([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]
        );
        assert_eq!(
            philox4x32_10([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn seeds_and_steps_give_different_numbers_in_range() {
        let mut seen: Vec<u64> =
            (0..4).flat_map(|seed| (1..500).map(move |step| uniform(seed << 33, step).to_bits())).collect();
        assert!(seen.iter().all(|&bits| (0.0..1.0).contains(&f64::from_bits(bits))));
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }
}
