//! Random numbers as a pure function of (seed, step, purpose), so that any step replays alone.

/// What a random number is for. Numbers of two purposes have nothing to do with each other. A step is the place of
/// a generated token in the text, from 1, so that each token has one number of each purpose, however many passes
/// it takes to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To choose the token: from the distribution that the stages leave, or from what a rejected draft leaves of it.
    Choice = 0,
    /// To draft it from the draft model's distribution.
    Draft = 1,
    /// To accept a drafted one.
    Acceptance = 2,
    /// Noise on the continuations of beam search's hypotheses: a number for each of these, counted on from here, and
    /// each token.
    Beams = 3,
}

/// A uniform number 0 ≤ u < 1 that chooses the token of a step.
pub fn uniform(seed: u64, step: u64) -> f64 {
    uniform_for(Purpose::Choice, seed, step)
}

/// A uniform number 0 ≤ u < 1 for a purpose.
pub fn uniform_for(purpose: Purpose, seed: u64, step: u64) -> f64 {
    uniform_of(seed, step, [purpose as u32, 0])
}

/// A uniform number 0 ≤ u < 1: the upper 53 bits of the first two Philox words, with the seed as key and (step, words)
/// as counter, the step's lower word first. Purposes have words of their own.
pub fn uniform_of(seed: u64, step: u64, words: [u32; 2]) -> f64 {
    let [low, high] = halves(step);
    let [first, second, ..] = philox4x32_10([low, high, words[0], words[1]], halves(seed));
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

fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::{Purpose, philox4x32_10, uniform, uniform_for};

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
        let purposes = [Purpose::Choice, Purpose::Draft, Purpose::Acceptance];
        let [choice, draft, acceptance] = purposes.map(|purpose| uniform_for(purpose, 5, 9));
        assert!(choice == uniform(5, 9) && choice != draft && draft != acceptance && choice != acceptance);
    }
}
