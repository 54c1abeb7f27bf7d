//! Inside a step: where attention looked. A row for each head, group or layer, a column for each position, and the text
//! tinted by a row's weights.

mod matrix;
mod rows;
mod tinted_text;

use std::sync::Arc;

use egui::{Rect, RichText, Role, Sense, Ui, Vec2, WidgetInfo, vec2};

use super::look::Look;
use crate::session::probe::LayerProbe;
use crate::trace::Run;
use crate::ui::colours::weight_tint;
use crate::ui::icons::Icon;
use crate::ui::inside::AttentionRows;
use crate::ui::scene::Scene;
use crate::ui::table::framed;
use crate::ui::theme::{palette, semibold, size, space};
use crate::ui::widgets::{empty, icon_button, segmented};

/// From this width on the text stands beside the matrix, otherwise below it.
const BESIDE: f32 = 700.0;

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(look) = Look::of(ui, scene) else { return };
    let Some(run) = scene.run() else { return };
    if !look.is_current {
        ui.set_opacity(0.45);
    }
    let layers = &look.found.probe.layers;
    let with_attention: Vec<usize> =
        (0..layers.len()).filter(|&index| layers[index].inside.attention.is_some()).collect();
    let Some(&first) = with_attention.first() else {
        empty(ui, "No attention", "This model's layers keep states instead: the pane of layers shows them.");
        return;
    };
    if !with_attention.contains(&scene.state.inside.layer) {
        scene.state.inside.layer = first;
    }
    framed(ui, |ui| {
        controls(ui, scene, layers, &with_attention);
        legend(ui, scene.state.inside.rows);
        ui.add_space(space::S);
        shown(ui, scene, run, &look);
    });
}

/// The matrix, and the text by the row that counts.
fn shown(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, look: &Look<'_>) {
    let rows = rows::shown(&mut scene.state.inside, &look.found.probe);
    if scene.state.inside.row >= rows.len() {
        scene.state.inside.row = 0;
    }
    let room = ui.available_size();
    let mut both = |ui: &mut Ui, matrix: Vec2, text: Vec2| {
        let hovered = ui.allocate_ui(matrix, |ui| matrix::show(ui, scene, run, &rows, matrix.y)).inner;
        let Some(row) = rows.get(hovered.unwrap_or(scene.state.inside.row)) else { return };
        if hovered.is_some() && look.is_current {
            scene.state.inside.next_tint = Some(Arc::clone(&row.weights));
        }
        ui.allocate_ui(text, |ui| tinted_text::show(ui, scene, run, row));
    };
    if room.x >= BESIDE {
        let text = vec2(room.x * 0.38, room.y);
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::L;
            both(ui, vec2(room.x - text.x - space::L, room.y), text);
        });
    } else {
        let matrix = (room.y * 0.62).max(room.y - 180.0);
        both(ui, vec2(room.x, matrix), vec2(room.x, room.y - matrix - space::S));
    }
}

/// What rows and columns are, and what the colours mean.
fn legend(ui: &mut Ui, rows: AttentionRows) {
    let palette = palette(ui);
    let row = match rows {
        AttentionRows::Heads => "a head",
        AttentionRows::Groups => "a group of heads that share keys and values",
        AttentionRows::Layers => "a layer's mean",
    };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        let small = |text: String| RichText::new(text).size(size::CAPTION).color(palette.tertiary);
        ui.label(small(format!("row: {row} · column: a position that is looked at, from 0 · weight")));
        ui.label(small("0 %".to_owned()));
        let (bar, response) = ui.allocate_exact_size(vec2(72.0, 8.0), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Attention weight from 0 % to 100 %"));
        for step in 0..36 {
            let left = bar.left() + 2.0 * step as f32;
            let part = Rect::from_x_y_ranges(left..=left + 2.0, bar.y_range());
            ui.painter().rect_filled(part, 0.0, weight_tint(ui, palette.raised, step as f32 / 35.0));
        }
        ui.label(small("100 %".to_owned()));
    });
}

/// Which layer, and what a row is.
fn controls(ui: &mut Ui, scene: &mut Scene<'_>, layers: &[LayerProbe], with_attention: &[usize]) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        let inside = &mut scene.state.inside;
        let place = with_attention.iter().position(|index| *index == inside.layer).unwrap_or(0);
        let of_layers = inside.rows == AttentionRows::Layers;
        ui.add_enabled_ui(!of_layers, |ui| {
            let mut step = |ui: &mut Ui, icon, label, to: Option<usize>| {
                ui.add_enabled_ui(to.is_some(), |ui| {
                    if icon_button(ui, icon, label).clicked() {
                        inside.layer =
                            to.and_then(|to| with_attention.get(to).copied()).unwrap_or(inside.layer);
                    }
                });
            };
            step(ui, Icon::Up, "Layer before", place.checked_sub(1));
            step(ui, Icon::Down, "Layer after", Some(place + 1).filter(|to| *to < with_attention.len()));
        });
        let layer = &layers[inside.layer];
        let title = match inside.rows {
            AttentionRows::Layers => "All layers".to_owned(),
            _ => format!("Layer {}", layer.layer),
        };
        ui.add_space(space::XS);
        ui.label(RichText::new(title).font(semibold(size::BODY)));
        let window = layer.inside.attention.as_ref().and_then(|attention| attention.window);
        if let (Some(window), false) = (window, of_layers) {
            let text = match window {
                1 => "sees its own position alone".to_owned(),
                window => format!("sees the last {window} positions"),
            };
            ui.label(RichText::new(text).size(size::SMALL).color(palette(ui).tertiary));
        }
        let room = ui.available_width();
        let width = room.min(252.0);
        ui.add_space(room - width);
        ui.allocate_ui(vec2(width, 30.0), |ui| {
            let choices = [
                (AttentionRows::Heads, "Heads"),
                (AttentionRows::Groups, "Groups"),
                (AttentionRows::Layers, "Layers"),
            ];
            if let Some(rows) = segmented(ui, inside.rows, &choices) {
                (inside.rows, inside.row) = (rows, 0);
            }
        });
    });
}
