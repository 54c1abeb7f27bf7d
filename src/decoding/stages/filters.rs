//! Log-softmax, temperature, and the stages that cut by probability.

use std::f64::consts::LN_2;

use crate::decoding::row::{Descending, Row, finite, keep};

/// Mirostat 2 with its settings and its state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mirostat {
    /// τ: the surprise to hold, in bits.
    pub target: f32,
    /// η: how fast μ follows.
    pub rate: f32,
    /// μ: the largest surprise that is kept now, in bits. Step n + 1 has step n's μ − η · (surprise of the token
    /// chosen − τ), so it follows from the choices and not from the tokens alone: the trace records it.
    pub mu: f64,
}

impl Mirostat {
    /// The state of the first step: μ = 2τ.
    pub fn new(target: f32, rate: f32) -> Self {
        Self { target, rate, mu: 2.0 * f64::from(target) }
    }

    /// Puts μ where it is after a step that began with `before` and chose a token of this probability. A token
    /// that a person chose against the stages, whose probability is 0, leaves μ as it is.
    pub fn follow(&mut self, before: Option<f64>, probability: Option<f64>) {
        self.mu = before.unwrap_or(2.0 * f64::from(self.target));
        if let (Some(_), Some(probability)) = (before, probability.filter(|probability| *probability > 0.0)) {
            self.mu -= f64::from(self.rate) * (-probability.log2() - f64::from(self.target));
        }
    }
}

/// v − log Σ exp of the row.
pub fn log_softmax(row: &mut Row) -> usize {
    let sum = row.softmax().log_sum_exp;
    let mut changed = 0;
    for &id in &row.kept {
        let value = &mut row.values[id as usize];
        let before = std::mem::replace(value, finite((f64::from(*value) - sum) as f32));
        changed += usize::from(*value != before);
    }
    changed
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
        keep(row, |value| value >= lowest);
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
        keep(row, |value| f64::from(value) >= lowest);
    }
    0
}

/// Cuts ids with p < factor · (highest p)².
pub fn top_a(row: &mut Row, factor: f32) -> usize {
    let softmax = row.softmax();
    let lowest = f64::from(factor).ln() + 2.0 * softmax.highest - softmax.log_sum_exp;
    keep_from(row, lowest);
    0
}

/// Keeps the ids by ascending distance of their surprise −ln p from the entropy, until their probabilities
/// reach `share`; those as far as the last one stay too. The highest may be cut: it can be too likely.
pub fn typical_p(row: &mut Row, share: f32) -> usize {
    let (softmax, entropy) = (row.softmax(), row.entropy());
    let distance = |value: f32| ((softmax.log_sum_exp - f64::from(value)) - entropy).abs() as f32;
    let (mut sum, mut farthest) = (0.0, f32::INFINITY);
    for id in Descending::by(row, |value| -distance(value)) {
        farthest = distance(row.value(id));
        sum += softmax.probability(row.value(id));
        if sum >= f64::from(share) {
            break;
        }
    }
    keep(row, |value| distance(value) <= farthest);
    0
}

/// Cuts ids with p < lowest, but none of the highest.
pub fn epsilon_cutoff(row: &mut Row, lowest: f32) -> usize {
    let least = f64::from(lowest).ln() + row.softmax().log_sum_exp;
    keep_from(row, least);
    0
}

/// Cuts ids with p < min(ε, √ε · exp(−entropy)), but none of the highest.
pub fn eta_cutoff(row: &mut Row, epsilon: f32) -> usize {
    let epsilon = f64::from(epsilon).ln();
    let threshold = epsilon.min(epsilon / 2.0 - row.entropy());
    let least = threshold + row.softmax().log_sum_exp;
    keep_from(row, least);
    0
}

/// Cuts ids with a surprise −log₂ p above μ, but none of the highest. The others' probabilities are those of
/// the whole row, as in llama.cpp.
pub fn mirostat(row: &mut Row, mirostat: &Mirostat) -> usize {
    let least = row.softmax().log_sum_exp - mirostat.mu * LN_2;
    keep_from(row, least);
    0
}

/// Keeps values from `least` on, and the highest in any case.
fn keep_from(row: &mut Row, least: f64) {
    let highest = row.best().map_or(0.0, |id| row.value(id));
    keep(row, |value| f64::from(value) >= least || value >= highest);
}
