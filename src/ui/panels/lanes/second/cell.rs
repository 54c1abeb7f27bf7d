//! What it says of a step of lane A.

use egui::{Align2, CornerRadius, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::said::{Second, color, nats};
use crate::session::SecondOpinion;
use crate::trace::Node;
use crate::ui::action::Action;
use crate::ui::colours::quantity;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::lanes::LaneAction;
use crate::ui::scene::Scene;
use crate::ui::table;
use crate::ui::theme::{palette, semibold, size};
use crate::ui::token_text;
use crate::ui::widgets::focus_ring;

/// Room for the sign of another first token.
const SIGN: f32 = 16.0;
/// Widths of the numbers, and of the cell from which on they show.
const KL: f32 = 62.0;
const KL_FROM: f32 = 150.0;
const BOTH: f32 = 122.0;
const BOTH_FROM: f32 = 270.0;

/// The numbers that a cell has room for, from the right, with their widths.
pub(super) fn numbers(width: f32) -> Vec<(&'static str, f32)> {
    let kl = (width >= KL_FROM).then_some(("KL(A || M)", KL));
    let both = (width >= BOTH_FROM).then_some(("p by A → by M", BOTH));
    kl.into_iter().chain(both).collect()
}

/// Shows it.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>, second: &Second<'_>, place: usize, rect: Rect) {
    let Some((opinion, run)) = second.at(place) else { return };
    let node = &run.nodes[opinion.node];
    let ink = palette(ui);
    let response = ui.interact(rect, ui.scope_id().with(("second cell", place)), Sense::click());
    let words = words(opinion, node, place);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, words.join(", ")));
    let ground = rect.shrink2(vec2(3.0, 1.0));
    if response.hovered() {
        ui.painter().rect_filled(ground, CornerRadius::same(4), ink.hover);
    }
    focus_ring(ui, &response, ground);
    if !opinion.agrees() {
        let at = pos2(rect.left() + 8.0, rect.center().y);
        ui.painter().text(at, Align2::LEFT_CENTER, "≠", semibold(size::BODY), color(ui));
    }
    let inside = rect.with_min_x(rect.left() + 8.0 + SIGN).with_max_x(rect.right() - 8.0);
    let probability = |log: f64| format::probability(log.exp() as f32);
    let both = format!(
        "{} → {}",
        probability(opinion.first.log_probability),
        probability(opinion.second.log_probability)
    );
    let mut right = inside.right();
    for (text, (_, width)) in [nats(opinion.kl_nats), both].iter().zip(numbers(rect.width() - 16.0)) {
        let color = if right == inside.right() { ink.text } else { ink.secondary };
        table::number(ui, inside.with_max_x(right).with_min_x(right - width), text, color);
        right -= width;
    }
    let top = token_text::of_token(&opinion.second.top);
    let quiet = if opinion.agrees() { ink.tertiary } else { ink.text };
    table::token(ui, inside.with_max_x(right - 4.0), &top, quiet);
    let share = second.share(opinion.kl_nats) as f32;
    let bar = Rect::from_min_size(
        pos2(inside.left(), rect.bottom() - 3.0),
        vec2(inside.width() * share.clamp(0.0, 1.0), 2.0),
    );
    ui.painter().rect_filled(bar, 1.0, quantity(ui, share).gamma_multiply(0.8));
    if response.clicked() {
        scene.actions.push(Action::Lane(LaneAction::Show { lane: 0, place: Some(place) }));
    }
    response.on_hover_ui(|ui| {
        ui.set_max_width(320.0);
        ui.spacing_mut().item_spacing.y = 3.0;
        for line in &words {
            ui.label(egui::RichText::new(line).size(size::SMALL).color(ink.text));
        }
        ui.add_space(4.0);
        definitions::KL_DIVERGENCE.card(ui);
    });
}

/// All of it in words.
fn words(opinion: &SecondOpinion, node: &Node, place: usize) -> Vec<String> {
    let tops = [&opinion.first.top, &opinion.second.top].map(token_text::of_token);
    let [by_first, by_second] = [&opinion.first, &opinion.second]
        .map(|opinion| format::probability(opinion.log_probability.exp() as f32));
    let first = match opinion.agrees() {
        true => format!("{} first, as by lane A's model", tops[1]),
        false => format!("{} first, by lane A's model {}", tops[1], tops[0]),
    };
    vec![
        format!("Model M, step {}: {first}", place + 1),
        format!("{} has {by_first} by A's model and {by_second} by M", token_text::of_node(node)),
        format!("KL(A || M) {} nats", nats(opinion.kl_nats)),
    ]
}
