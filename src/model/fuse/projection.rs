//! Plain linear maps, which fusion makes more of.

use crate::model::plan::{BufferId, Epilogue, Op, TensorId};

/// A plain linear map.
#[derive(Clone, Copy)]
pub(super) struct Projection {
    pub weight: TensorId,
    pub bias: Option<TensorId>,
    pub input: BufferId,
    pub output: BufferId,
}

impl Projection {
    /// The op, if it is one.
    pub(super) fn of(op: &Op) -> Option<Self> {
        match *op {
            Op::Linear { norm: None, weight, bias, input, output, epilogue: Epilogue::Store } => {
                Some(Self { weight, bias, input, output })
            }
            _ => None,
        }
    }
}
