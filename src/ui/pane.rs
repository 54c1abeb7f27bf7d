//! The panes of the centre by name, for whatever names one: the dock, menus, what is remembered.

use crate::trace::{Run, StrategyKind};

/// A pane of the centre. Its title without a run is what it is remembered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// The text as chips.
    Text,
    /// The candidates of the selected step through the stages.
    Pipeline,
    /// Probability over rank.
    Curve,
    /// What the strategy weighed.
    Strategy,
    /// The run's tree.
    Tree,
    /// Inside the step: layer by layer.
    Layers,
    /// Inside the step: where attention looked.
    Attention,
    /// Pinned tokens over the steps.
    Pinned,
    /// Every token's logit.
    Field,
    /// The two phases: a pass, and the text with and without the KV cache.
    Phases,
    /// The KV cache.
    Cache,
    /// GPU time by op.
    Ops,
    /// Runs side by side.
    Lanes,
}

impl Pane {
    /// All of them, in the order of tabs and lists.
    pub(super) const ALL: [Self; 13] = [
        Self::Text,
        Self::Pipeline,
        Self::Curve,
        Self::Strategy,
        Self::Tree,
        Self::Layers,
        Self::Attention,
        Self::Pinned,
        Self::Field,
        Self::Phases,
        Self::Cache,
        Self::Ops,
        Self::Lanes,
    ];

    /// The title of its tab, while this run is on show.
    pub(super) fn title(self, run: Option<&Run>) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Pipeline => "Pipeline",
            Self::Curve => "Curve",
            Self::Strategy => strategy(run),
            Self::Tree => "Tree",
            Self::Layers => "Layers",
            Self::Attention => "Attention",
            Self::Pinned => "Pinned",
            Self::Field => "Vocabulary",
            Self::Phases => "Phases",
            Self::Cache => "KV cache",
            Self::Ops => "GPU time",
            Self::Lanes => "Lanes",
        }
    }

    /// Whether what it shows can be written as a table.
    pub(super) fn has_table(self) -> bool {
        matches!(self, Self::Text | Self::Pipeline | Self::Strategy | Self::Layers | Self::Pinned)
    }
}

/// What a narrow window shows one at a time, and a lesson turns to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactPane {
    /// Prompt and settings.
    Prompt,
    /// A pane of the centre.
    Pane(Pane),
    /// The inspector.
    Step,
}

impl CompactPane {
    /// Their names in lessons.
    pub const NAMED: [(&str, Self); 15] = [
        ("prompt", Self::Prompt),
        ("text", Self::Pane(Pane::Text)),
        ("pipeline", Self::Pane(Pane::Pipeline)),
        ("curve", Self::Pane(Pane::Curve)),
        ("strategy", Self::Pane(Pane::Strategy)),
        ("tree", Self::Pane(Pane::Tree)),
        ("layers", Self::Pane(Pane::Layers)),
        ("attention", Self::Pane(Pane::Attention)),
        ("pinned", Self::Pane(Pane::Pinned)),
        ("vocabulary", Self::Pane(Pane::Field)),
        ("phases", Self::Pane(Pane::Phases)),
        ("kv-cache", Self::Pane(Pane::Cache)),
        ("gpu-time", Self::Pane(Pane::Ops)),
        ("lanes", Self::Pane(Pane::Lanes)),
        ("step", Self::Step),
    ];
}

/// The title of the pane that shows what the strategy weighed.
fn strategy(run: Option<&Run>) -> &'static str {
    match run.map(|run| run.strategy) {
        Some(StrategyKind::Beam) => "Beams",
        Some(StrategyKind::Contrastive) => "Contrastive",
        Some(StrategyKind::Speculative) => "Draft",
        Some(StrategyKind::Lookahead) => "Lookahead",
        Some(StrategyKind::Greedy | StrategyKind::Sample | StrategyKind::Server) | None => "Strategy",
    }
}
