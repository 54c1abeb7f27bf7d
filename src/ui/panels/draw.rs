//! The draw: the kept tokens end to end on 0–1, and the random number as a needle.

use egui::{Align2, CornerRadius, Rect, Role, Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use crate::trace::{Candidate, ChosenBy, Draw, Node, Run, StrategyKind};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::theme::{mono, palette, regular, size, space};
use crate::ui::token_text;
use crate::ui::widgets::{fact, hint, section};

/// Shows the draw of a step, or says why there is none.
pub(crate) fn show(ui: &mut Ui, run: &Run, node: &Node) {
    section(ui, "The draw");
    let Some(draw) = &node.draw else {
        let reason = match node.chosen_by {
            ChosenBy::Strategy if run.strategy == StrategyKind::Server => {
                "The server chose: whether it drew, and with which random number, it does not tell."
            }
            ChosenBy::Strategy => "No random number decided here.",
            ChosenBy::Hand => "No random number: you chose this token.",
        };
        hint(ui, reason);
        return;
    };
    strip(ui, node, draw);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        fact(ui, &definitions::DRAW, &format!("u = {:.6}", draw.value));
        fact(ui, &definitions::SEED, &format!("{} · step {}", draw.seed, draw.step));
    });
}

/// One kept token's place on 0–1.
struct Segment<'a> {
    from: f64,
    to: f64,
    candidate: Option<&'a Candidate>,
}

fn segments<'a>(node: &'a Node) -> Vec<Segment<'a>> {
    let mut kept: Vec<&Candidate> =
        node.candidates.iter().filter(|candidate| candidate.probability > 0.0).collect();
    kept.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.token.cmp(&b.token)));
    let mut from = 0.0;
    let mut segments: Vec<Segment<'_>> = kept
        .into_iter()
        .map(|candidate| {
            let to = from + f64::from(candidate.probability);
            let segment = Segment { from, to, candidate: Some(candidate) };
            from = to;
            segment
        })
        .collect();
    if node.others.probability > 0.0 {
        segments.push(Segment { from, to: from + f64::from(node.others.probability), candidate: None });
    }
    segments
}

fn strip(ui: &mut Ui, node: &Node, draw: &Draw) {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 64.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("Draw: {:.6}", draw.value)));
    let strip =
        Rect::from_min_max(pos2(rect.left(), rect.top() + 18.0), pos2(rect.right(), rect.top() + 44.0));
    let x = |share: f64| strip.left() + strip.width() * share.clamp(0.0, 1.0) as f32;
    ui.painter().rect_filled(strip, CornerRadius::same(4), palette.window);
    let segments = segments(node);
    for (index, segment) in segments.iter().enumerate() {
        let chosen = segment.candidate.is_some_and(|candidate| candidate.token == node.token);
        let part = Rect::from_x_y_ranges(x(segment.from)..=x(segment.to), strip.y_range());
        if part.width() < 0.75 && !chosen {
            continue;
        }
        let fill = match (chosen, segment.candidate.is_some(), index % 2) {
            (true, ..) => palette.accent,
            (_, false, _) => palette.raised,
            (_, _, 0) => palette.hover,
            _ => palette.outline,
        };
        let gap = if part.width() > 4.0 { 0.5 } else { 0.0 };
        ui.painter().rect_filled(part.shrink2(vec2(gap, 0.0)), CornerRadius::same(2), fill);
        let name = segment.candidate.map_or("others".to_owned(), |c| token_text::visible_piece(&c.piece));
        let color = if chosen { palette.on_accent } else { palette.secondary };
        let galley = ui.painter().layout_no_wrap(name, mono(size::CAPTION), color);
        if galley.size().x + 6.0 < part.width() {
            ui.painter().galley(part.center() - galley.size() / 2.0, galley, color);
        }
    }
    ui.painter().rect_stroke(
        strip,
        CornerRadius::same(4),
        Stroke::new(1.0, palette.line),
        StrokeKind::Outside,
    );

    let needle = x(draw.value);
    ui.painter().vline(needle, strip.top() - 4.0..=strip.bottom() + 4.0, Stroke::new(2.0, palette.text));
    let tip = pos2(needle, strip.top() - 2.0);
    let head = vec![tip, tip + vec2(-5.0, -7.0), tip + vec2(5.0, -7.0)];
    ui.painter().add(Shape::convex_polygon(head, palette.text, Stroke::NONE));
    let text = format!("{:.3}", draw.value);
    let right_side = draw.value < 0.8;
    let (align, dx) = if right_side { (Align2::LEFT_CENTER, 9.0) } else { (Align2::RIGHT_CENTER, -9.0) };
    ui.painter().text(pos2(needle + dx, rect.top() + 9.0), align, text, mono(size::CAPTION), palette.text);
    for (share, align) in [(0.0, Align2::LEFT_TOP), (0.5, Align2::CENTER_TOP), (1.0, Align2::RIGHT_TOP)] {
        let at = pos2(x(share), strip.bottom() + space::XS);
        ui.painter().text(at, align, format!("{share}"), regular(size::CAPTION), palette.tertiary);
    }

    let under = response.hover_pos().and_then(|pointer| {
        let share = f64::from((pointer.x - strip.left()) / strip.width());
        segments.iter().find(|segment| segment.from <= share && share < segment.to)
    });
    response.on_hover_ui(|ui| match under {
        Some(segment) => {
            let name = segment
                .candidate
                .map_or("all other kept tokens".to_owned(), |c| token_text::visible_piece(&c.piece));
            ui.label(egui::RichText::new(name).font(mono(size::BODY)));
            ui.label(format!(
                "{:.4} to {:.4} · {}",
                segment.from,
                segment.to,
                format::probability((segment.to - segment.from) as f32)
            ));
        }
        None => definitions::DRAW.card(ui),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Others;

    #[test]
    fn segments_lie_end_to_end_by_probability_and_id() {
        let candidate = |token, probability| Candidate { token, probability, ..Candidate::default() };
        let node = Node {
            candidates: vec![candidate(9, 0.25), candidate(4, 0.25), candidate(1, 0.4), candidate(2, 0.0)],
            others: Others { count: 3, kept: 1, probability: 0.1, raw_probability: 0.2, highest: None },
            ..Node::default()
        };
        let segments = segments(&node);
        let ids: Vec<_> = segments.iter().map(|segment| segment.candidate.map(|c| c.token)).collect();
        assert_eq!(ids, [Some(1), Some(4), Some(9), None]);
        for pair in segments.windows(2) {
            assert_eq!(pair[0].to, pair[1].from);
        }
        assert!((segments[3].to - 1.0).abs() < 1e-6);
    }
}
