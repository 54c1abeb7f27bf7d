//! The panes by their names.

/// Which pane a narrow window shows, and a lesson turns to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactPane {
    /// Prompt and settings.
    Prompt,
    /// The chips.
    Text,
    /// The pipeline table.
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
    /// Pinned tokens.
    Pinned,
    /// Every token's logit.
    Field,
    /// The two phases.
    Phases,
    /// The KV cache.
    Cache,
    /// GPU time by op.
    Ops,
    /// The inspector.
    Step,
}

impl CompactPane {
    /// Their names in lessons.
    pub const NAMED: [(&str, Self); 14] = [
        ("prompt", Self::Prompt),
        ("text", Self::Text),
        ("pipeline", Self::Pipeline),
        ("curve", Self::Curve),
        ("strategy", Self::Strategy),
        ("tree", Self::Tree),
        ("layers", Self::Layers),
        ("attention", Self::Attention),
        ("pinned", Self::Pinned),
        ("vocabulary", Self::Field),
        ("phases", Self::Phases),
        ("kv-cache", Self::Cache),
        ("gpu-time", Self::Ops),
        ("step", Self::Step),
    ];
}
