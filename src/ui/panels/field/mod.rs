//! The vocabulary field: a cell for each token of the vocabulary, coloured by its logit at the selected step. What a
//! stage has cut is dim; the chosen token, the pinned ones and those of the search are ringed.

mod cells;

use egui::{
    Align, ComboBox, CursorIcon, Frame, Layout, Margin, Rect, Response, RichText, Role, Sense, Stroke,
};
use egui::{TextEdit, Ui, WidgetInfo, vec2};

use super::prompt_token::no_step;
use crate::session::{Status, WholeRow};
use crate::trace::{Node, Token};
use crate::ui::action::Action;
use crate::ui::colours::{quantity, series};
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::state::Origin;
use crate::ui::theme::{mono, palette, regular, size, space};
use crate::ui::token_text;
use crate::ui::widgets::{combo_icon, empty, keep_focus};
use cells::Cells;

pub(crate) use cells::forget_texture;

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let selected = scene.state.cursor.selected;
    let Some((run, place)) = scene.run().zip(selected).filter(|(run, place)| *place < run.line.len()) else {
        no_step(ui, scene, "Every token of the vocabulary shows here as a cell, coloured by its logit.");
        return;
    };
    let index = run.line[place];
    if scene.state.origin != Origin::Worker || scene.view.loaded.is_none() {
        let words =
            "The trace has a step's highest logits only. Open its model and run the prompt to see them all.";
        empty(ui, "No whole row", words);
        return;
    }
    if let Some(server) = run.model.server.as_ref().filter(|server| !server.whole_rows) {
        let words = format!(
            "The server sends the {} highest log-probabilities of a row, and this pane needs all. The pipeline has those that \
             came. vLLM sends all when it is started with --max-logprobs -1.",
            format::count(server.most_listed as u64)
        );
        empty(ui, "No whole row", &words);
        return;
    }
    let waits = matches!(scene.view.status, Status::Paused | Status::Ready);
    let Some(row) = scene.view.row.clone().filter(|row| row.node == index) else {
        if waits {
            // Computed once more by the worker, and only while this pane is in sight.
            if scene.state.row_asked != Some(index) {
                ui.ctx().request_repaint();
            }
            scene.state.field_wants = Some(index);
            empty(ui, "Computing the row", "All logits of the selected step are on their way.");
        } else {
            empty(ui, "The run moves", "Pause it to see every token's logit at the selected step.");
        }
        return;
    };
    Frame::new().inner_margin(Margin::symmetric(space::M as i8, space::S as i8)).show(ui, |ui| {
        tools(ui, scene, &run.nodes[index], &row);
        field(ui, scene, &run.nodes[index], &row);
    });
}

/// Which stage is shown, what the colours mean, and the search.
fn tools(ui: &mut Ui, scene: &mut Scene<'_>, node: &Node, row: &WholeRow) {
    let served = scene.run().is_some_and(|run| run.model.server.is_some());
    let stages = &node.stages;
    let name = |lit: Option<usize>| match lit.and_then(|stage| stages.get(stage)) {
        Some(stage) => format!("kept after {}", stage.name),
        None => "all tokens".to_owned(),
    };
    ui.horizontal(|ui| {
        let lit = &mut scene.state.field_stage;
        *lit = lit.filter(|stage| *stage < stages.len());
        let combo = ComboBox::from_id_salt("lit")
            .selected_text(RichText::new(format!("Lit: {}", name(*lit))).size(size::SMALL))
            .icon(combo_icon)
            .show_ui(ui, |ui| {
                for choice in std::iter::once(None).chain((0..stages.len()).map(Some)) {
                    ui.selectable_value(lit, choice, name(choice));
                }
            });
        combo.response.accessible_name("Lit cells");
        legend(ui, row, served);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let width = ui.available_width().min(200.0);
            let edit = TextEdit::singleline(&mut scene.state.pin_query).hint_text("find: text or id");
            let response = ui.add_sized(vec2(width, 26.0), edit).accessible_name("Find a token in the field");
            keep_focus(ui, &response);
        });
    });
}

/// The scale of the colours, with the quantity that they stand for.
fn legend(ui: &mut Ui, row: &WholeRow, served: bool) {
    let [low, high] = cells::range(&row.logits);
    let color = palette(ui).tertiary;
    let text = |value| RichText::new(format::value(value)).font(mono(size::CAPTION)).color(color);
    let name = if served { "log-probability" } else { "logit" };
    ui.label(RichText::new(name).size(size::CAPTION).color(color));
    ui.label(text(low));
    let (rect, _) = ui.allocate_exact_size(vec2(64.0, 8.0), Sense::hover());
    for step in 0..32 {
        let left = rect.left() + rect.width() * step as f32 / 32.0;
        let part = Rect::from_min_size(egui::pos2(left, rect.top()), vec2(rect.width() / 32.0 + 0.5, 8.0));
        ui.painter().rect_filled(part, 0.0, quantity(ui, step as f32 / 31.0));
    }
    ui.label(text(high));
}

