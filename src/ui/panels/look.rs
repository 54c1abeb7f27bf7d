//! What the panes inside a step have in common: which pass they look into, and what they say while there is nothing to
//! see.

use egui::{Ui, vec2};

use super::elsewhere;
use super::prompt_token::no_step;
use crate::session::{Found, ProbeTarget, Status};
use crate::trace::{Run, Token};
use crate::ui::action::Action;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::state::Origin;
use crate::ui::theme::space;
use crate::ui::token_text;
use crate::ui::widgets::{Emphasis, action_button, empty};

/// What is inside the selected step.
pub(super) struct Look<'a> {
    pub found: &'a Found,
    /// Whether it is the selected step's; that of the one before is shown, fainter, until then.
    pub is_current: bool,
}

impl<'a> Look<'a> {
    /// What was found inside the selected step; asks for it, and says so, while there is nothing.
    pub(super) fn of(ui: &mut Ui, scene: &mut Scene<'a>) -> Option<Self> {
        if elsewhere::stays(ui, scene, "Layers and attention are computed there") {
            return None;
        }
        let Some(target) = scene.run().and_then(|run| target(scene, run)) else {
            no_step(ui, scene, "What lies inside the selected step's pass appears here, layer by layer.");
            return None;
        };
        let inside = &scene.state.inside;
        let asked = inside.asked.filter(|(run, _)| *run == scene.state.run_number).map(|(_, asked)| asked);
        let answer = scene.view.probed.as_deref().filter(|_| asked.is_some());
        match answer {
            Some(probed) if probed.target == target && asked == Some(target) => match &probed.found {
                Ok(found) => return Some(Self { found, is_current: true }),
                Err(reason) => again(ui, scene, target, "Nothing to see inside", &sentence(reason)),
            },
            _ if target == ProbeTarget::Prompt(0) => {
                empty(ui, "Nothing before it", "No pass led to the first token: select a later one.");
            }
            _ if scene.state.origin != Origin::Worker || scene.view.loaded.is_none() => empty(
                ui,
                "The model is not at hand",
                "A look inside computes the step's pass again: open its model and run the prompt.",
            ),
            _ if !matches!(scene.view.status, Status::Paused | Status::Ready) && asked != Some(target) => {
                let text = "The run goes on. Pause it to look inside each step you select, or look now: it makes no difference to the run.";
                again(ui, scene, target, "Inside this step", text);
            }
            before => {
                scene.state.inside.wanted = Some(target).filter(|_| asked != Some(target));
                if let Some(Ok(found)) = before.map(|probed| &probed.found) {
                    return Some(Self { found, is_current: false });
                }
                empty(ui, "Looking inside…", "The step's pass is computed once more, op by op.");
            }
        }
        None
    }

    /// A token that the probe names, as visible text.
    pub(super) fn token(&self, id: u32) -> String {
        let piece = self.found.pieces.get(&id).cloned().unwrap_or_default();
        token_text::of_token(&Token { id, piece })
    }
}

/// The selected token; a preview under the pointer is not worth a pass.
fn target(scene: &Scene<'_>, run: &Run) -> Option<ProbeTarget> {
    let cursor = &scene.state.cursor;
    let step = cursor.selected.and_then(|place| run.line.get(place)).map(|&node| ProbeTarget::Node(node));
    step.or(cursor.prompt.map(ProbeTarget::Prompt))
}

/// A message with a button to look, or to look again.
fn again(ui: &mut Ui, scene: &mut Scene<'_>, target: ProbeTarget, title: &str, text: &str) {
    if offered(ui, title, text, "Look inside") {
        scene.actions.push(Action::LookInside(target));
    }
}

/// A message with a button below it for a pass of its own; whether that was pressed.
pub(super) fn offered(ui: &mut Ui, title: &str, text: &str, button: &str) -> bool {
    let room = ui.available_size();
    let height = (room.y / 2.0 + space::XL).min(room.y - 44.0).max(0.0);
    ui.allocate_ui(vec2(room.x, height), |ui| empty(ui, title, text));
    ui.vertical_centered(|ui| action_button(ui, Icon::Step, button, Emphasis::Secondary, 132.0).clicked())
        .inner
}

/// A reason as a sentence.
pub(super) fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// The token at a position of prompt and text.
pub(super) fn at_position(run: &Run, position: usize) -> String {
    match run.prompt.get(position) {
        Some(token) => token_text::of_prompt(token),
        None => run.at(position - run.prompt.len()).map(token_text::of_node).unwrap_or_default(),
    }
}
