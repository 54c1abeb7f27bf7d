//! Stages that change the values of single tokens.

use std::collections::{BTreeMap, BTreeSet};

use crate::decoding::row::{Row, change};

/// DRY with its settings, breakers as ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Dry {
    /// What is subtracted for the shortest repetition that counts.
    pub multiplier: f32,
    /// How much more for every further token.
    pub base: f32,
    /// The length of that shortest repetition, in tokens.
    pub allowed_length: usize,
    /// How many of the last tokens are searched; 0 searches all.
    pub range: usize,
    /// Tokens that no repetition goes across.
    pub breakers: BTreeSet<u32>,
}

/// Repetitions are not followed further back, as by DRY's inventor.
const LONGEST_MATCH: usize = 50;

/// v + bias for the ids named; ids outside the row are left alone.
pub fn logit_bias(row: &mut Row, biases: &BTreeMap<u32, f32>) -> usize {
    change(row, biases.keys().copied(), |id, value| value + biases[&id])
}

/// v / penalty for v ≥ 0, v · penalty for v < 0, once for each distinct token.
pub fn repetition_penalty(row: &mut Row, penalty: f32, tokens: &[u32]) -> usize {
    let seen: BTreeSet<u32> = tokens.iter().copied().collect();
    change(row, seen, |_, value| if value < 0.0 { value * penalty } else { value / penalty })
}

/// v − penalty, once for each distinct token.
pub fn presence_penalty(row: &mut Row, penalty: f32, generated: &[u32]) -> usize {
    change(row, counts(generated).into_keys(), |_, value| value - penalty)
}

/// v − penalty · count.
pub fn frequency_penalty(row: &mut Row, penalty: f32, generated: &[u32]) -> usize {
    let counts = counts(generated);
    change(row, counts.keys().copied(), |id, value| value - penalty * counts[&id] as f32)
}

/// v − multiplier · base^(n − allowed length) for each token that would prolong a repetition of n ≥ allowed
/// length tokens: one that followed, within the range, the same n tokens that are the last now.
///
/// As its inventor defines it (P. E. Weidmann, "DRY: A modern repetition penalty that reliably prevents
/// looping", 2024): a repetition has no breaker in it, a breaker is never penalised, n is the longest of the
/// token's repetitions and at most 50.
pub fn dry(row: &mut Row, dry: &Dry, tokens: &[u32]) -> usize {
    let start = if dry.range == 0 { 0 } else { tokens.len().saturating_sub(dry.range) };
    let tokens = &tokens[start..];
    let mut lengths: BTreeMap<u32, usize> = BTreeMap::new();
    for (place, &token) in tokens.iter().enumerate().filter(|(_, token)| !dry.breakers.contains(token)) {
        let pairs = tokens[..place].iter().rev().zip(tokens.iter().rev());
        let same = pairs.take_while(|(before, last)| before == last && !dry.breakers.contains(last));
        let length = same.take(LONGEST_MATCH).count();
        if length > 0 && length >= dry.allowed_length {
            let longest = lengths.entry(token).or_default();
            *longest = length.max(*longest);
        }
    }
    change(row, lengths.keys().copied(), |token, value| {
        let further = (lengths[&token] - dry.allowed_length) as i32;
        value - (f64::from(dry.multiplier) * f64::from(dry.base).powi(further)) as f32
    })
}

fn counts(tokens: &[u32]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for &token in tokens {
        *counts.entry(token).or_insert(0) += 1;
    }
    counts
}
