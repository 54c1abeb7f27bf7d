//! What the user is told: toasts in the corner, and a list that can be opened again.

use std::time::Duration;

use egui::{Align2, Area, Frame, Margin, Order, RichText, ScrollArea, Stroke, Ui, vec2};

use crate::session::{Notice, Severity};
use crate::ui::Scene;
use crate::ui::action::Action;
use crate::ui::icons::Icon;
use crate::ui::state::Toast;
use crate::ui::theme::{Palette, palette, semibold, size, space};
use crate::ui::widgets::{self, hint, icon_button};

/// Seconds that a toast stays; errors stay until they are closed.
const STAYS: f64 = 8.0;

/// Most toasts at once; older ones wait in the list.
const MOST: usize = 3;

/// Shows toasts, and the list if it is asked for.
pub fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    toasts(ui, scene);
    if !scene.state.notices_shown {
        return;
    }
    let card = widgets::card(ui, "notices", 480.0, |ui| {
        ui.label(RichText::new("Notices").font(semibold(size::TITLE)).color(palette(ui).text));
        if scene.view.notices.is_empty() {
            hint(ui, "Nothing to report.");
        }
        ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
            for (index, notice) in scene.view.notices.iter().enumerate().rev() {
                ui.push_id(scene.view.forgotten + index, |ui| {
                    Frame::new().inner_margin(Margin::symmetric(0, 6)).show(ui, |ui| {
                        body(ui, notice, scene.actions, |_| {});
                    });
                });
            }
        });
    });
    if card.should_close() {
        scene.state.notices_shown = false;
    }
}

fn toasts(ui: &mut Ui, scene: &mut Scene<'_>) {
    let now = ui.input(|input| input.time);
    let view = scene.view;
    let stays = |toast: &Toast| match view.notice(toast.notice) {
        Some(notice) => notice.severity == Severity::Error || now - toast.born < STAYS,
        None => false,
    };
    scene.state.toasts.retain(stays);
    if scene.state.toasts.len() > MOST {
        let extra = scene.state.toasts.len() - MOST;
        scene.state.toasts.drain(..extra);
    }
    if scene.state.toasts.is_empty() {
        return;
    }
    let next = scene.state.toasts.iter().map(|toast| STAYS - (now - toast.born)).filter(|left| *left > 0.0);
    if let Some(left) = next.reduce(f64::min) {
        ui.ctx().request_repaint_after(Duration::from_secs_f64(left + 0.05));
    }
    let mut closed = None;
    Area::new(egui::Id::unique("toasts"))
        .order(Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, vec2(-16.0, -16.0))
        .show(ui.ctx(), |ui| {
            ui.spacing_mut().item_spacing.y = space::S;
            for (index, toast) in scene.state.toasts.iter().enumerate() {
                let Some(notice) = view.notice(toast.notice) else { continue };
                let frame = Frame::popup(ui.style()).inner_margin(Margin::symmetric(12, 10));
                frame.stroke(Stroke::new(1.0, color(notice.severity, palette(ui)))).show(ui, |ui| {
                    ui.set_width(340.0_f32.min(ui.ctx().content_rect().width() - 64.0));
                    ui.push_id(toast.notice, |ui| {
                        body(ui, notice, scene.actions, |ui| {
                            if icon_button(ui, Icon::Cross, "Close notice").clicked() {
                                closed = Some(index);
                            }
                        });
                    });
                });
            }
        });
    if let Some(index) = closed {
        scene.state.toasts.remove(index);
    }
}

fn body(ui: &mut Ui, notice: &Notice, actions: &mut Vec<Action>, more: impl FnOnce(&mut Ui)) {
    let palette = palette(ui);
    let color = color(notice.severity, palette);
    ui.horizontal(|ui| {
        let (dot, _) = ui.allocate_exact_size(vec2(8.0, 20.0), egui::Sense::hover());
        ui.painter().circle_filled(dot.center(), 4.0, color);
        let word = match notice.severity {
            Severity::Information => "",
            Severity::Warning => "Warning: ",
            Severity::Error => "Error: ",
        };
        let room = ui.available_width() - 72.0;
        let title =
            RichText::new(format!("{word}{}", notice.title)).font(semibold(size::BODY)).color(palette.text);
        ui.allocate_ui(vec2(room, 20.0), |ui| ui.add(egui::Label::new(title).truncate()));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            more(ui);
            if icon_button(ui, Icon::Copy, "Copy notice").clicked() {
                actions.push(Action::Copy(format!("{}\n{}", notice.title, notice.detail)));
            }
        });
    });
    if !notice.detail.is_empty() {
        let detail = RichText::new(&notice.detail).size(size::SMALL).color(palette.secondary);
        ui.add(egui::Label::new(detail).wrap().selectable(true));
    }
}

/// The colour of a severity.
pub fn color(severity: Severity, palette: &Palette) -> egui::Color32 {
    match severity {
        Severity::Information => palette.accent,
        Severity::Warning => palette.warning,
        Severity::Error => palette.error,
    }
}
