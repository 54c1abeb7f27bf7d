//! The card of lessons: those inside the program, and the way to one of a teacher's own.

use egui::{Align2, CornerRadius, Rect, RichText, Role, Sense, Ui, WidgetInfo, vec2};

use crate::ui::action::Action;
use crate::ui::icons::Icon;
use crate::ui::lessons::{Lesson, built_in};
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, regular, semibold, size, space};
use crate::ui::widgets::{self, Emphasis, action_button, focus_ring, hint, one_line};

/// Height of a lesson's row.
const ROW: f32 = 46.0;

/// Shows the card, if it is asked for.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if !scene.state.cards.lessons {
        return;
    }
    let card = widgets::card(ui, "lessons", 520.0, |ui| {
        let palette = palette(ui);
        ui.label(RichText::new("Lessons").font(semibold(size::TITLE)).color(palette.text));
        hint(
            ui,
            "Short tours with the live window. Each step sets it up, asks what you expect, and runs. When you leave, your \
             prompt and settings are as they were.",
        );
        ui.add_space(space::XS);
        ui.spacing_mut().item_spacing.y = 2.0;
        for (index, lesson) in built_in().iter().enumerate() {
            if row(ui, index + 1, lesson) {
                scene.actions.push(Action::BeginLesson(lesson.clone()));
            }
        }
        ui.add_space(space::S);
        let width = ui.available_width();
        let own = action_button(ui, Icon::File, "Open a lesson of your own…", Emphasis::Secondary, width);
        if own.on_hover_text("A text file; docs/lessons.md says how one is written").clicked() {
            scene.actions.push(Action::PickLesson);
        }
    });
    if card.should_close() {
        scene.state.cards.lessons = false;
    }
}

/// A lesson; whether it was pressed.
fn row(ui: &mut Ui, number: usize, lesson: &Lesson) -> bool {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    let label = format!("Lesson {number}: {}", lesson.title);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), &label));
    if response.hovered() {
        ui.painter().rect_filled(rect, CornerRadius::same(6), palette.hover);
    }
    focus_ring(ui, &response, rect);
    let badge = egui::pos2(rect.left() + 22.0, rect.center().y);
    ui.painter().circle_filled(badge, 13.0, palette.accent_soft);
    let font = semibold(size::BODY);
    ui.painter().text(badge, Align2::CENTER_CENTER, number.to_string(), font.clone(), palette.accent);
    let words = Rect::from_min_max(rect.min + vec2(46.0, 5.0), rect.max - vec2(8.0, 4.0));
    let title = one_line(ui, &lesson.title, font, palette.text, words.width());
    ui.painter().galley(words.min, title, palette.text);
    let about = one_line(ui, &lesson.about, regular(size::SMALL), palette.secondary, words.width());
    ui.painter().galley(words.min + vec2(0.0, 18.0), about, palette.secondary);
    response.on_hover_cursor(egui::CursorIcon::PointingHand).clicked()
}
