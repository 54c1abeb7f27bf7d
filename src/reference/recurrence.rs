//! Twin of `Op::Recurrence`: a state of matrices that each row decays, adds to and reads.

use crate::model::config::{HeadOrder, StateHeads};
use crate::model::plan::RecurrenceOp;

/// One row of what the recurrence reads.
pub(super) struct Inputs<'a> {
    /// G·N.
    pub query: &'a [f32],
    /// G·N.
    pub key: &'a [f32],
    /// H·P.
    pub value: &'a [f32],
    /// H.
    pub time_step: &'a [f32],
    /// H: A.
    pub rate: &'a [f32],
}

/// The rule, with what it reads of the row.
pub(super) enum Rule<'a> {
    /// `strength` has H values.
    GatedDelta { strength: &'a [f32], range: f32 },
    /// `skip` has H values.
    Mamba2 { limits: [f32; 2], skip: &'a [f32] },
}

/// One row: `output` of its inputs and the state before it; gives the state after it.
pub(super) fn recurrence(
    heads: &StateHeads,
    rule: &Rule<'_>,
    inputs: &Inputs<'_>,
    before: &[f32],
    output: &mut [f32],
) -> Vec<f32> {
    let StateHeads { key_width, value_width, .. } = *heads;
    let padded = RecurrenceOp::padded_key(heads);
    let mut state: Vec<f32> = before.to_vec();
    for (head, matrix) in state.chunks_exact_mut(padded * value_width).enumerate() {
        let group = group(heads, head);
        let of_group = |row: &[f32]| -> Vec<f64> {
            row[group * key_width..][..key_width].iter().map(|value| f64::from(*value)).collect()
        };
        let (mut query, mut key) = (of_group(inputs.query), of_group(inputs.key));
        let step = softplus(f64::from(inputs.time_step[head]));
        let (step, strength) = match rule {
            Rule::GatedDelta { strength, range } => {
                normalise(&mut query, (key_width as f64).sqrt());
                normalise(&mut key, 1.0);
                (step, f64::from(*range) / (1.0 + (-f64::from(strength[head])).exp()))
            }
            Rule::Mamba2 { limits, .. } => {
                let step = step.clamp(f64::from(limits[0]), f64::from(limits[1]));
                (step, step)
            }
        };
        let decay = (f64::from(inputs.rate[head]) * step).exp();
        for (place, row) in matrix.chunks_exact_mut(padded).enumerate() {
            let index = head * value_width + place;
            let value = f64::from(inputs.value[index]);
            let mut decayed: Vec<f64> =
                row[..key_width].iter().map(|entry| decay * f64::from(*entry)).collect();
            let change = match rule {
                Rule::GatedDelta { .. } => strength * (value - product(&decayed, &key)),
                Rule::Mamba2 { .. } => strength * value,
            };
            decayed.iter_mut().zip(&key).for_each(|(entry, key)| *entry += key * change);
            let skipped = match rule {
                Rule::GatedDelta { .. } => 0.0,
                Rule::Mamba2 { skip, .. } => f64::from(skip[head]) * value,
            };
            output[index] = (product(&decayed, &query) + skipped) as f32;
            row.iter_mut().zip(&decayed).for_each(|(entry, value)| *entry = *value as f32);
        }
    }
    state
}

/// The key head of a head.
fn group(heads: &StateHeads, head: usize) -> usize {
    match heads.order {
        HeadOrder::Neighbours => head * heads.groups / heads.heads,
        HeadOrder::Turns => head % heads.groups,
    }
}

/// Makes the vector's length 1 / `divisor`.
fn normalise(vector: &mut [f64], divisor: f64) {
    let squares = product(vector, vector) + f64::from(RecurrenceOp::LENGTH_EPSILON);
    vector.iter_mut().for_each(|value| *value /= squares.sqrt() * divisor);
}

fn product(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

/// ln(1 + eˣ), without an overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: StateHeads =
        StateHeads { heads: 1, groups: 1, order: HeadOrder::Neighbours, key_width: 2, value_width: 1 };

    /// With A = −1 and a time step of ln 1: softplus(0) = ln 2, so that each row halves the state.
    #[test]
    fn mamba2_halves_adds_and_reads() {
        let rule = Rule::Mamba2 { limits: [0.0, f32::INFINITY], skip: &[10.0] };
        let inputs =
            Inputs { query: &[1.0, 3.0], key: &[1.0, 0.0], value: &[2.0], time_step: &[0.0], rate: &[-1.0] };
        let mut output = [0.0];
        let after = recurrence(&HEADS, &rule, &inputs, &[4.0, 8.0, 0.0, 0.0], &mut output);
        let added = 2.0 * std::f32::consts::LN_2;
        assert_eq!(after, [2.0 + added, 4.0, 0.0, 0.0]);
        assert!((output[0] - (2.0 + added + 12.0 + 20.0)).abs() < 1e-5, "{output:?}");
    }

    /// A state that already gives the value for the key is not changed, whatever the strength; one that gives another
    /// one is moved half of the way where the strength is 1/2.
    #[test]
    fn the_delta_rule_moves_what_the_key_gives_towards_the_value() {
        let heads = StateHeads { key_width: 2, value_width: 1, ..HEADS };
        let inputs = Inputs {
            query: &[0.0, 5.0],
            key: &[0.0, 7.0],
            value: &[3.0],
            time_step: &[-100.0],
            rate: &[-1.0],
        };
        let rule = Rule::GatedDelta { strength: &[0.0], range: 1.0 };
        let mut output = [0.0];
        let after = recurrence(&heads, &rule, &inputs, &[9.0, 3.0, 0.0, 0.0], &mut output);
        assert!((after[0] - 9.0).abs() < 1e-5 && (after[1] - 3.0).abs() < 1e-5, "{after:?}");
        let after = recurrence(&heads, &rule, &inputs, &[9.0, 1.0, 0.0, 0.0], &mut output);
        assert!((after[1] - 2.0).abs() < 1e-5, "{after:?}");
        assert!((output[0] - 2.0 / 2.0_f32.sqrt()).abs() < 1e-5, "{output:?}");
    }

    #[test]
    fn heads_share_keys_with_neighbours_or_by_turns() {
        let of = |order| {
            let heads = StateHeads { heads: 4, groups: 2, order, ..HEADS };
            (0..4).map(|head| group(&heads, head)).collect::<Vec<_>>()
        };
        assert_eq!(of(HeadOrder::Neighbours), [0, 0, 1, 1]);
        assert_eq!(of(HeadOrder::Turns), [0, 1, 0, 1]);
    }
}
