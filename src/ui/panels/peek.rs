//! What a candidate would lead to, told beside it while the pointer rests on it.

use egui::{Response, RichText, Ui};

use crate::ui::scene::Scene;
use crate::ui::theme::{mono, palette, regular, size};
use crate::ui::token_text;

/// Explains a candidate of a node, and has the tokens computed that would follow it, while the run waits.
pub(super) fn explain(
    response: Response,
    scene: &mut Scene<'_>,
    node: usize,
    token: u32,
    words: &str,
) -> Response {
    if response.hovered() {
        scene.state.next_peek = Some((node, token));
    }
    let found = scene.view.peeked.as_ref().filter(|found| (found.node, found.token) == (node, token));
    response.on_hover_ui(|ui| {
        ui.set_max_width(320.0);
        ui.spacing_mut().item_spacing.y = 4.0;
        ui.label(RichText::new(words).font(regular(size::SMALL)).color(palette(ui).secondary));
        let Some(found) = found else { return };
        let tokens: String = found.tokens.iter().map(token_text::of_token).collect();
        let more = if found.done { "" } else { " …" };
        line(ui, &format!("Then: {tokens}{more}"));
    })
}

fn line(ui: &mut Ui, text: &str) {
    let text = RichText::new(text).font(mono(size::SMALL)).color(palette(ui).text);
    ui.add(egui::Label::new(text).wrap());
}
