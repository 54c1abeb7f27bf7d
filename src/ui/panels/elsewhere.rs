//! What panes say that need a model's inside, where the model is on a server.

use egui::Ui;

use crate::trace::{ModelFacts, ServedBy};
use crate::ui::scene::Scene;
use crate::ui::widgets::empty;

/// The server of the run on show or, without one, of the model that is open.
pub(super) fn server<'a>(scene: &Scene<'a>) -> Option<&'a ServedBy> {
    let loaded = scene.view.loaded.as_deref().map(|loaded| &loaded.model);
    let model: Option<&'a ModelFacts> = scene.run().map(|run| &run.model).or(loaded);
    model?.server.as_ref()
}

/// Says in place of a pane that what it shows stays on the server; whether that is so. `lacks` is what does not come from
/// there, as the beginning of a sentence.
pub(super) fn stays(ui: &mut Ui, scene: &Scene<'_>, lacks: &str) -> bool {
    let Some(server) = server(scene) else { return false };
    let engine = if server.engine.is_empty() { "the server" } else { &server.engine };
    let text = format!(
        "{lacks}: {engine} sends log-probabilities, and nothing of what is inside. Pipeline, Curve, Pinned, Tree and \
         Lanes show what can be seen of it; for its inside, open the same model on this computer."
    );
    empty(ui, "The model is on a server", &text);
    true
}

/// Whether the open model is on a server, whatever run is on show.
pub(super) fn is_open(scene: &Scene<'_>) -> bool {
    scene.view.loaded.as_ref().is_some_and(|loaded| loaded.server.is_some())
}
