//! The few widgets that all panels share: section titles, facts, icon buttons, segmented choices.

use egui::{
    Align2, Color32, CornerRadius, Rect, Response, RichText, Role, Sense, Stroke, StrokeKind, Ui, Vec2,
    WidgetInfo, pos2, vec2,
};

use super::definitions::Definition;
use super::icons::Icon;
use super::theme::{RADIUS, mono, palette, regular, semibold, size, space};

/// A small title in capitals.
pub(super) fn section(ui: &mut Ui, title: &str) -> Response {
    ui.label(caption(ui, title))
}

/// Text in the style of a section's title.
pub(super) fn caption(ui: &Ui, text: &str) -> RichText {
    RichText::new(text.to_uppercase())
        .font(semibold(size::CAPTION))
        .extra_letter_spacing(0.7)
        .color(palette(ui).tertiary)
}

/// Paints text in the style of a section's title, its left middle at a place, and tells where it lies.
pub(super) fn paint_caption(ui: &Ui, left_center: egui::Pos2, text: &str) -> Rect {
    let color = palette(ui).tertiary;
    let format = egui::TextFormat {
        font_id: semibold(size::CAPTION),
        extra_letter_spacing: 0.7,
        color,
        ..Default::default()
    };
    let job = egui::text::LayoutJob::single_section(text.to_uppercase(), format);
    let galley = ui.painter().layout_job(job);
    let rect = Rect::from_min_size(left_center - vec2(0.0, galley.size().y / 2.0), galley.size());
    ui.painter().galley(rect.min, galley, color);
    rect
}

/// Explaining text under a control.
pub(super) fn hint(ui: &mut Ui, text: &str) -> Response {
    let color = palette(ui).tertiary;
    ui.add(egui::Label::new(RichText::new(text).size(size::SMALL).color(color)).wrap())
}

/// A row with a name on the left and a number on the right, explained on hover. Its accessible name is
/// `name: value`.
pub(super) fn fact(ui: &mut Ui, definition: &Definition, value: &str) -> Response {
    fact_named(ui, definition.name, definition, value)
}

/// A fact whose row has another name than its definition.
pub(super) fn fact_named(ui: &mut Ui, name: &str, definition: &Definition, value: &str) -> Response {
    let color = palette(ui).text;
    fact_colored(ui, name, definition, value, color)
}

/// As [`fact_named`], with the value in a colour; the value's words have to tell the same.
pub(super) fn fact_colored(
    ui: &mut Ui,
    name: &str,
    definition: &Definition,
    value: &str,
    color: Color32,
) -> Response {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{name}: {value}")));
    if ui.is_rect_visible(rect) {
        if response.hovered() {
            let back = rect.expand2(vec2(6.0, 0.0));
            ui.painter().rect_filled(back, CornerRadius::same(4), palette.raised);
        }
        let painter = ui.painter().with_clip_rect(rect.expand(6.0).intersect(ui.clip_rect()));
        let name_rect = painter.text(
            rect.left_center(),
            Align2::LEFT_CENTER,
            name,
            regular(size::SMALL),
            palette.secondary,
        );
        let room = rect.right() - name_rect.right() - space::S;
        let galley = one_line(ui, value, mono(size::SMALL), color, room);
        let left = pos2(rect.right() - galley.size().x, rect.center().y - galley.size().y / 2.0);
        painter.galley(left, galley, color);
    }
    definition.explain(response)
}

/// One line of text that ends in `…` where the room ends.
pub(super) fn one_line(
    ui: &Ui,
    text: &str,
    font: egui::FontId,
    color: Color32,
    room: f32,
) -> std::sync::Arc<egui::Galley> {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(room.max(8.0));
    ui.painter().layout_job(job)
}

/// A square button with an icon; `label` is its accessible name and tooltip.
pub(super) fn icon_button(ui: &mut Ui, icon: Icon, label: &str) -> Response {
    icon_toggle(ui, icon, label, None)
}

