//! Tokens as they are painted: their white space in a quieter colour.

use egui::{Color32, CornerRadius, Sense, Ui, vec2};

use super::chips;
use super::theme::{palette, size};
use super::token_text;

/// Text with its white-space signs in a quieter colour.
pub(super) fn white_space_job(text: &str, color: Color32, quiet: Color32) -> egui::text::LayoutJob {
    let mut job = egui::text::LayoutJob { break_on_newline: false, ..Default::default() };
    let sign = |c: char| matches!(c, token_text::SPACE | token_text::NEWLINE | '→' | '⏎');
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let quietly = sign(first);
        let end = rest.find(|c| sign(c) != quietly).unwrap_or(rest.len());
        let format = egui::TextFormat::simple(chips::font(), if quietly { quiet } else { color });
        job.append(&rest[..end], 0.0, format);
        rest = &rest[end..];
    }
    job
}

/// The selected token, large.
pub(super) fn large_token(ui: &mut Ui, text: &str) {
    let palette = palette(ui);
    let mut job = white_space_job(text, palette.text, palette.tertiary);
    for section in &mut job.sections {
        section.format.font_id.size = size::DISPLAY;
    }
    let room = ui.available_width();
    job.wrap = egui::text::TextWrapping::truncate_at_width(room - 24.0);
    let galley = ui.painter().layout_job(job);
    let chip = vec2(galley.size().x + 20.0, galley.size().y + 12.0);
    let (rect, response) = ui.allocate_exact_size(chip, Sense::hover());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Label, true, format!("Selected token: {text}"))
    });
    ui.painter().rect_filled(rect, CornerRadius::same(6), palette.accent_soft);
    ui.painter().galley(rect.min + vec2(10.0, 6.0), galley, palette.text);
}
