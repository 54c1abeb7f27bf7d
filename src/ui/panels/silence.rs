//! A GPU that does not answer: what is happening, and what a person can do. Nothing is ended here.

use egui::{Frame, Label, Margin, RichText, Sense, Stroke, Ui};

use crate::ui::definitions;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, semibold, size};

/// What may be the reason, and what to do.
const WHAT_TO_DO: &str = "Another program may keep it busy, or its driver hangs. Wait, or close Logitscope and open it again. After a minute the model is given up and a report is kept; the text stays.";

/// Shows a strip while that lasts.
pub(crate) fn show(ui: &mut Ui, scene: &Scene<'_>) {
    let Some(silence) = scene.state.gpu_silence else { return };
    let palette = palette(ui);
    let frame = Frame::new().fill(palette.raised).inner_margin(Margin::symmetric(16, 6));
    let panel = egui::Panel::top("silence").resizable(false).frame(frame).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let words = format!("The GPU has not answered for {} s", silence.as_secs());
        let title = RichText::new(words).font(semibold(size::BODY)).color(palette.text);
        let title = ui.add(Label::new(title).sense(Sense::hover()));
        definitions::GPU_SILENCE.explain(title);
        ui.add(Label::new(RichText::new(WHAT_TO_DO).size(size::SMALL).color(palette.secondary)).wrap());
    });
    let edge = panel.response.rect;
    ui.painter().vline(edge.left() + 1.5, edge.y_range(), Stroke::new(3.0, palette.warning));
}
