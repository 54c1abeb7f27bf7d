//! Which model it is, how far it has read, and what can be done with it.

use egui::{Align2, CornerRadius, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::super::badge::badge;
use super::super::grid::Grid;
use super::said::{Second, color};
use crate::session::Status;
use crate::ui::action::Action;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::lanes::SecondAction;
use crate::ui::loading;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, regular, semibold, size, space};
use crate::ui::widgets::{one_line, small_button, thin_bar};

/// Room for its letter, and for its buttons.
const BADGE: f32 = 24.0;
const BUTTONS: f32 = 46.0;

/// Shows it.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>, grid: &Grid, second: &Second<'_>, cell: Rect) {
    let ink = palette(ui);
    let name = match (&second.view.model, &second.view.loading) {
        (Some(model), _) => format!("{} · {}", model.name, model.weights),
        (None, Some(loading)) => format!("Loading {}…", loading.name),
        (None, None) => String::new(),
    };
    let state = state_words(scene, second);
    let response = ui.interact(cell, ui.scope_id().with("second"), Sense::hover());
    response.widget_info(|| {
        WidgetInfo::labeled(Role::ColumnHeader, ui.is_enabled(), format!("Model M: {name}, {state}"))
    });
    ui.painter().rect_filled(cell, CornerRadius::ZERO, color(ui).gamma_multiply(0.06));
    let first_line = if grid.low { cell.center().y } else { cell.top() + 16.0 };
    badge(ui, 'M', color(ui), pos2(cell.left() + space::S + 9.0, first_line));
    let left = cell.left() + space::S + BADGE;
    let room = cell.right() - BUTTONS - left;
    let galley = one_line(ui, &name, semibold(size::SMALL), ink.text, room);
    ui.painter().galley(pos2(left, first_line - galley.size().y / 2.0), galley, ink.text);
    if !grid.low {
        second_line(ui, second, &state, cell);
    }
    if let Some(loading) = &second.view.loading {
        let bar = Rect::from_min_max(pos2(cell.left(), cell.bottom() - 3.0), cell.right_bottom());
        let share = loading.share.fraction().map(|share| share as f32);
        thin_bar(ui, bar, share, color(ui));
    }
    buttons(ui, scene, second, pos2(cell.right() - space::XS, first_line));
    let memory = memory_words(second);
    response.on_hover_ui(|ui| {
        ui.set_max_width(320.0);
        ui.spacing_mut().item_spacing.y = 4.0;
        ui.label(egui::RichText::new(format!("Model M: {name}")).font(semibold(size::BODY)).color(ink.text));
        let small = |text: String| egui::RichText::new(text).size(size::SMALL).color(ink.secondary);
        ui.label(small(format!("{state}{memory}")));
        let about = "It reads lane A's prompt and text, while the lanes wait: what it says of each step stands beside that \
                     step. Lane A's run stays as it is.";
        ui.label(small(about.to_owned()));
    });
}

/// How it stands with it, and what the numbers below are.
fn second_line(ui: &Ui, second: &Second<'_>, state: &str, cell: Rect) {
    let ink = palette(ui);
    let y = cell.top() + 34.0;
    let inside = cell.shrink2(vec2(space::S, 0.0));
    let mut right = inside.right();
    if !second.opinions.is_empty() {
        for (words, width) in super::cell::numbers(inside.width()) {
            let at = pos2(right, y);
            ui.painter().text(at, Align2::RIGHT_CENTER, words, regular(size::CAPTION), ink.secondary);
            right -= width;
        }
    }
    let room = right - inside.left();
    let words = one_line(ui, state, regular(size::CAPTION), ink.tertiary, room);
    ui.painter().galley(pos2(inside.left(), y - words.size().y / 2.0), words, ink.tertiary);
}

/// Its weights and its cache.
fn memory_words(second: &Second<'_>) -> String {
    let Some(model) = &second.view.model else { return String::new() };
    let (weights, cache) = (format::bytes(model.weight_bytes), format::bytes(second.view.cache_bytes));
    format!(
        "\n{} · {} parameters · {weights} of weights and {cache} of KV cache and states on the GPU, beside those of the open \
         model (measured)",
        model.family,
        format::parameters(model.parameters)
    )
}

fn state_words(scene: &Scene<'_>, second: &Second<'_>) -> String {
    if let Some(loading) = &second.view.loading {
        return loading::figure(loading.part, loading.share);
    }
    let memory = second.view.model.as_ref().map_or(0, |model| model.weight_bytes) + second.view.cache_bytes;
    let read = match (second.opinions.len(), second.steps()) {
        (_, 0) => "reads lane A's text once it runs".to_owned(),
        (read, steps) if read == steps => "has read all".to_owned(),
        (_, _) if !second.view.reads => "reads no more".to_owned(),
        (_, _) if matches!(scene.view.status, Status::Initiating { .. } | Status::Running) => {
            "reads when the lanes wait".to_owned()
        }
        (read, steps) => format!("reads: {} of {}", format::count(read as u64), format::count(steps as u64)),
    };
    format!("{read} · {}", format::bytes(memory))
}

fn buttons(ui: &mut Ui, scene: &mut Scene<'_>, second: &Second<'_>, right: egui::Pos2) {
    /// Beyond those of the lanes.
    const NUMBER: u32 = 100;
    if second.view.model.is_some() {
        let reads = second.view.reads;
        let (icon, label) = match reads {
            true => (Icon::Pause, "Let model M read no more"),
            false => (Icon::Play, "Let model M read on"),
        };
        if small_button(ui, (icon, NUMBER), right - vec2(32.0, 0.0), label, true).clicked() {
            scene.actions.push(Action::Second(SecondAction::Read(!reads)));
        }
    }
    let label = if second.view.model.is_some() { "Remove model M" } else { "Stop loading model M" };
    if small_button(ui, (Icon::Cross, NUMBER + 1), right - vec2(11.0, 0.0), label, true).clicked() {
        scene.actions.push(Action::Second(SecondAction::Drop));
    }
}
