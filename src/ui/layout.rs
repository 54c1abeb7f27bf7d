//! Where the panels lie: side by side in a wide window, one at a time in a narrow one.

use egui::{CentralPanel, Frame, Margin, Panel, Ui, vec2};
use egui_tiles::Tree;

use super::action::Action;
use super::dock;
use super::pane::{CompactPane, Pane};
use super::panels::{
    another_model, command_palette, connect, get, inspector, lesson, lessons, model_card, notices, open,
    phases, problem, prompt, save, shortcuts, silence, timeline, top_bar,
};
use super::scene::Scene;
use super::theme::{self, NARROW, palette, space};
use super::widgets;

/// From this width on prompt, centre and inspector have room.
const WIDE: f32 = 1080.0;

/// Width of a lesson in a smaller window.
const LESSON: f32 = 264.0;

/// Room that the name of a pane takes for each of its letters, and beside them.
const LETTER: f32 = 6.6;
const BESIDE: f32 = 14.0;

/// From this width on there is room for a lesson beside the inspector.
const BOTH: f32 = 1400.0;

/// How the window divides its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breadth {
    /// Prompt, centre, inspector side by side.
    Wide,
    /// Prompt beside one pane at a time.
    Medium,
    /// One pane at a time.
    Narrow,
}

/// Shows every panel, and what floats over them.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, tree: &mut Tree<Pane>) {
    let size = ui.available_size();
    let teaches = scene.state.lesson.is_some();
    // A lesson takes its width from what there is for the panes.
    let width = if teaches && size.x < WIDE { size.x - LESSON } else { size.x };
    let breadth = match width {
        x if x >= WIDE => Breadth::Wide,
        x if x >= NARROW => Breadth::Medium,
        _ => Breadth::Narrow,
    };
    let low = size.y < theme::LOW;
    let frame = |x: f32, y: f32| {
        let margin = Margin::symmetric(x as i8, y as i8);
        Frame::new().fill(palette(ui).surface).inner_margin(margin)
    };
    let (bar, bare) = (frame(space::M, 0.0), frame(0.0, 0.0));

    Panel::top("top bar").exact_size(48.0).frame(bar).show(ui, |ui| top_bar::show(ui, scene));
    let height = if low { 44.0 } else { 56.0 };
    Panel::top("phases").exact_size(height).frame(bare).show(ui, |ui| phases::show(ui, scene));
    notices::error(ui, scene);
    silence::show(ui, scene);
    let height = theme::timeline_height(size.y);
    Panel::bottom("timeline").exact_size(height).frame(bare).show(ui, |ui| timeline::show(ui, scene));

    if breadth != Breadth::Narrow {
        Panel::left("prompt")
            .default_size(288.0)
            .size_range(248.0..=420.0)
            .frame(bare)
            .show(ui, |ui| prompt::show(ui, scene));
    }
    if teaches {
        let width = if breadth == Breadth::Wide { 320.0 } else { LESSON };
        Panel::right("lesson").exact_size(width).frame(bare).show(ui, |ui| lesson::show(ui, scene));
    }
    // The lesson takes the inspector's place where there is no room for both.
    let room = !teaches || size.x >= BOTH;
    if breadth == Breadth::Wide && scene.state.remembered.inspector && room {
        Panel::right("inspector")
            .default_size(304.0)
            .size_range(256.0..=440.0)
            .frame(bare)
            .show(ui, |ui| inspector::show(ui, scene));
    }
    CentralPanel::default().frame(bare).show(ui, |ui| match breadth {
        Breadth::Wide => dock::show(ui, tree, scene),
        Breadth::Medium => compact(ui, scene, false),
        Breadth::Narrow => compact(ui, scene, true),
    });
    open::show(ui, scene);
    get::show(ui, scene);
    connect::show(ui, scene);
    another_model::show(ui, scene);
    model_card::show(ui, scene);
    save::show(ui, scene);
    lessons::show(ui, scene);
    shortcuts::show(ui, scene);
    problem::show(ui, scene);
    command_palette::show(ui, scene);
    notices::show(ui, scene);
    drop_hint(ui);
}

/// One pane at a time, chosen above it; the prompt is one of them where it does not lie beside them.
fn compact(ui: &mut Ui, scene: &mut Scene<'_>, with_prompt: bool) {
    let run = scene.run();
    let panes = Pane::ALL.map(|pane| (CompactPane::Pane(pane), pane.title(run)));
    let mut choices = vec![(CompactPane::Prompt, "Prompt")];
    choices.extend(panes);
    choices.push((CompactPane::Step, "Step"));
    if !with_prompt {
        choices.remove(0);
        if scene.state.compact_pane == CompactPane::Prompt {
            scene.state.compact_pane = CompactPane::Pane(Pane::Text);
        }
    }
    Frame::new().inner_margin(Margin::symmetric(12, 6)).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = space::XS;
        let room: f32 = choices.iter().map(|(_, name)| LETTER * name.len() as f32 + BESIDE).sum();
        let rows = (room / ui.available_width()).ceil().max(1.0) as usize;
        for (row, choices) in choices.chunks(choices.len().div_ceil(rows)).enumerate() {
            ui.horizontal(|ui| {
                let way_out = if row == 0 { 28.0 + space::S } else { 0.0 };
                let size = vec2(ui.available_width() - way_out, 30.0);
                let chosen = widgets::column(ui, size, |ui| {
                    ui.set_width(size.x);
                    widgets::segmented(ui, scene.state.compact_pane, choices)
                });
                match chosen {
                    // The wide window shows it as well.
                    Some(CompactPane::Pane(pane)) => scene.actions.push(Action::ShowPane(pane)),
                    Some(pane) => scene.state.compact_pane = pane,
                    None => {}
                }
                if let (0, CompactPane::Pane(pane)) = (row, scene.state.compact_pane) {
                    dock::export_menu(ui, scene, pane);
                }
            });
        }
    });
    match scene.state.compact_pane {
        CompactPane::Prompt => prompt::show(ui, scene),
        CompactPane::Pane(pane) => dock::pane(ui, pane, scene),
        CompactPane::Step => inspector::show(ui, scene),
    }
}

/// What a file over the window would do.
fn drop_hint(ui: &Ui) {
    let hovering = ui.input(|input| !input.raw.hovered_files.is_empty());
    if !hovering {
        return;
    }
    let palette = palette(ui);
    let screen = ui.ctx().content_rect();
    let painter =
        ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop")));
    painter.rect_filled(screen, 0.0, palette.window.gamma_multiply(0.8));
    let card = screen.shrink(space::XL);
    painter.rect_stroke(card, 12.0, egui::Stroke::new(2.0, palette.accent), egui::StrokeKind::Inside);
    painter.text(
        screen.center(),
        egui::Align2::CENTER_CENTER,
        "Drop to open this model, trace or lesson",
        theme::semibold(theme::size::DISPLAY),
        palette.text,
    );
}
