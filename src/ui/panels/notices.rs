//! What the user is told: toasts in the corner, and a list that can be opened again.

use std::time::Duration;

use egui::{Align2, Area, Frame, Margin, Order, RichText, Stroke, Ui, vec2};

use crate::session::{Notice, Severity};
use crate::ui::action::Action;
use crate::ui::earlier::{OFFERED, Replaced};
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::state::Toast;
use crate::ui::theme::{Palette, palette, regular, semibold, size, space, timeline_height};
use crate::ui::widgets::{self, hint, icon_button};

/// Seconds that a toast stays; errors stay until they are closed.
const STAYS: f64 = 8.0;

/// Most toasts at once; older ones wait in the list.
const MOST: usize = 3;

/// Most lines of an error's detail in its strip; the list shows all.
const LINES: usize = 3;

/// Shows the newest error that nobody put away, in a strip of its own: it covers nothing.
pub(crate) fn error(ui: &mut Ui, scene: &mut Scene<'_>) {
    let view = scene.view;
    let error = |toast: &Toast| view.notice(toast.notice).filter(|notice| notice.severity == Severity::Error);
    let Some(notice) = scene.state.toasts.iter().rev().find_map(error) else { return };
    let palette = palette(ui);
    let frame = Frame::new().fill(palette.raised).inner_margin(Margin::symmetric(16, 6));
    let panel = egui::Panel::top("error").resizable(false).frame(frame).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let mut closed = false;
        body(ui, notice, scene.actions, LINES, |ui| {
            closed = icon_button(ui, Icon::Cross, "Close notice").clicked();
        });
        closed
    });
    let edge = panel.response.rect;
    ui.painter().vline(edge.left() + 1.5, edge.y_range(), Stroke::new(3.0, palette.error));
    if panel.inner {
        // The ones before it are in the list as well.
        scene.state.toasts.retain(|toast| error(toast).is_none());
    }
}

/// Shows toasts, and the list if it is asked for.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    toasts(ui, scene);
    if !scene.state.cards.notices {
        return;
    }
    scene.state.notices_read = scene.view.told();
    let card = widgets::card(ui, "notices", 480.0, |ui| {
        ui.label(RichText::new("Notices").font(semibold(size::TITLE)).color(palette(ui).text));
        if scene.view.notices.is_empty() {
            hint(ui, "Nothing to report.");
        }
        // The card scrolls what is higher than the window; the newest stands first.
        for (index, notice) in scene.view.notices.iter().enumerate().rev() {
            ui.push_id(scene.view.forgotten + index, |ui| {
                Frame::new().inner_margin(Margin::symmetric(0, 6)).show(ui, |ui| {
                    body(ui, notice, scene.actions, usize::MAX, |_| {});
                });
            });
        }
    });
    if card.should_close() {
        scene.state.cards.notices = false;
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
    let floats =
        |toast: &Toast| view.notice(toast.notice).is_some_and(|notice| notice.severity != Severity::Error);
    let earlier = &mut scene.state.earlier;
    earlier.offered = earlier.offered.filter(|(what, since)| earlier.has(*what) && now - since < OFFERED);
    let offered = earlier.offered;
    if !scene.state.toasts.iter().any(floats) && offered.is_none() {
        return;
    }
    let next = scene.state.toasts.iter().map(|toast| STAYS - (now - toast.born)).filter(|left| *left > 0.0);
    let next = next.chain(offered.map(|(_, since)| OFFERED - (now - since)));
    if let Some(left) = next.reduce(f64::min) {
        ui.ctx().request_repaint_after(Duration::from_secs_f64(left + 0.05));
    }
    let mut closed = None;
    // Over the timeline they would hide the newest steps.
    let above = timeline_height(ui.ctx().content_rect().height()) + space::S;
    Area::new(egui::Id::unique("toasts"))
        .order(Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, vec2(-16.0, -above))
        .show(ui.ctx(), |ui| {
            ui.spacing_mut().item_spacing.y = space::S;
            if let Some((what, _)) = offered {
                offer(ui, scene, what);
            }
            for (index, toast) in scene.state.toasts.iter().enumerate().filter(|(_, toast)| floats(toast)) {
                let Some(notice) = view.notice(toast.notice) else { continue };
                let frame = Frame::popup(ui.style()).inner_margin(Margin::symmetric(12, 10));
                frame.stroke(Stroke::new(1.0, color(notice.severity, palette(ui)))).show(ui, |ui| {
                    ui.set_width(340.0_f32.min(ui.ctx().content_rect().width() - 64.0));
                    ui.push_id(toast.notice, |ui| {
                        body(ui, notice, scene.actions, usize::MAX, |ui| {
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

/// Offers to bring back what was replaced.
fn offer(ui: &mut Ui, scene: &mut Scene<'_>, what: Replaced) {
    let words = match what {
        Replaced::Run => "The earlier run was replaced",
        Replaced::Talk => "The earlier conversation was put away",
    };
    let frame = Frame::popup(ui.style()).inner_margin(Margin { left: 12, right: 6, top: 5, bottom: 5 });
    frame.stroke(Stroke::new(1.0, palette(ui).outline)).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.label(RichText::new(words).size(size::SMALL).color(palette(ui).text));
            let back = ui.button(RichText::new("Bring it back").size(size::SMALL));
            if back.on_hover_text("What is on show now can be brought back as well (U)").clicked() {
                scene.actions.push(Action::BringBack(what));
            }
            if icon_button(ui, Icon::Cross, "Close the offer").clicked() {
                scene.state.earlier.offered = None;
            }
        });
    });
}

/// A notice with at most so many lines of detail, and a button to copy it beside those of `more`.
fn body(ui: &mut Ui, notice: &Notice, actions: &mut Vec<Action>, lines: usize, more: impl FnOnce(&mut Ui)) {
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
        let mut detail = egui::text::LayoutJob::default();
        detail.append(&notice.detail, 0.0, egui::TextFormat::simple(regular(size::SMALL), palette.secondary));
        detail.wrap.max_rows = lines;
        ui.add(egui::Label::new(detail).wrap().selectable(true));
    }
}

/// The colour of a severity.
pub(crate) fn color(severity: Severity, palette: &Palette) -> egui::Color32 {
    match severity {
        Severity::Information => palette.accent,
        Severity::Warning => palette.warning,
        Severity::Error => palette.error,
    }
}
