//! One row of values over the vocabulary while the stages work on it, and what can be computed from it.
//!
//! Being cut is a state of its own, apart from the value, and every value is finite: nothing here depends
//! on how infinities or NaN behave.

use std::cmp::Ordering;

/// V values and the ids still in play.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// A value for each id, cut or kept; always finite.
    pub values: Vec<f32>,
    /// Ids that no stage has cut, ascending; never empty while V > 0.
    pub kept: Vec<u32>,
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
        }
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
        self.kept.iter().copied().min_by(|&a, &b| self.descending(a, b))
    }

    /// Order by descending value, then ascending id.
    pub fn descending(&self, a: u32, b: u32) -> Ordering {
        let by_value = self.value(b).partial_cmp(&self.value(a)).unwrap_or(Ordering::Equal);
        by_value.then(a.cmp(&b))
    }

    /// The softmax over the kept ids, accumulated in f64.
    pub fn softmax(&self) -> Softmax {
        let value = |&id: &u32| f64::from(self.value(id));
        let highest = self.kept.iter().map(value).fold(f64::MIN, f64::max);
        let sum: f64 = self.kept.iter().map(|id| (value(id) - highest).exp()).sum();
        Softmax { highest, log_sum_exp: highest + sum.ln() }
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
pub struct Descending<'a> {
    row: &'a Row,
    ids: Vec<u32>,
    sorted: usize,
    next: usize,
}

impl<'a> Descending<'a> {
    /// Begins with the highest.
    pub fn new(row: &'a Row) -> Self {
        Self { row, ids: row.kept.clone(), sorted: 0, next: 0 }
    }

    fn sort_more(&mut self) {
        const FIRST_BLOCK: usize = 256;
        let block = (self.sorted * 4).max(FIRST_BLOCK);
        let order = |a: &u32, b: &u32| self.row.descending(*a, *b);
        let rest = &mut self.ids[self.sorted..];
        let block = block.min(rest.len());
        if block < rest.len() {
            rest.select_nth_unstable_by(block, order);
        }
        rest[..block].sort_unstable_by(order);
        self.sorted += block;
    }
}

impl Iterator for Descending<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.next == self.sorted && self.sorted < self.ids.len() {
            self.sort_more();
        }
        let id = self.ids.get(self.next).copied();
        self.next += 1;
        id
    }
}

/// The nearest finite value: overflow must not turn a very unlikely or likely token into a special case.
pub(super) fn finite(value: f32) -> f32 {
    value.clamp(f32::MIN, f32::MAX)
}
