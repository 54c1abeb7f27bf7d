//! The text, each token in the colour of its weight.

use egui::{CornerRadius, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::trace::Run;
use crate::ui::chips::{Chip, PADDING, Section};
use crate::ui::colours::weight_tint;
use crate::ui::format;
use crate::ui::inside::AttentionRow;
use crate::ui::scene::Scene;
use crate::ui::theme::palette;
use crate::ui::token_job::white_space_job;
use crate::ui::widgets::paint_caption;

/// Shows the chips of what the row sees.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, row: &AttentionRow) {
    let area = ScrollArea::vertical().id_salt("tinted text").auto_shrink(false);
    area.show_viewport(ui, |ui, viewport| {
        let mut layout = std::mem::take(&mut scene.state.inside.chips);
        let prompt = run.prompt.len();
        let section = |positions| Section { positions, folded: false };
        let mut sections = vec![section(0..prompt)];
        if !run.line.is_empty() {
            sections.push(section(prompt..prompt + run.line.len()));
        }
        layout.update(ui, run, scene.state.run_number, ui.available_width(), sections);
        ui.set_height(layout.height());
        let origin = ui.max_rect().left_top();
        for (part, top) in ["Prompt", "Generated"].iter().zip(&layout.headings) {
            paint_caption(ui, origin + vec2(0.0, top + 9.0), &format!("{part} · {}", row.name));
        }
        for chip in layout.visible(viewport.top(), viewport.bottom()) {
            let position = chip.source.position(run.prompt.len());
            self::chip(ui, scene, chip, chip.rect.translate(origin.to_vec2()), (position, row));
        }
        scene.state.inside.chips = layout;
    });
}

fn chip(
    ui: &mut Ui,
    scene: &mut Scene<'_>,
    chip: &Chip,
    rect: egui::Rect,
    (position, row): (usize, &AttentionRow),
) {
    let palette = palette(ui);
    let response = ui.interact(rect, ui.scope_id().with(("tinted", position)), Sense::hover());
    let weight = row.weights.get(position).copied();
    let words = match weight {
        None => "not there yet".to_owned(),
        Some(_) if position < row.first => "outside of the window".to_owned(),
        Some(weight) => format::probability(weight),
    };
    let label = format!("Position {position} {}: {words}", chip.text);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &label));
    let painter = ui.painter().with_clip_rect(ui.clip_rect().intersect(rect.expand(1.0)));
    let seen = weight.is_some() && position >= row.first;
    if seen {
        let fill = weight_tint(ui, palette.surface, weight.unwrap_or_default());
        painter.rect_filled(rect, CornerRadius::same(4), fill);
    }
    let ink = if seen { palette.text } else { palette.tertiary };
    let galley = painter.layout_job(white_space_job(&chip.text, ink, palette.tertiary));
    painter.galley(pos2(rect.left() + PADDING, rect.center().y - galley.size().y / 2.0), galley, ink);
    if response.hovered() {
        scene.state.next_pointed_at = Some(position);
    }
    response.on_hover_text(label);
}
