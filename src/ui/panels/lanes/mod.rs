//! Lanes: the same prompt in several ways side by side, aligned by step. What they are on top, their tokens below, and
//! what they took at the bottom.

mod badge;
mod columns;
mod grid;
mod head;
mod rows;
mod second;
mod totals;

use egui::{Align, Layout, Rect, Ui, UiBuilder, pos2, vec2};

use crate::ui::action::Action;
use crate::ui::icons::Icon;
use crate::ui::lanes::{LaneAction, SecondAction};
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, space};
use crate::ui::widgets::{Emphasis, action_button, empty};
use grid::Grid;
use second::Second;

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if scene.state.remembered.lanes.is_empty() {
        return nothing_yet(ui, scene);
    }
    let whole = ui.available_rect_before_wrap();
    let columns = columns::of(scene);
    let second = Second::of(scene, &columns);
    let second = second.as_ref();
    let grid = Grid::of(whole, columns.len(), second.is_some());
    let head = Rect::from_min_size(whole.min, vec2(whole.width(), head::height(&grid)));
    let foot = totals::height(&grid).min((whole.height() - head.height()) * 0.6);
    let foot = Rect::from_min_max(pos2(whole.left(), whole.bottom() - foot), whole.max);
    let middle = Rect::from_min_max(head.left_bottom(), foot.right_top());
    let part = |ui: &mut Ui, rect: Rect, add: &mut dyn FnMut(&mut Ui)| {
        ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
            ui.set_clip_rect(rect.intersect(ui.clip_rect()));
            ui.spacing_mut().item_spacing.y = 0.0;
            add(ui);
        });
    };
    part(ui, head, &mut |ui| head::show(ui, scene, &grid, (&columns, second), head));
    part(ui, middle, &mut |ui| rows::show(ui, scene, &grid, &columns, second));
    part(ui, foot, &mut |ui| totals::show(ui, scene, &grid, &columns, foot));
    if let Some(second) = second {
        part(ui, foot, &mut |ui| second::foot(ui, &grid, second, grid.second(foot)));
    }
    // What the lanes share goes across all columns, and so does what is said before they ran.
    let end = foot.bottom() - totals::line_height(&grid) - 4.0;
    let parts = match columns.iter().any(|column| column.run.is_some()) {
        true => vec![whole.with_max_y(end)],
        false => vec![head, foot.with_max_y(end)],
    };
    parts
        .into_iter()
        .for_each(|part| separators(ui, &grid, columns.len() + usize::from(second.is_some()), part));
    ui.allocate_rect(whole, egui::Sense::hover());
}

/// Thin lines between the columns.
fn separators(ui: &Ui, grid: &Grid, lanes: usize, whole: Rect) {
    let stroke = egui::Stroke::new(1.0, palette(ui).line);
    for lane in 0..lanes {
        ui.painter().vline(grid.lane(whole, lane).left(), whole.y_range(), stroke);
    }
}

/// What the pane says before there are lanes.
fn nothing_yet(ui: &mut Ui, scene: &mut Scene<'_>) {
    let whole = ui.available_rect_before_wrap();
    let text = "One prompt, up to four ways to decode it, step by step beside each other: a lane is a copy of the \
                settings, which you then change. Or another model reads the same text and says what it would have said.";
    // In a low pane the buttons stand beside each other.
    const BUTTON: f32 = 240.0;
    let low = whole.height() < 240.0;
    let (columns, height) = if low { (2.0, 32.0) } else { (1.0, 72.0) };
    let size = vec2(columns * (BUTTON + space::S) - space::S, height);
    let room = Rect::from_min_max(whole.min, pos2(whole.right(), whole.bottom() - height - 28.0));
    ui.scope_builder(UiBuilder::new().max_rect(room), |ui| empty(ui, "No lanes yet", text));
    let middle = whole.center().y + if low { 56.0 } else { 66.0 };
    let at = Rect::from_center_size(pos2(whole.center().x, middle), size);
    let layout = if low { Layout::left_to_right(Align::Center) } else { Layout::top_down(Align::Min) };
    ui.scope_builder(UiBuilder::new().max_rect(at).layout(layout), |ui| {
        ui.spacing_mut().item_spacing = vec2(space::S, space::S);
        if action_button(ui, Icon::Lanes, "Set up two lanes", Emphasis::Primary, BUTTON).clicked() {
            scene.actions.push(Action::Lane(LaneAction::Begin));
        }
        ui.add_enabled_ui(scene.view.loaded.is_some(), |ui| {
            let words = "Compare with another model…";
            if action_button(ui, Icon::Scales, words, Emphasis::Secondary, BUTTON).clicked() {
                scene.actions.push(Action::Second(SecondAction::Choose));
            }
        });
    });
}
