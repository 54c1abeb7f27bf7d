//! What linear maps do besides: before, after, and by experts.

use super::ids::{BufferId, TensorId};
use crate::model::config::Activation;

/// RMSNorm of a linear map's input, as [`super::Op::Norm`] without a bias.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputNorm {
    /// Under the square root.
    pub epsilon: f32,
    /// C.
    pub weight: TensorId,
    /// T × C: scratch for the normalised input, of use when there are many rows.
    pub normed: BufferId,
}

/// What becomes of a linear map's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finish {
    /// output = result.
    Store,
    /// output += result.
    Add,
    /// output = activation(result).
    Activate(Activation),
    /// output\[f\] = activation(gate\[f\]) · up\[f\]. The weight's rows come in blocks of eight: four of the gate, and
    /// the same four of up.
    Gate(Activation),
}

/// What the experts of a row read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpertInput {
    /// The whole row, each of them.
    Shared,
    /// Each its own block of the row.
    Own,
}
