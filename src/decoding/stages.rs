//! The stages: pure functions that change the values of a row, or cut ids from it. Formulas and order are
//! those of Hugging Face transformers 5; presence and frequency penalty are OpenAI's, as in vLLM.
//!
//! Every stage leaves at least one id.

use std::collections::{BTreeMap, BTreeSet};

use super::row::{Descending, Row, finite};

/// One stage with its setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Added to the logits of single ids.
    LogitBias(BTreeMap<u32, f32>),
    /// Divides positive, multiplies negative values of tokens seen before (Keskar et al. 2019, section 4.1).
    RepetitionPenalty(f32),
    /// Subtracted once from tokens generated before.
    PresencePenalty(f32),
    /// Subtracted for each time that a token was generated before.
    FrequencyPenalty(f32),
    /// Cuts tokens that would complete an n-gram seen before.
    NoRepeatNgram(usize),
    /// Divides all values.
    Temperature(f32),
    /// Keeps the k highest, and those equal to the k-th (Fan, Lewis and Dauphin 2018).
    TopK(usize),
    /// Keeps the fewest tokens whose probabilities reach p together (Holtzman et al. 2019).
    TopP(f32),
    /// Keeps tokens with at least this fraction of the highest probability (Nguyen et al. 2024).
    MinP(f32),
}

/// The tokens before the one to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History<'a> {
    /// Prompt and generated tokens.
    pub tokens: &'a [u32],
    /// How many of them are the prompt's.
    pub prompt: usize,
}

impl Stage {
    /// The stage's name in the window and in traces.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LogitBias(_) => "logit bias",
            Self::RepetitionPenalty(_) => "repetition penalty",
            Self::PresencePenalty(_) => "presence penalty",
            Self::FrequencyPenalty(_) => "frequency penalty",
            Self::NoRepeatNgram(_) => "no-repeat n-gram",
            Self::Temperature(_) => "temperature",
            Self::TopK(_) => "top-k",
            Self::TopP(_) => "top-p",
            Self::MinP(_) => "min-p",
        }
    }

    /// Its setting as a person writes it.
    pub fn setting(&self) -> String {
        match self {
            Self::LogitBias(biases) if biases.len() == 1 => "1 token".to_owned(),
            Self::LogitBias(biases) => format!("{} tokens", biases.len()),
            Self::NoRepeatNgram(count) | Self::TopK(count) => count.to_string(),
            Self::RepetitionPenalty(value)
            | Self::PresencePenalty(value)
            | Self::FrequencyPenalty(value)
            | Self::Temperature(value)
            | Self::TopP(value)
            | Self::MinP(value) => value.to_string(),
        }
    }

    /// Applies the stage, and returns how many kept ids now have another value.
    pub fn apply(&self, row: &mut Row, history: History<'_>) -> usize {
        match self {
            Self::LogitBias(biases) => logit_bias(row, biases),
            Self::RepetitionPenalty(penalty) => repetition_penalty(row, *penalty, history.tokens),
            Self::PresencePenalty(penalty) => presence_penalty(row, *penalty, history.generated()),
            Self::FrequencyPenalty(penalty) => frequency_penalty(row, *penalty, history.generated()),
            Self::NoRepeatNgram(length) => no_repeat_ngram(row, *length, history.tokens),
            Self::Temperature(divisor) => temperature(row, *divisor),
            Self::TopK(count) => top_k(row, *count),
            Self::TopP(share) => top_p(row, *share),
            Self::MinP(share) => min_p(row, *share),
        }
    }
}

impl<'a> History<'a> {
    /// The generated tokens.
    pub fn generated(&self) -> &'a [u32] {
        &self.tokens[self.prompt..]
    }
}

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

/// Cuts each token that followed, anywhere in `tokens`, the same `length − 1` tokens that are the last now.
pub fn no_repeat_ngram(row: &mut Row, length: usize, tokens: &[u32]) -> usize {
    let Some(start) = (tokens.len() + 1).checked_sub(length).filter(|_| length > 0) else { return 0 };
    let last = &tokens[start..];
    let repeats: BTreeSet<u32> =
        tokens.windows(length).filter(|ngram| ngram[..length - 1] == *last).map(|n| n[length - 1]).collect();
    if !repeats.is_empty() {
        keep(row, |_, id| !repeats.contains(&id));
    }
    0
}

/// v / divisor. Where that would overflow, the row is first shifted so that its highest value is 0, which
/// leaves its softmax as it is: a divisor towards 0 then tends to greedy.
pub fn temperature(row: &mut Row, divisor: f32) -> usize {
    let highest = row.best().map_or(0.0, |id| row.value(id));
    let shift = if (highest / divisor).abs() < f32::MAX / 2.0 { 0.0 } else { highest };
    let mut changed = 0;
    for &id in &row.kept {
        let value = &mut row.values[id as usize];
        let before = std::mem::replace(value, finite((*value - shift) / divisor));
        changed += usize::from(*value != before);
    }
    changed
}

/// Cuts what is lower than the `count`-th highest value.
pub fn top_k(row: &mut Row, count: usize) -> usize {
    if (1..row.kept.len()).contains(&count) {
        let mut values: Vec<f32> = row.kept.iter().map(|&id| row.value(id)).collect();
        let (_, &mut lowest, _) = values.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
        keep(row, |value, _| value >= lowest);
    }
    0
}

/// Keeps the ids, by descending value and ascending id, whose predecessors' probabilities sum to less
/// than `share`.
pub fn top_p(row: &mut Row, share: f32) -> usize {
    let softmax = row.softmax();
    let mut sum = 0.0;
    let mut inside: Vec<u32> = Descending::new(row)
        .take_while(|&id| {
            let wanted = sum < f64::from(share);
            sum += softmax.probability(row.value(id));
            wanted
        })
        .collect();
    inside.sort_unstable();
    row.kept = inside;
    0
}

/// Cuts ids with p < share · highest p, which is to say value < highest value + ln share.
pub fn min_p(row: &mut Row, share: f32) -> usize {
    if let Some(best) = row.best().filter(|_| share > 0.0) {
        let lowest = f64::from(row.value(best)) + f64::from(share).ln();
        keep(row, |value, _| f64::from(value) >= lowest);
    }
    0
}

/// Changes the values of kept ids, and counts those that differ then.
fn change(row: &mut Row, ids: impl IntoIterator<Item = u32>, new: impl Fn(u32, f32) -> f32) -> usize {
    let mut changed = 0;
    for id in ids {
        if (id as usize) < row.values.len() && row.keeps(id) {
            let value = &mut row.values[id as usize];
            let before = std::mem::replace(value, finite(new(id, *value)));
            changed += usize::from(*value != before);
        }
    }
    changed
}

/// Cuts the ids for which `wanted(value, id)` is false, but never the last one: the best stays.
fn keep(row: &mut Row, wanted: impl Fn(f32, u32) -> bool) {
    let best = row.best();
    let values = &row.values;
    row.kept.retain(|&id| wanted(values[id as usize], id));
    if row.kept.is_empty() {
        row.kept.extend(best);
    }
}

fn counts(tokens: &[u32]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for &token in tokens {
        *counts.entry(token).or_insert(0) += 1;
    }
    counts
}
