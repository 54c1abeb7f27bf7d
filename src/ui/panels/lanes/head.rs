//! The lanes' names, with what can be done with them.

use egui::{CornerRadius, Rect, Role, Sense, Stroke, Ui, UiBuilder, WidgetInfo, pos2, vec2};

use super::badge::{BADGE, badge};
use super::columns::Column;
use super::grid::Grid;
use super::second::{self, Second};
use crate::session::{Status, lane_letter};
use crate::ui::action::Action;
use crate::ui::colours::series;
use crate::ui::icons::Icon;
use crate::ui::lanes::{LaneAction, MOST_LANES, SecondAction};
use crate::ui::panels::phases::stop_words;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, regular, semibold, size, space};
use crate::ui::widgets::{Emphasis, action_button, focus_ring, icon_button, one_line, small_button};

/// Room for the buttons of a lane.
const BUTTONS: f32 = 46.0;

/// How high it is.
pub(super) fn height(grid: &Grid) -> f32 {
    if grid.low { 34.0 } else { 46.0 }
}

/// Shows it.
pub(super) fn show(
    ui: &mut Ui,
    scene: &mut Scene<'_>,
    grid: &Grid,
    (columns, second): (&[Column<'_>], Option<&Second<'_>>),
    rect: Rect,
) {
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, palette(ui).line));
    let corner = grid.first(rect).shrink2(vec2(space::S, 0.0));
    ui.scope_builder(UiBuilder::new().max_rect(corner), |ui| buttons(ui, scene, columns.len()));
    for (lane, column) in columns.iter().enumerate() {
        lane_head(ui, scene, grid, lane, column, grid.lane(rect, lane));
    }
    if let Some(second) = second {
        second::head(ui, scene, grid, second, grid.second(rect));
    }
}

/// What is done with all lanes.
fn buttons(ui: &mut Ui, scene: &mut Scene<'_>, lanes: usize) {
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        let ready = scene.view.loaded.is_some() && !scene.view.has_live_run();
        ui.add_enabled_ui(ready, |ui| {
            let run = action_button(ui, Icon::Play, "Run the lanes", Emphasis::Primary, 34.0);
            if run.on_hover_text("Run the lanes").clicked() {
                scene.actions.push(Action::Lane(LaneAction::Run));
            }
        });
        ui.add_enabled_ui(lanes < MOST_LANES, |ui| {
            if icon_button(ui, Icon::Plus, "Add a lane of the present settings").clicked() {
                scene.actions.push(Action::Lane(LaneAction::Add));
            }
        });
        ui.add_enabled_ui(scene.view.loaded.is_some(), |ui| {
            if icon_button(ui, Icon::Scales, "Hold another model against lane A…").clicked() {
                scene.actions.push(Action::Second(SecondAction::Choose));
            }
        });
    });
}

fn lane_head(ui: &mut Ui, scene: &mut Scene<'_>, grid: &Grid, lane: usize, column: &Column<'_>, cell: Rect) {
    let (ink, shown) = (palette(ui), column.is_shown(scene));
    let letter = lane_letter(lane);
    let edited = scene.state.edited_lane == Some(lane);
    let waits = scene.view.status == Status::Paused;
    let state = state_words(column, edited, waits);
    let id = ui.scope_id().with(("lane", lane));
    let response = ui.interact(cell, id, Sense::click());
    response.widget_info(|| {
        let label = format!("Lane {letter}: {}, {state}", column.name);
        WidgetInfo::selected(Role::ColumnHeader, ui.is_enabled(), shown, label)
    });
    if response.hovered() && column.run.is_some() {
        ui.painter().rect_filled(cell, CornerRadius::ZERO, ink.raised);
    }
    if edited {
        let inside = cell.shrink2(vec2(3.0, 3.0));
        ui.painter().rect_filled(inside, CornerRadius::same(4), ink.accent_soft);
    }
    focus_ring(ui, &response, cell.shrink(2.0));
    if shown {
        let line = cell.shrink2(vec2(space::S, 0.0)).x_range();
        ui.painter().hline(line, cell.bottom() - 1.0, Stroke::new(2.0, ink.accent));
    }
    let first_line = if grid.low { cell.center().y } else { cell.top() + 16.0 };
    badge(ui, letter, series(ui, lane).color, pos2(cell.left() + space::S + BADGE / 2.0, first_line));
    let left = cell.left() + space::S + BADGE + 6.0;
    let room = cell.right() - BUTTONS - left;
    let name = one_line(ui, &column.name, semibold(size::SMALL), ink.text, room);
    ui.painter().galley(pos2(left, first_line - name.size().y / 2.0), name, ink.text);
    if !grid.low {
        let place = pos2(cell.left() + space::S, cell.top() + 34.0);
        let color = if edited { ink.accent } else { ink.tertiary };
        let words = one_line(ui, state, regular(size::CAPTION), color, cell.width() - 2.0 * space::S);
        ui.painter().galley(place - vec2(0.0, words.size().y / 2.0), words, color);
    }
    lane_buttons(ui, scene, lane, edited, pos2(cell.right() - space::XS, first_line));
    if response.clicked() {
        scene.actions.push(Action::Lane(LaneAction::Show { lane, place: None }));
    }
    let what = if column.run.is_some() { "\nClick to show its run in all panes." } else { "" };
    response.on_hover_text(format!("Lane {letter}: {} – {state}.{what}", column.name));
}

fn lane_buttons(ui: &mut Ui, scene: &mut Scene<'_>, lane: usize, edited: bool, right: egui::Pos2) {
    let letter = lane_letter(lane);
    let label = match edited {
        true => format!("Change lane {letter} no more"),
        false => format!("Change lane {letter} with the settings"),
    };
    let icon = if edited { Icon::Check } else { Icon::Pencil };
    let number = 2 * lane as u32;
    if small_button(ui, (icon, number), right - vec2(32.0, 0.0), &label, true).clicked() {
        scene.actions.push(Action::Lane(LaneAction::Edit(lane)));
    }
    let free = !scene.view.has_live_run();
    ui.add_enabled_ui(free, |ui| {
        let label = format!("Remove lane {letter}");
        if small_button(ui, (Icon::Cross, number + 1), right - vec2(11.0, 0.0), &label, true).clicked() {
            scene.actions.push(Action::Lane(LaneAction::Remove(lane)));
        }
    });
}

/// How it stands with a lane.
fn state_words(column: &Column<'_>, edited: bool, waits: bool) -> &'static str {
    match column.run {
        _ if edited => "changes with the settings",
        None => "not run yet",
        Some(_) if column.changed => "changed since its run",
        Some((_, run)) => match run.stop {
            Some(stop) => stop_words(stop),
            None if waits => "waits",
            None if run.line.is_empty() => "begins",
            None => "goes on",
        },
    }
}
