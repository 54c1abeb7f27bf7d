//! Ops that change a state of fixed size row by row.

use super::attention::Columns;
use super::ids::{BufferId, StateId, TensorId};
use crate::model::config::{Activation, StateHeads};

/// A causal convolution by channel: output\[t\]\[c\] = activation(Σ_j weight\[c·k + j\] · x\[t − k + 1 + j\]\[c\]
/// (+ bias\[c\])), where x are the rows before t in its sequence, from its state on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvolutionOp {
    /// k.
    pub kernel: usize,
    /// channels·k.
    pub weight: TensorId,
    /// channels.
    pub bias: Option<TensorId>,
    /// What the sum goes through, if through anything.
    pub activation: Option<Activation>,
    /// (k − 1) × channels: the inputs of the last k − 1 rows, the newest last.
    pub state: StateId,
    /// T × channels.
    pub input: BufferId,
    /// T × channels, another buffer than the input.
    pub output: BufferId,
}

/// A matrix S of N × P for each head, which each row decays and adds to, and which its query reads:
///
/// S ← d·S;  S ← S + k ⊗ u;  o = Sᵀq,  where [`RecurrenceRule`] says what d, q, k and u are
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecurrenceOp {
    /// The formulas.
    pub rule: RecurrenceRule,
    /// H, G, N and P, and which keys a head reads.
    pub heads: StateHeads,
    /// H: A, below 0.
    pub rate: TensorId,
    /// H·P × N, a head after the other, transposed: row p holds what belongs to element p of a value.
    pub state: StateId,
    /// T × G·N.
    pub query: Columns,
    /// T × G·N, in the same buffer.
    pub key: Columns,
    /// T × H·P, in the same buffer.
    pub value: Columns,
    /// T × H.
    pub time_step: BufferId,
    /// T × [`Self::prepared_columns`]: scratch for queries and keys as they are multiplied, decays and strengths.
    pub prepared: BufferId,
    /// T × H·P, another buffer than those before.
    pub output: BufferId,
}

/// What a row does to the state. Each formula is for one head; v is its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RecurrenceRule {
    /// d = exp(A · softplus(time step)), u = β(v − Sᵀk) with the S that d has decayed, β = range · σ(strength);
    /// q = query / (‖query‖·√N), k = key / ‖key‖, where ‖x‖ = √(Σ x² + 1e-6).
    GatedDelta {
        /// T × H.
        strength: BufferId,
        /// The largest β.
        range: f32,
    },
    /// d = exp(A·Δ), u = Δ·v with Δ = softplus(time step) within limits; q and k as they are; D·v is added to o.
    Mamba2 {
        /// The least and the largest Δ.
        limits: [f32; 2],
        /// H: D.
        skip: TensorId,
    },
}

impl RecurrenceOp {
    /// Under the square roots of the lengths of queries and keys.
    pub const LENGTH_EPSILON: f32 = 1e-6;

    /// N with padding: a key's elements in the state and in the scratch buffer.
    pub fn padded_key(heads: &StateHeads) -> usize {
        heads.key_width.next_multiple_of(4)
    }

    /// Columns of the scratch buffer: queries and keys of each group, padded; for each group their product; for each head
    /// its decay and its strength.
    pub fn prepared_columns(heads: &StateHeads) -> usize {
        2 * heads.groups * Self::padded_key(heads) + heads.groups + 2 * heads.heads
    }

    /// Elements of the state.
    pub fn state_elements(heads: &StateHeads) -> usize {
        heads.values() * Self::padded_key(heads)
    }
}
