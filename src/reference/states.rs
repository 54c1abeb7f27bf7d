//! The states of sequences beside their keys and values.

use super::cache::State;
use super::interpreter::{Pass, Reference};
use super::recurrence::{Inputs, Rule};
use super::{convolution, recurrence};
use crate::model::plan::{ConvolutionOp, RecurrenceOp, RecurrenceRule, StateId};

impl Reference {
    /// A state as a row of the pass left it.
    pub fn state<'a>(&self, pass: &'a Pass, id: StateId, row: usize) -> &'a [f32] {
        &pass.states[id.0][row]
    }

    /// The state that a row of the pass goes on from.
    fn state_before(&self, id: StateId, pass: &Pass, index: usize) -> State {
        let row = &pass.rows[index];
        match (row.parent, row.position.checked_sub(1)) {
            (Some(parent), _) => State::clone(&pass.states[id.0][parent]),
            (None, Some(before)) => State::clone(&self.sequence(row.sequence).states[id.0][before]),
            (None, None) => vec![0.0; self.plan.states[id.0].elements].into(),
        }
    }

    pub(super) fn convolution(&self, op: &ConvolutionOp, pass: &mut Pass, output: &mut [f32]) {
        let ConvolutionOp { kernel, weight, bias, activation, state, input, .. } = *op;
        let columns = self.plan.buffer(input).columns;
        let (weight, bias) = (self.tensor(weight), self.optional(bias));
        pass.states[state.0].clear();
        let rows = self.buffer(input).chunks_exact(columns).zip(output.chunks_exact_mut(columns));
        for (index, (input, output)) in rows.enumerate() {
            let before = self.state_before(state, pass, index);
            let after = convolution::convolution(kernel, weight, bias, activation, &before, input, output);
            pass.states[state.0].push(after.into());
        }
    }

    pub(super) fn recurrence(&self, op: &RecurrenceOp, pass: &mut Pass, output: &mut [f32]) {
        let RecurrenceOp { rule, heads, rate, state, query, key, value, time_step, .. } = *op;
        let columns = self.plan.buffer(query.buffer).columns;
        pass.states[state.0].clear();
        for (index, output) in output.chunks_exact_mut(heads.values()).enumerate() {
            let before = self.state_before(state, pass, index);
            let row = &self.buffer(query.buffer)[index * columns..][..columns];
            let of_heads = |buffer| &self.buffer(buffer)[index * heads.heads..][..heads.heads];
            let inputs = Inputs {
                query: &row[query.first..][..heads.keys()],
                key: &row[key.first..][..heads.keys()],
                value: &row[value.first..][..heads.values()],
                time_step: of_heads(time_step),
                rate: self.tensor(rate),
            };
            let rule = match rule {
                RecurrenceRule::GatedDelta { strength, range } => {
                    Rule::GatedDelta { strength: of_heads(strength), range }
                }
                RecurrenceRule::Mamba2 { limits, skip } => Rule::Mamba2 { limits, skip: self.tensor(skip) },
            };
            let after = recurrence::recurrence(&heads, &rule, &inputs, &before, output);
            pass.states[state.0].push(after.into());
        }
    }
}