/// An icon button that shows whether it is on; `None` for one that has no state.
pub(super) fn icon_toggle(ui: &mut Ui, icon: Icon, label: &str, on: Option<bool>) -> Response {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(28.0), Sense::click());
    response.widget_info(|| match on {
        Some(on) => WidgetInfo::selected(Role::Button, ui.is_enabled(), on, label),
        None => WidgetInfo::labeled(Role::Button, ui.is_enabled(), label),
    });
    if ui.is_rect_visible(rect) {
        let active = on == Some(true);
        let fill = if response.is_pointer_button_down_on() || response.hovered() {
            palette.hover
        } else if active {
            palette.accent_soft
        } else {
            Color32::TRANSPARENT
        };
        ui.painter().rect_filled(rect, CornerRadius::same(RADIUS), fill);
        focus_ring(ui, &response, rect);
        let color = if active {
            palette.accent
        } else if response.hovered() {
            palette.text
        } else {
            palette.secondary
        };
        icon.paint(ui.painter(), rect.center(), 1.0, color);
    }
    response.on_hover_text(label)
}

/// A small button at a place, over what lies there, of a number that tells it from others; `label` is its accessible
/// name and tooltip. It is painted where `shows`, and wherever pointer or keyboard is on it.
pub(super) fn small_button(
    ui: &mut Ui,
    (icon, number): (Icon, u32),
    center: egui::Pos2,
    label: &str,
    shows: bool,
) -> Response {
    let palette = palette(ui);
    let rect = Rect::from_center_size(center, Vec2::splat(20.0));
    let response = ui.interact(rect, ui.scope_id().with(("small", number)), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), label));
    if shows || response.hovered() || response.has_focus() {
        if response.hovered() {
            ui.painter().rect_filled(rect, CornerRadius::same(4), palette.hover);
        }
        focus_ring(ui, &response, rect);
        let color = match (ui.is_enabled(), response.hovered()) {
            (false, _) => palette.outline,
            (true, true) => palette.text,
            (true, false) => palette.tertiary,
        };
        icon.paint(ui.painter(), center, 0.75, color);
    }
    response.on_hover_text(label)
}

/// How much a button asks to be pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emphasis {
    /// The one thing to do next.
    Primary,
    /// Everything else.
    Secondary,
}

/// A button with an icon and a word, of a given width.
pub(super) fn action_button(
    ui: &mut Ui,
    icon: Icon,
    label: &str,
    emphasis: Emphasis,
    width: f32,
) -> Response {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(width, 32.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), label));
    if ui.is_rect_visible(rect) {
        let hovered = response.hovered() && ui.is_enabled();
        let (mut fill, mut text, outline) = match emphasis {
            Emphasis::Primary => (palette.accent, palette.on_accent, Color32::TRANSPARENT),
            Emphasis::Secondary => (palette.raised, palette.text, palette.outline),
        };
        if hovered {
            fill = match emphasis {
                Emphasis::Primary => super::colours::mix(fill, palette.text, 0.12),
                Emphasis::Secondary => palette.hover,
            };
        }
        if !ui.is_enabled() {
            (fill, text) = (palette.raised, palette.tertiary);
        }
        let radius = CornerRadius::same(RADIUS);
        ui.painter().rect(rect, radius, fill, Stroke::new(1.0, outline), StrokeKind::Inside);
        match emphasis {
            // Its fill is the colour of the ring.
            Emphasis::Primary => focus_ring_of(ui, &response, rect.shrink(2.0), palette.on_accent),
            Emphasis::Secondary => focus_ring(ui, &response, rect),
        }
        let font = semibold(size::BODY);
        let galley = ui.painter().layout_no_wrap(label.to_owned(), font, text);
        let wide = rect.width() >= galley.size().x + 22.0 + 12.0;
        if wide {
            let left = rect.center().x - (galley.size().x + 20.0) / 2.0;
            icon.paint(ui.painter(), pos2(left + 7.0, rect.center().y), 0.85, text);
            let at = pos2(left + 20.0, rect.center().y - galley.size().y / 2.0);
            ui.painter().galley(at, galley, text);
        } else {
            icon.paint(ui.painter(), rect.center(), 0.9, text);
        }
    }
    response
}

