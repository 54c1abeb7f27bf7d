//! What a model keeps of the text so far, in the panels' words: a KV cache, states or both. Models without states are told
//! of as ever.

use egui::Ui;

use crate::session::{Inspection, MemoryNeed};
use crate::trace::{Counters, ModelFacts, Run};
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::widgets::{fact, fact_named};
use crate::units::LayersKeep;

/// What a model keeps of the text so far.
pub(super) enum Kept {
    Cache,
    States,
    Both,
}

impl Kept {
    /// That of the run on show, or of the model that is ready.
    pub(super) fn of(scene: &Scene<'_>) -> Self {
        let loaded = scene.view.loaded.as_ref().map(|loaded| &loaded.model);
        let model = scene.run().map(|run| &run.model).or(loaded);
        let layers = model.map(|model| model.layers_keep).unwrap_or_default();
        match (layers.caches(), layers.states()) {
            (_, 0) => Self::Cache,
            (0, _) => Self::States,
            _ => Self::Both,
        }
    }

    /// What happens in initiation.
    pub(super) fn initiation(&self) -> &'static str {
        match self {
            Self::Cache => {
                "One pass through the decoder fills the KV cache for every prompt position (also called prefill)."
            }
            Self::States => {
                "One pass through the decoder brings the states to the prompt's end (also called prefill)."
            }
            Self::Both => {
                "One pass through the decoder fills the KV cache for every prompt position, and brings the states to the \
                 prompt's end (also called prefill)."
            }
        }
    }

    /// What goes into an incremental step.
    pub(super) fn step_input(&self) -> &'static str {
        match self {
            Self::Cache => "The newest token alone; the earlier ones are in the KV cache.",
            Self::States => "The newest token alone; the states stand for the earlier ones.",
            Self::Both => "The newest token alone; KV cache and states stand for the earlier ones.",
        }
    }
}

/// How many layers keep what; nothing where there are no states.
fn layers(keep: LayersKeep) -> Vec<(&'static Definition, String)> {
    if keep.states() == 0 {
        return Vec::new();
    }
    let count = |layers: usize| format::count(layers as u64);
    vec![
        (&definitions::CACHE_LAYERS, count(keep.caches())),
        (&definitions::STATE_LAYERS, count(keep.states())),
    ]
}

/// How many tokens went in at initiation: of a conversation that goes on, those that are new.
pub(super) fn entered(run: &Run) -> String {
    match run.continued_positions {
        0 => format::plural(run.prompt.len(), "token"),
        continued => format::plural(run.prompt.len().saturating_sub(continued), "new token"),
    }
}

/// The parts of latent keys and values, where the KV cache has such.
pub(super) fn latent_parts(keep: LayersKeep) -> Option<(&'static Definition, String)> {
    keep.latent.map(|parts| (&definitions::LATENT_PARTS, parts.words()))
}

/// What a loaded model keeps beside its KV cache, and the parts of that; nothing where there are neither states nor parts.
pub(super) fn facts_of(model: &ModelFacts) -> Vec<(&'static Definition, String)> {
    let mut facts = layers(model.layers_keep);
    if !facts.is_empty() {
        facts.insert(0, (&definitions::STATE_BYTES, format::bytes(model.state_bytes_per_sequence)));
    }
    facts.extend(latent_parts(model.layers_keep));
    facts
}

/// The states after a step.
pub(super) fn after_step(ui: &mut Ui, model: &ModelFacts, counters: &Counters) {
    if let Some(states) = counters.states {
        let again = usize::try_from(states.recomputed_positions).unwrap_or(usize::MAX);
        fact(ui, &definitions::STATES, &format::count(states.stored as u64));
        fact(ui, &definitions::STATE_MEMORY, &format::bytes(states.bytes));
        fact(ui, &definitions::RECOMPUTED, &format::plural(again, "position"));
    }
    show(ui, layers(model.layers_keep));
}

/// What the layers of a model keep that is not loaded.
pub(super) fn by_headers(ui: &mut Ui, facts: &Inspection) {
    let keep = facts.layers_keep.unwrap_or_default();
    let layers = layers(keep);
    if let Some(parts) = latent_parts(keep).filter(|_| layers.is_empty()) {
        let size = facts.cache_bytes_per_position.map(format::bytes);
        show(ui, size.map(|size| (&definitions::BYTES_A_POSITION, size)).into_iter().chain([parts]));
    }
    if layers.is_empty() {
        return;
    }
    show(ui, layers);
    let sizes = [
        (&definitions::BYTES_A_POSITION, facts.cache_bytes_per_position),
        (&definitions::STATE_BYTES, facts.state_bytes_per_sequence),
    ];
    show(ui, sizes.into_iter().filter_map(|(definition, size)| Some((definition, format::bytes(size?)))));
}

fn show(ui: &mut Ui, facts: impl IntoIterator<Item = (&'static Definition, String)>) {
    facts.into_iter().for_each(|(definition, value)| {
        fact(ui, definition, &value);
    });
}

/// The memory of KV cache and states, where there are states.
pub(super) fn need(ui: &mut Ui, need: &MemoryNeed) {
    if need.state_bytes == 0 {
        return;
    }
    let name = format!("KV cache, with {} positions", format::count(need.context as u64));
    fact_named(ui, &name, &definitions::CACHE_NEED, &format::bytes(need.cache_bytes));
    fact_named(ui, "States, with checkpoints", &definitions::STATES_NEED, &format::bytes(need.state_bytes));
}
