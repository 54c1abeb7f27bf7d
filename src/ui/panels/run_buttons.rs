//! The buttons that run, step and stop.

use egui::Ui;

use crate::session::Status;
use crate::ui::action::Action;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::widgets::{Emphasis, action_button};

/// Run, step and stop, of these widths.
pub(super) fn run_buttons(ui: &mut Ui, scene: &mut Scene<'_>, widths: &[f32; 3]) {
    let ready = scene.view.loaded.is_some();
    let (icon, label, action, hint) = match scene.view.status {
        Status::Initiating { .. } | Status::Running => {
            (Icon::Pause, "Pause", Action::Pause, "Hold after the step in progress (Space)")
        }
        Status::Paused => (Icon::Play, "Resume", Action::Run, "Go on at full speed (Space)"),
        _ if !scene.state.remembered.lanes.is_empty() => (
            Icon::Play,
            "Run",
            Action::Run,
            "Decode from the prompt once, by these settings, and put the lanes' runs away (Space, or Ctrl+Enter). The \
             lanes run by the button in their own pane.",
        ),
        _ => (Icon::Play, "Run", Action::Run, "Decode from the prompt (Space, or Ctrl+Enter)"),
    };
    let remembered = &scene.state.remembered;
    let chats = remembered.chats(scene.view.loaded.as_deref());
    let asks = !chats || remembered.talk.with(&remembered.prompt).is_some();
    let missing = if ready { "Write a message first" } else { "Open a model first" };
    ui.add_enabled_ui(ready && (asks || scene.view.has_live_run()), |ui| {
        let response = action_button(ui, icon, label, Emphasis::Primary, widths[0]);
        let response = response.on_hover_text(hint).on_disabled_hover_text(missing);
        if response.clicked() {
            scene.actions.push(action);
        }
    });
    let running = matches!(scene.view.status, Status::Initiating { .. } | Status::Running);
    ui.add_enabled_ui(ready && !running && (asks || scene.view.has_live_run()), |ui| {
        let response = action_button(ui, Icon::Step, "Step", Emphasis::Secondary, widths[1]);
        let (action, hint) = match scene.view.status {
            Status::Ready => (Action::StepAnew, "The first step of a new run, then pause (S)"),
            _ => (Action::StepOnce, "One step, then pause (S)"),
        };
        if response.on_hover_text(hint).clicked() {
            scene.actions.push(action);
        }
    });
    ui.add_enabled_ui(scene.view.has_live_run(), |ui| {
        let response = action_button(ui, Icon::Stop, "Stop", Emphasis::Secondary, widths[2]);
        if response.on_hover_text("End the run and keep its text (Esc)").clicked() {
            scene.actions.push(Action::Stop);
        }
    });
}