/// A card in the middle of the window, over everything else; Escape and a click beside it close it. What is higher
/// than the window scrolls.
pub(super) fn card(ui: &Ui, id: &str, width: f32, add: impl FnOnce(&mut Ui)) -> egui::ModalResponse<()> {
    // The scrollbar lies on the right margin.
    const MARGIN: i8 = 20;
    let margin = egui::Margin { left: MARGIN, right: 4, top: MARGIN, bottom: MARGIN };
    let frame = egui::Frame::popup(ui.style()).inner_margin(margin).corner_radius(12);
    let window = ui.ctx().content_rect();
    let width = width.min(window.width() - 80.0);
    egui::Modal::new(egui::Id::unique(id)).frame(frame).show(ui.ctx(), |ui| {
        let most = window.height() - 2.0 * f32::from(MARGIN) - 32.0;
        let scroll = egui::ScrollArea::vertical().max_height(most).min_scrolled_height(most);
        let right = egui::Margin { right: MARGIN - 4, ..egui::Margin::ZERO };
        scroll.content_margin(right).show(ui, |ui| {
            ui.set_width(width);
            add(ui);
        });
    })
}

/// The arrow of a combo box.
pub(super) fn combo_icon(ui: &Ui, rect: Rect, visuals: &egui::style::WidgetVisuals, _open: bool) {
    Icon::Down.paint(ui.painter(), rect.center(), 0.9, visuals.fg_stroke.color);
}

/// A choice of one among a few, as one control. Returns the new choice when it was changed.
pub(super) fn segmented<T: Copy + PartialEq>(ui: &mut Ui, current: T, choices: &[(T, &str)]) -> Option<T> {
    segmented_where(ui, current, choices, |_| None)
}

/// The same, with choices that cannot be made now, for a reason in words.
pub(super) fn segmented_where<T: Copy + PartialEq>(
    ui: &mut Ui,
    current: T,
    choices: &[(T, &str)],
    why_not: impl Fn(T) -> Option<&'static str>,
) -> Option<T> {
    let palette = palette(ui);
    let mut changed = None;
    let width = ui.available_width();
    let (rect, _) = ui.allocate_exact_size(vec2(width, 30.0), Sense::hover());
    let radius = CornerRadius::same(RADIUS);
    ui.painter().rect(rect, radius, palette.window, Stroke::new(1.0, palette.line), StrokeKind::Inside);
    let mut left = rect.left() + 2.0;
    for ((choice, label), width) in choices.iter().zip(segments(ui, rect.width() - 4.0, choices)) {
        let part = Rect::from_min_size(pos2(left, rect.top() + 2.0), vec2(width, rect.height() - 4.0));
        left += width;
        let response = ui.interact(part, ui.scope_id().with(("segment", *label)), Sense::click());
        let on = *choice == current;
        let problem = why_not(*choice);
        let can = ui.is_enabled() && problem.is_none();
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, can, on, *label));
        if on {
            let stroke = Stroke::new(1.0, palette.outline);
            ui.painter().rect(part, CornerRadius::same(4), palette.raised, stroke, StrokeKind::Inside);
        }
        focus_ring(ui, &response, part);
        let color = match problem {
            Some(_) => palette.outline,
            None if on || response.hovered() => palette.text,
            None => palette.secondary,
        };
        let font = if on { semibold(size::SMALL) } else { regular(size::SMALL) };
        ui.painter().text(part.center(), Align2::CENTER_CENTER, label, font, color);
        if response.clicked() && !on && problem.is_none() {
            changed = Some(*choice);
        }
        if let Some(problem) = problem {
            response.on_hover_text(problem);
        }
    }
    changed
}

