//! One row of values over the vocabulary while the stages work on it, and what can be computed from it.
//!
//! Of a row that the model has summarised only the highest values are listed; the others are its [`Tail`].
//! Being cut is a state of its own, apart from the value, and every value is finite: nothing here depends
//! on how infinities or NaN behave.

use super::error::DecodingError;

/// Values and the ids still in play. In a row with all V values, ids are tokens; in a summarised one, places
/// among the candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// A value for each id, cut or kept; always finite.
    pub values: Vec<f32>,
    /// Ids that no stage has cut, ascending; empty only where a stage banned all that was left.
    pub kept: Vec<u32>,
    /// What is kept besides.
    pub tail: Tail,
}

/// Entries of the vocabulary that are known together only. None is higher than the last value listed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tail {
    /// How many there are.
    pub count: usize,
    /// Their Σ exp(v − highest).
    pub weight: f64,
}

/// A softmax over the kept ids of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Softmax {
    /// The highest kept value.
    pub highest: f64,
    /// log Σ exp of the kept values, in nats.
    pub log_sum_exp: f64,
}

impl Row {
    /// Raw logits, nothing cut; −∞ becomes the lowest finite value. NaN and +∞ must have been refused.
    pub fn new(logits: &[f32]) -> Self {
        Self {
            values: logits.iter().map(|&logit| finite(logit)).collect(),
            kept: (0..logits.len() as u32).collect(),
            tail: Tail::default(),
        }
    }

    /// How many entries are kept, listed or in the tail.
    pub fn kept_count(&self) -> usize {
        self.kept.len() + self.tail.count
    }

    /// The value of an id.
    pub fn value(&self, id: u32) -> f32 {
        self.values[id as usize]
    }

    /// Whether no stage has cut the id.
    pub fn keeps(&self, id: u32) -> bool {
        self.kept.len() == self.values.len() || self.kept.binary_search(&id).is_ok()
    }

    /// The kept id with the highest value, the lowest one among equals.
    pub fn best(&self) -> Option<u32> {
        let mut best = *self.kept.first()?;
        let mut highest = self.value(best);
        for &id in &self.kept {
            if self.value(id) > highest {
                (best, highest) = (id, self.value(id));
            }
        }
        Some(best)
    }

    /// The first `count` ids by descending value and then ascending id.
    pub fn top(&self, count: usize) -> Vec<u32> {
        Descending::new(self).take(count).collect()
    }

    /// The place of an id in that order, from 1.
    pub fn rank(&self, id: u32) -> usize {
        let key = descending_key(self.value(id), id);
        1 + self.kept.iter().filter(|&&other| descending_key(self.value(other), other) < key).count()
    }

    /// The softmax over what is kept, accumulated in f64.
    pub fn softmax(&self) -> Softmax {
        let highest = f64::from(self.best().map_or(0.0, |id| self.value(id)));
        // Relative to the highest value no sum can overflow.
        let sum: f64 = self.kept.iter().map(|&id| (f64::from(self.value(id)) - highest).exp()).sum();
        Softmax { highest, log_sum_exp: highest + (sum + self.tail.weight).ln() }
    }

    /// −Σ p ln p over the kept ids of a row without a tail, in nats.
    pub fn entropy(&self) -> f64 {
        let highest = self.softmax().highest;
        let (mut sum, mut weighted) = (0.0, 0.0);
        for &id in &self.kept {
            let below = f64::from(self.value(id)) - highest;
            sum += below.exp();
            weighted += below * below.exp();
        }
        // All terms of each sum have one sign.
        sum.ln() - weighted / sum
    }

    /// The probability of a kept id; 0 for a cut one.
    pub fn probability(&self, softmax: &Softmax, id: u32) -> f64 {
        if self.keeps(id) { softmax.probability(self.value(id)) } else { 0.0 }
    }
}

impl Softmax {
    /// The probability of a value.
    pub fn probability(&self, value: f32) -> f64 {
        (f64::from(value) - self.log_sum_exp).exp()
    }
}

/// The kept ids of a row by descending value and then ascending id, sorted only as far as they are read:
/// most choices are made within the first few hundred of a hundred thousand.
pub struct Descending {
    keys: Vec<u64>,
    sorted: usize,
    next: usize,
}

impl Descending {
    /// Begins with the highest.
    pub fn new(row: &Row) -> Self {
        Self::by(row, |value| value)
    }

    /// By a function of the value instead.
    pub fn by(row: &Row, key: impl Fn(f32) -> f32) -> Self {
        let keys = row.kept.iter().map(|&id| descending_key(key(row.value(id)), id)).collect();
        Self { keys, sorted: 0, next: 0 }
    }

    fn sort_more(&mut self) {
        const FIRST_BLOCK: usize = 256;
        let rest = &mut self.keys[self.sorted..];
        let block = (self.sorted * 8).max(FIRST_BLOCK).min(rest.len());
        if block < rest.len() {
            rest.select_nth_unstable(block);
        }
        rest[..block].sort_unstable();
        self.sorted += block;
    }
}

impl Iterator for Descending {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.next == self.sorted && self.sorted < self.keys.len() {
            self.sort_more();
        }
        let key = self.keys.get(self.next)?;
        self.next += 1;
        Some(*key as u32)
    }
}

/// A number whose ascending order is that of descending values and then ascending ids.
fn descending_key(value: f32, id: u32) -> u64 {
    // Adding zero makes −0 the equal of +0. For positive floats the bits ascend with the value, for negative
    // ones they descend.
    let bits = (value + 0.0).to_bits();
    let ascending = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(!ascending) << 32 | u64::from(id)
}

/// The nearest finite value: overflow must not turn a very unlikely or likely token into a special case.
pub(super) fn finite(value: f32) -> f32 {
    value.clamp(f32::MIN, f32::MAX)
}

/// Changes the values of kept ids, and counts those that differ then.
pub(super) fn change(
    row: &mut Row,
    ids: impl IntoIterator<Item = u32>,
    new: impl Fn(u32, f32) -> f32,
) -> usize {
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

/// Cuts the ids for whose value `wanted` is false, but never the last one: the best stays.
pub(super) fn keep(row: &mut Row, wanted: impl Fn(f32) -> bool) {
    let best = row.best();
    let values = &row.values;
    row.kept.retain(|&id| wanted(values[id as usize]));
    if row.kept.is_empty() {
        row.kept.extend(best);
    }
}

/// Refuses a row with NaN or +∞.
pub(super) fn refuse_broken(logits: &[f32], step: usize) -> Result<(), DecodingError> {
    match logits.iter().position(|logit| logit.is_nan() || *logit == f32::INFINITY) {
        Some(index) => Err(DecodingError::BrokenLogit { step, token: index as u32, logit: logits[index] }),
        None => Ok(()),
    }
}
