//! What a linear map does to its input and its result, and which input experts read.

use super::ids::{BufferId, TensorId};
use crate::model::config::Activation;

/// RMSNorm of a linear map's input, as [`super::Op::Norm`] without a bias.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputNorm {
    /// Under the square root.
    pub epsilon: f32,
    /// C.
    pub weight: TensorId,
    /// T × C: scratch for the normalised input, which passes of many rows need.
    pub normed: BufferId,
}

/// What is done to a linear map's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Epilogue {
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
    /// Every expert reads the whole row.
    Shared,
    /// Every expert reads its own block of the row.
    PerExpert,
    /// Every expert reads the whole row times its share.
    TimesShare,
}
