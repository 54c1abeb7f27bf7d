//! The downloads: how far each is, and what can be done about it.

use egui::{
    Align, Color32, CornerRadius, Frame, Layout, Margin, Rect, RichText, Role, Sense, Ui, WidgetInfo, vec2,
};

use super::rows::button;
use crate::hub::{Doing, duration};
use crate::session::ModelSource;
use crate::ui::action::Action;
use crate::ui::downloads::{Download, Phase};
use crate::ui::format;
use crate::ui::get_card::GetAction;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{RADIUS, palette, semibold, size, space};
use crate::ui::widgets::{self, Emphasis, one_line, section};

/// Height of the bar.
const BAR: f32 = 5.0;

pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if scene.state.downloads.list.is_empty() {
        return;
    }
    section(ui, "Downloads");
    let Scene { state, actions, .. } = scene;
    for download in &state.downloads.list {
        one(ui, download, actions);
    }
    ui.add_space(space::S);
}

fn one(ui: &mut Ui, download: &Download, actions: &mut Vec<Action>) {
    let palette = palette(ui);
    let frame =
        Frame::new().fill(palette.raised).corner_radius(RADIUS).inner_margin(Margin::symmetric(12, 9));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 6.0;
        let name = download.name();
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = space::XS;
                buttons(ui, download, &name, actions);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let width = ui.available_width();
                    let galley = one_line(ui, &name, semibold(size::BODY), palette.text, width);
                    ui.label(galley);
                });
            });
        });
        if !matches!(download.phase, Phase::Here(_)) {
            bar(ui, download, &name);
        }
        let (text, color) = told(download, palette);
        ui.add(egui::Label::new(RichText::new(text).size(size::SMALL).color(color)).wrap());
    });
}

fn buttons(ui: &mut Ui, download: &Download, name: &str, actions: &mut Vec<Action>) {
    let wanted = || download.wanted.clone();
    let (remove, label) = match download.phase {
        Phase::Here(_) => (Icon::Cross, format!("Take {name} off this list")),
        _ => (Icon::Cross, format!("Cancel {name}, and throw away what came")),
    };
    if widgets::icon_button(ui, remove, &label).clicked() {
        actions.push(Action::Get(GetAction::Remove(wanted())));
    }
    match &download.phase {
        Phase::Queued | Phase::Coming(_) => {
            if widgets::icon_button(ui, Icon::Pause, &format!("Pause {name}")).clicked() {
                actions.push(Action::Get(GetAction::Pause(wanted())));
            }
        }
        Phase::Paused => {
            if widgets::icon_button(ui, Icon::Play, &format!("Resume {name}")).clicked() {
                actions.push(Action::Get(GetAction::Resume(wanted())));
            }
        }
        Phase::Failed(_) => {
            if widgets::icon_button(ui, Icon::Reset, &format!("Try {name} again")).clicked() {
                actions.push(Action::Get(GetAction::Resume(wanted())));
            }
        }
        Phase::Here(path) => {
            if button(ui, Icon::Check, "Open", name, Emphasis::Primary) {
                actions.push(Action::Open(ModelSource::Path(path.clone())));
            }
        }
    }
}

fn bar(ui: &mut Ui, download: &Download, name: &str) {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), BAR), Sense::hover());
    let share = download.share().clamp(0.0, 1.0);
    let percent = (100.0 * share).floor();
    response
        .widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, format!("{name}: {percent} %")));
    let radius = CornerRadius::same((BAR / 2.0) as u8);
    ui.painter().rect_filled(rect, radius, palette.outline);
    let color = match download.phase {
        Phase::Failed(_) => palette.error,
        Phase::Paused | Phase::Queued => palette.tertiary,
        Phase::Coming(_) | Phase::Here(_) => palette.accent,
    };
    if share > 0.0 {
        let width = (rect.width() * share).max(BAR);
        ui.painter().rect_filled(Rect::from_min_size(rect.min, vec2(width, BAR)), radius, color);
    }
}

/// How far it is, in words.
fn told(download: &Download, palette: &crate::ui::theme::Palette) -> (String, Color32) {
    let Download { done, total, pace, .. } = download;
    let far = format!("{} of {}", format::bytes(*done), format::bytes(*total));
    let text = match &download.phase {
        Phase::Queued => format!("{far} · waits for its turn"),
        Phase::Paused => format!("{far} · paused"),
        Phase::Failed(problem) => return (problem.clone(), palette.error),
        Phase::Here(path) => return (format!("Is here: {}", path.display()), palette.secondary),
        Phase::Coming(Doing::Asking) => format!("{far} · asking the hub…"),
        Phase::Coming(Doing::Checking) => format!("{far} · reading what came before"),
        Phase::Coming(Doing::WaitingForAnother) => {
            format!("{far} · another program downloads the same: waiting for it")
        }
        Phase::Coming(Doing::WaitingToRetry(problem)) => {
            return (format!("{far} · {problem}; trying again"), palette.warning);
        }
        Phase::Coming(Doing::Receiving) => {
            let rate = pace.rate().map(|rate| format!("{}/s", format::bytes(rate as u64)));
            let left = pace.seconds_for(total.saturating_sub(*done));
            let left = left.map(|seconds| format!("{} left", duration(seconds)));
            let percent = format!("{:.0} %", (100.0 * download.share()).floor());
            [Some(percent), Some(far), rate, left].into_iter().flatten().collect::<Vec<_>>().join(" · ")
        }
    };
    (text, palette.secondary)
}