/// The widths of a choice's parts: alike where every word has room, otherwise as the words need.
fn segments<T>(ui: &Ui, width: f32, choices: &[(T, &str)]) -> Vec<f32> {
    /// Room on both sides of a word together.
    const AIR: f32 = 10.0;
    let each = width / choices.len() as f32;
    let font = semibold(size::SMALL);
    let word = |(_, label): &(T, &str)| {
        ui.painter().layout_no_wrap((*label).to_owned(), font.clone(), Color32::PLACEHOLDER).size().x
    };
    let words: Vec<f32> = choices.iter().map(word).collect();
    if words.iter().all(|word| word + AIR <= each) {
        return vec![each; choices.len()];
    }
    let air = (width - words.iter().sum::<f32>()) / choices.len() as f32;
    words.into_iter().map(|word| word + air).collect()
}

/// The outline of a control that has the keyboard.
pub(super) fn focus_ring(ui: &Ui, response: &Response, rect: Rect) {
    focus_ring_of(ui, response, rect, palette(ui).accent);
}

fn focus_ring_of(ui: &Ui, response: &Response, rect: Rect, color: Color32) {
    if response.has_focus() {
        let stroke = Stroke::new(1.5, color);
        ui.painter().rect_stroke(rect, CornerRadius::same(RADIUS), stroke, StrokeKind::Inside);
    }
}

/// Lets a search field keep the keyboard when Enter is pressed in it.
pub(super) fn keep_focus(ui: &Ui, field: &Response) {
    if field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter)) {
        field.request_focus();
    }
}

/// Scrolls to what the keyboard moved to, if it lies in here; called inside of what scrolls, behind its content.
pub(super) fn follow_focus(ui: &Ui) {
    let id = ui.scope_id().with("followed focus");
    let focused = ui.memory(|memory| memory.focused());
    let before = ui.data(|data| data.get_temp::<Option<egui::Id>>(id)).flatten();
    if focused == before {
        return;
    }
    ui.data_mut(|data| data.insert_temp(id, focused));
    let Some(response) = focused.and_then(|focused| ui.ctx().read_response(focused)) else { return };
    if response.layer_id == ui.layer_id() && ui.min_rect().contains_rect(response.rect) {
        ui.scroll_to_rect(response.rect.expand(space::S), None);
    }
}

/// A part of a row, in which what is added stands one below the other.
pub(super) fn column<R>(ui: &mut Ui, size: Vec2, add: impl FnOnce(&mut Ui) -> R) -> R {
    ui.allocate_ui_with_layout(size, egui::Layout::top_down(egui::Align::LEFT), add).inner
}

/// A thin bar that fills from the left; `None` is an unknown share.
pub(super) fn thin_bar(ui: &Ui, rect: Rect, share: Option<f32>, color: Color32) {
    let radius = CornerRadius::same(2);
    ui.painter().rect_filled(rect, radius, palette(ui).outline);
    if let Some(share) = share {
        let mut done = rect;
        done.set_width(rect.width() * share.clamp(0.0, 1.0));
        ui.painter().rect_filled(done, radius, color);
    }
}

/// What an empty panel says: a title, and what to do next.
pub(super) fn empty(ui: &mut Ui, title: &str, text: &str) {
    let palette = palette(ui);
    let room = ui.available_size();
    ui.allocate_ui_with_layout(room, egui::Layout::top_down(egui::Align::Center), |ui| {
        ui.add_space((room.y / 2.0 - 34.0).max(space::M));
        ui.label(RichText::new(title).font(semibold(size::TITLE)).color(palette.secondary));
        ui.spacing_mut().item_spacing.y = space::XS;
        ui.scope(|ui| {
            ui.set_max_width(360.0_f32.min(room.x - 2.0 * space::L));
            ui.add(
                egui::Label::new(RichText::new(text).size(size::SMALL).color(palette.tertiary))
                    .wrap()
                    .halign(egui::Align::Center),
            );
        });
    });
}
