//! What the window looks into inside a step's pass, and what of it is on show.

use std::sync::Arc;

use super::chips::ChipLayout;
use crate::session::ProbeTarget;
use crate::session::probe::Probe;

/// What the pane of layers shows of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayersView {
    /// What the model would say after it.
    #[default]
    Lens,
    /// How long the residual stream is, and what was added to it.
    Norms,
    /// Its blocks' parts of the logit.
    Parts,
    /// Whom its router chose.
    Experts,
    /// What its state kept.
    States,
}

/// What a row of the pane of attention is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttentionRows {
    /// A head of the layer.
    #[default]
    Heads,
    /// The mean of heads that share keys.
    Groups,
    /// The mean of all heads of a layer.
    Layers,
}

/// A row of the pane of attention.
#[derive(Clone, Debug)]
pub struct AttentionRow {
    /// Its name: `Head 3`.
    pub name: String,
    /// A weight for each position.
    pub weights: Arc<[f32]>,
    /// The share of the sink, if there is one.
    pub sink: Option<f32>,
    /// The first position that it sees.
    pub first: usize,
    /// The layer that a press on it shows: an index in the probe's.
    pub layer: usize,
}

/// The rows of the pane of attention, as they were made of a probe.
pub struct MadeRows {
    /// The probe.
    pub probe: Arc<Probe>,
    /// The layer: an index in the probe's.
    pub layer: usize,
    /// What a row is.
    pub kind: AttentionRows,
    /// The rows.
    pub rows: Arc<[AttentionRow]>,
}

/// What is asked for and on show.
#[derive(Default)]
pub struct Inside {
    /// Of the pane of layers.
    pub layers: LayersView,
    /// Of the pane of attention.
    pub rows: AttentionRows,
    /// The layer of the pane of attention: an index in the probe's.
    pub layer: usize,
    /// Those rows, made once.
    pub made: Option<MadeRows>,
    /// The row of the pane of attention whose weights tint the text.
    pub row: usize,
    /// Whose pass the panels of this frame would show.
    pub wanted: Option<ProbeTarget>,
    /// What the worker was asked for last: a run's number, and a token of it.
    pub asked: Option<(u64, ProbeTarget)>,
    /// A weight for each position, by which the chips are tinted while the pointer is on a row.
    pub tint: Option<Arc<[f32]>>,
    /// The same, as the panels of this frame propose it for the next one.
    pub next_tint: Option<Arc<[f32]>>,
    /// Where the chips of the pane of attention lie.
    pub chips: ChipLayout,
}
