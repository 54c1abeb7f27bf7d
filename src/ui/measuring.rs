//! What the window shows of times and of the cache, and what it asked the worker to measure.

/// What the pane of the two phases shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PhasesView {
    /// What goes into the selected step's pass, and what falls out.
    #[default]
    Pass,
    /// The run's text with the KV cache and without it.
    BothWays,
    /// Whether memory or arithmetic bounds a phase.
    Limits,
}

/// By what the times of ops are added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpsBy {
    /// Ops that do the same in every layer.
    #[default]
    Kind,
    /// Layers.
    Layer,
}

/// What is asked for and on show.
#[derive(Default)]
pub struct Measuring {
    /// Of the pane of the two phases.
    pub view: PhasesView,
    /// Of the pane of GPU time.
    pub ops_by: OpsBy,
    /// The node whose ops the panels of this frame would show.
    pub profile_wanted: Option<usize>,
    /// What the worker was asked to time last: a run's number, and a node of it.
    pub profile_asked: Option<(u64, usize)>,
    /// Whether the panels of this frame show what lies in the cache.
    pub cache_wanted: bool,
    /// When the worker was asked for that last: a run's number, its nodes then, and whether it waited.
    pub cache_asked: Option<(u64, usize, bool)>,
}
