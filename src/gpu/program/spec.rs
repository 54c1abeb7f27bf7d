//! One dispatch of an op as plain data: which kernel, on which buffers, over which grid. No device is needed to make
//! it.

use super::parts::TileParts;
use crate::gpu::kernels::KernelUse;
use crate::model::plan::{BufferId, StateId, TensorId};

/// A dispatch before its pipeline and its bind group are made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DispatchSpec {
    pub kernel: KernelUse,
    /// Each with its number.
    pub bindings: Vec<(u32, Binding)>,
    pub grid: Grid,
}

/// What a kernel reads or writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Binding {
    /// What varies from pass to pass.
    Pass,
    /// A buffer of activations.
    Activation(BufferId),
    /// A shard of a tensor's rows, by its number.
    Rows(TensorId, usize),
    /// The scales of such a shard.
    Scales(TensorId, usize),
    /// All of a vector; nothing to be read if it is absent.
    Vector(Option<TensorId>),
    /// A layer's cached keys.
    Keys(usize),
    /// A layer's cached values.
    Values(usize),
    /// The slots of a state.
    State(StateId),
    /// Partial results: of attention over split positions, or of a linear map over parts of its columns.
    Partials,
    /// Queries that are ready for attention.
    ReadyQueries,
    /// Scores of attention, for a probe.
    Scores,
}

/// The workgroups of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    /// Over the columns.
    pub columns: u32,
    pub height: Height,
}

/// What a dispatch's second and third dimension count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Height {
    /// Rows, so many a workgroup; the third dimension goes on where the first ends.
    Rows(u32),
    /// Rows, and splits of the positions.
    Splits,
    /// Parts of tiles of rows, so many to a tile.
    Tiles(u32),
    /// Walks through the rows.
    Walks,
    /// Tiles of rows, and parts of the columns.
    Parts(TileParts),
    /// Rows whose parts are to be added up: none where there is one part.
    PartSums(TileParts),
}

impl Grid {
    /// A workgroup for each row in each of so many columns.
    pub(crate) fn of_rows(columns: u32) -> Self {
        Self { columns, height: Height::Rows(1) }
    }
}

/// Bindings 0, 1, 2 ….
pub(super) fn numbered<const COUNT: usize>(bindings: [Binding; COUNT]) -> Vec<(u32, Binding)> {
    (0..).zip(bindings).collect()
}