/// The cells with their rings.
fn field(ui: &mut Ui, scene: &mut Scene<'_>, node: &Node, row: &WholeRow) {
    let size = ui.available_size().max(vec2(64.0, 32.0));
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let cells = Cells::new(rect, row.logits.len());
    let stage = scene.state.field_stage;
    let key = cells::Key {
        run: scene.state.run_number,
        node: row.node,
        stage,
        columns: cells.columns,
        dark: ui.visuals().dark_mode,
    };
    let texture = cells::texture(ui, key, row);
    let uv = Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
    ui.painter().image(texture.id(), cells.rect, uv, egui::Color32::WHITE);
    let lit = row.cut_by.iter().filter(|cut| cells::is_lit(**cut, stage)).count();
    response.widget_info(|| {
        let count = format::plural(row.logits.len(), "token");
        let words =
            format!("Vocabulary field of step {}: {count}, {} lit", node.step, format::count(lit as u64));
        WidgetInfo::labeled(Role::Image, true, words)
    });
    rings(ui, scene, node, &cells);
    let pointed = response.hover_pos().and_then(|pointer| cells.id_at(pointer));
    let Some(id) = pointed else { return };
    let stroke = Stroke::new(1.0, palette(ui).text);
    ui.painter().rect_stroke(cells.cell(id).expand(1.5), 1.0, stroke, egui::StrokeKind::Outside);
    let token = Token { id, piece: scene.view.vocabulary.get(id as usize).cloned().unwrap_or_default() };
    if response.clicked() && scene.can_toggle_pin(id) {
        scene.actions.push(Action::TogglePin(token.clone()));
    }
    explain(response, scene, node, row, &token);
}

/// Rings around the chosen token, the pinned ones, and those that the search found.
fn rings(ui: &Ui, scene: &Scene<'_>, node: &Node, cells: &Cells) {
    let ink = palette(ui);
    let ring = |id: u32, radius: f32, color| {
        if (id as usize) < cells.count {
            // A ring at the edge stays within the field.
            let center = cells.rect.shrink(radius + 2.0).clamp(cells.cell(id).center());
            ui.painter().circle_stroke(center, radius, Stroke::new(3.0, ink.surface));
            ui.painter().circle_stroke(center, radius, Stroke::new(1.5, color));
        }
    };
    let found = scene.view.found.as_ref().filter(|(query, _)| *query == scene.state.pin_query);
    for token in found.map(|(_, tokens)| &tokens[..]).unwrap_or_default() {
        ring(token.id, 5.0, ink.text);
    }
    for (index, pinned) in scene.view.pinned.iter().enumerate() {
        ring(pinned.token.id, 5.0, series(ui, index).color);
    }
    ring(node.token, 8.0, ink.accent);
    ring(node.token, 3.0, ink.accent);
}

/// Names the token under the pointer.
fn explain(response: Response, scene: &Scene<'_>, node: &Node, row: &WholeRow, token: &Token) {
    let logit = row.logits[token.id as usize];
    let cut = row.cut_by[token.id as usize].and_then(|stage| node.stages.get(usize::from(stage)));
    let fate = match cut {
        Some(stage) => format!("cut by {} {}", stage.name, stage.setting),
        None if token.id == node.token => "chosen".to_owned(),
        None => "kept by every stage".to_owned(),
    };
    let pin = match (scene.is_pinned(token.id), scene.can_toggle_pin(token.id)) {
        (true, true) => "Click to unpin it.",
        (false, true) => "Click to pin it.",
        _ => "",
    };
    response.on_hover_cursor(CursorIcon::Crosshair).on_hover_ui_at_pointer(|ui| {
        let ink = palette(ui);
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.label(RichText::new(token_text::of_token(token)).font(mono(size::BODY)).color(ink.text));
        let probability = format::probability((logit - node.log_sum_exp).exp());
        let served = scene.run().is_some_and(|run| run.model.server.is_some());
        let name = if served { "log-probability" } else { "logit" };
        let line = format!("id {} · {name} {} · raw p {probability}", token.id, format::value(logit));
        for words in [line.as_str(), &fate, pin].into_iter().filter(|words| !words.is_empty()) {
            ui.label(RichText::new(words).font(regular(size::SMALL)).color(ink.secondary));
        }
    });
}
