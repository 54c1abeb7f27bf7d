//! Speculative decoding: the draft's row against the target's, token by token, with the verdicts.

use egui::{CornerRadius, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use super::rate::tokens_per_pass;
use crate::trace::strategies::{Added, DraftSource, Drafted, SpeculativeStep, Verdict};
use crate::trace::{Run, StrategyStep};
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::table::{self, Side, framed};
use crate::ui::theme::{mono, palette, regular, semibold, size, space};
use crate::ui::token_text;
use crate::ui::widgets::{fact, hint, section};

/// Width of a drafted token's column, in points.
const COLUMN: f32 = 92.0;
/// Width of the rows' names.
const NAMES: f32 = 104.0;
/// Height of a row.
const ROW: f32 = 26.0;

/// Shows a draft and what became of it.
///
/// `node` is the selected step's index in the run's nodes, one of the step's.
pub(super) fn show(ui: &mut Ui, run: &Run, step: &StrategyStep, speculative: &SpeculativeStep, node: usize) {
    let selected = Selected::of(speculative, node - step.nodes.start);
    ScrollArea::vertical().id_salt("draft").auto_shrink(false).show(ui, |ui| {
        framed(ui, |ui| {
            section(ui, "Draft against target");
            ui.add_space(space::XS);
            if speculative.drafted.is_empty() {
                hint(ui, "Nothing was drafted here: the target model chose this token itself.");
            } else {
                ScrollArea::horizontal().id_salt("drafted").auto_shrink([false, true]).show(ui, |ui| {
                    grid(ui, run, step, speculative, selected);
                });
                ui.add_space(space::XS);
                hint(ui, &reason(speculative, selected));
            }
            ui.add_space(space::M);
            section(ui, "Work");
            ui.scope(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.set_max_width(360.0);
                facts(ui, run, step, speculative);
            });
        });
    });
}

fn facts(ui: &mut Ui, run: &Run, step: &StrategyStep, speculative: &SpeculativeStep) {
    let drafter = match speculative.drafter {
        DraftSource::Model => "draft model",
        DraftSource::Head => "the model's own head",
        DraftSource::PromptLookup => "prompt lookup",
    };
    fact(ui, &definitions::DRAFTER, drafter);
    fact(ui, &definitions::ACCEPTED, &format!("{} of {}", speculative.accepted(), speculative.drafted.len()));
    fact(ui, &definitions::TOKENS_PER_PASS, &tokens_per_pass(run, step));
    fact(ui, &definitions::DRAFT_PASSES, &format::count(speculative.draft_passes as u64));
    fact(ui, &definitions::DRAFT_TIME, &format::seconds(speculative.draft_seconds));
}

/// The selected token among those of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selected {
    /// An accepted token of the draft, by its column.
    Drafted(usize),
    /// The one that the target added.
    Added,
}

impl Selected {
    /// The `place`-th token of those that the step brought.
    fn of(speculative: &SpeculativeStep, place: usize) -> Self {
        if place < speculative.accepted() { Self::Drafted(place) } else { Self::Added }
    }

    fn column(self, speculative: &SpeculativeStep) -> usize {
        match self {
            Self::Drafted(column) => column,
            Self::Added => speculative.drafted.len(),
        }
    }
}

/// Which number decided about the selected token, in words.
fn reason(speculative: &SpeculativeStep, selected: Selected) -> String {
    match selected {
        Selected::Drafted(column) => {
            let drafted = &speculative.drafted[column];
            match drafted.draw {
                Some(draw) => {
                    format!("Accepted: its draw {draw:.3} is below p / q, {}.", acceptance(drafted))
                }
                None => "Accepted: it is the target's highest as well.".to_owned(),
            }
        }
        Selected::Added => {
            let rejected = speculative.drafted.iter().find(|drafted| drafted.verdict == Verdict::Rejected);
            let Some(drafted) = rejected else {
                return "Added by the target itself: the pass over the draft gave one more row.".to_owned();
            };
            let text = token_text::of_token(&drafted.token);
            match drafted.draw {
                Some(draw) => format!(
                    "In place of {text}, whose draw {draw:.3} is not below p / q, {}: drawn from what q leaves of p.",
                    acceptance(drafted)
                ),
                None => format!("In place of {text}: this one is the target's highest."),
            }
        }
    }
}

/// A row of the grid.
struct GridRow {
    name: &'static str,
    definition: Option<&'static Definition>,
    /// Whether it is one of the two numbers whose comparison decides.
    decides: bool,
    value: fn(&Drafted) -> String,
}

const ROWS: [GridRow; 4] = [
    GridRow {
        name: "Draft's q",
        definition: Some(&definitions::DRAFT_PROBABILITY),
        decides: false,
        value: |token| format::probability(token.draft_probability),
    },
    GridRow {
        name: "Target's p",
        definition: Some(&definitions::TARGET_PROBABILITY),
        decides: false,
        value: |token| match token.verdict {
            Verdict::Unreached => "–".to_owned(),
            _ => format::probability(token.target_probability),
        },
    },
    GridRow { name: "p / q", definition: Some(&definitions::ACCEPTANCE), decides: true, value: acceptance },
    GridRow {
        name: "Draw",
        definition: Some(&definitions::VERDICT_DRAW),
        decides: true,
        value: |token| token.draw.map_or("–".to_owned(), |draw| format!("{draw:.3}")),
    },
];

fn acceptance(token: &Drafted) -> String {
    if token.verdict == Verdict::Unreached || token.draft_probability <= 0.0 {
        return "–".to_owned();
    }
    format!("{:.3}", (token.target_probability / token.draft_probability).min(1.0))
}

fn grid(ui: &mut Ui, run: &Run, step: &StrategyStep, speculative: &SpeculativeStep, selected: Selected) {
    let palette = palette(ui);
    let added = match speculative.added {
        Added::Nothing => None,
        Added::Correction => Some("correction"),
        Added::Bonus => Some("bonus"),
    };
    let columns = speculative.drafted.len() + usize::from(added.is_some());
    let height = ROW * (ROWS.len() + 2) as f32;
    let (rect, _) = ui.allocate_exact_size(vec2(NAMES + COLUMN * columns as f32, height), Sense::hover());
    let lit = Rect::from_min_size(
        pos2(rect.left() + NAMES + COLUMN * selected.column(speculative) as f32, rect.top()),
        vec2(COLUMN, height),
    );
    ui.painter().rect(
        lit.shrink(1.0),
        CornerRadius::same(4),
        palette.accent_soft,
        Stroke::new(1.0, palette.accent),
        StrokeKind::Inside,
    );
    let cell = |column: usize, row: usize| {
        let at = pos2(rect.left() + NAMES + COLUMN * column as f32, rect.top() + ROW * row as f32);
        Rect::from_min_size(at, vec2(COLUMN, ROW)).shrink2(vec2(6.0, 0.0))
    };
    let name = |ui: &mut Ui, row: usize, text: &str, definition: Option<&'static Definition>| {
        let at = pos2(rect.left(), rect.top() + ROW * row as f32);
        let area = Rect::from_min_size(at, vec2(NAMES, ROW));
        table::draw_text(ui, area, text, regular(size::SMALL), palette.secondary, Side::Left);
        if let Some(definition) = definition {
            definition.explain(ui.interact(area, ui.scope_id().with(("row", row)), Sense::hover()));
        }
    };
    name(ui, 0, "Drafted", None);
    for (index, row) in ROWS.iter().enumerate() {
        name(ui, index + 1, row.name, row.definition);
    }
    name(ui, ROWS.len() + 1, "Verdict", None);
    for (column, token) in speculative.drafted.iter().enumerate() {
        drafted_column(ui, column, token, selected, cell);
    }
    if let Some(word) = added {
        added_column(ui, speculative.drafted.len(), run, step, word, cell);
        let x = rect.left() + NAMES + COLUMN * speculative.drafted.len() as f32;
        ui.painter().vline(x, rect.y_range(), Stroke::new(1.0, palette.line));
    }
    for row in 1..ROWS.len() + 2 {
        let y = rect.top() + ROW * row as f32;
        ui.painter().hline(rect.x_range(), y, Stroke::new(1.0, palette.line));
    }
}

/// A drafted token with its numbers and what became of it; `cell` gives the place of a column and row.
fn drafted_column(
    ui: &Ui,
    column: usize,
    token: &Drafted,
    selected: Selected,
    cell: impl Fn(usize, usize) -> Rect,
) {
    let palette = palette(ui);
    let text = token_text::of_token(&token.token);
    let (word, icon, color) = match token.verdict {
        Verdict::Accepted => ("accepted", Some(Icon::Check), palette.good),
        Verdict::Rejected => ("rejected", Some(Icon::Cross), palette.warning),
        Verdict::Unreached => ("unreached", None, palette.tertiary),
    };
    let area = Rect::from_min_max(cell(column, 0).min, cell(column, ROWS.len() + 1).max);
    let response = ui.interact(area, ui.scope_id().with(("drafted", column)), Sense::hover());
    let label = format!("Drafted {}: {text}, {word}", column + 1);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &label));
    let quiet = token.verdict == Verdict::Unreached;
    let ink = if quiet { palette.tertiary } else { palette.text };
    chip(ui, cell(column, 0), &text, palette.raised, ink);
    // The draw against p / q decided, where there was one.
    let decided = token.draw.is_some() && selected == Selected::Drafted(column);
    for (row, of) in ROWS.iter().enumerate() {
        let ink = if decided && of.decides { palette.accent } else { ink };
        table::number(ui, cell(column, row + 1), &(of.value)(token), ink);
    }
    let place = cell(column, ROWS.len() + 1);
    table::draw_text(ui, place, word, semibold(size::CAPTION), color, Side::Right);
    if let Some(icon) = icon {
        icon.paint(ui.painter(), pos2(place.left() + 6.0, place.center().y), 0.65, color);
    }
}

/// The token that the target added.
fn added_column(
    ui: &Ui,
    column: usize,
    run: &Run,
    step: &StrategyStep,
    word: &str,
    cell: impl Fn(usize, usize) -> Rect,
) {
    let palette = palette(ui);
    let node = step.nodes.end.checked_sub(1).and_then(|node| run.nodes.get(node));
    let text = node.map(token_text::of_node).unwrap_or_default();
    let area = Rect::from_min_max(cell(column, 0).min, cell(column, ROWS.len() + 1).max);
    let response = ui.interact(area, ui.scope_id().with("added"), Sense::hover());
    let label = format!("Added by the target: {text}, {word}");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &label));
    chip(ui, cell(column, 0), &text, palette.accent_soft, palette.text);
    if let Some(chosen) = node.and_then(|node| node.chosen()) {
        table::number(ui, cell(column, 2), &format::probability(chosen.probability), palette.text);
    }
    let place = cell(column, ROWS.len() + 1);
    table::draw_text(ui, place, word, semibold(size::CAPTION), palette.accent, Side::Right);
    Icon::Plus.paint(ui.painter(), pos2(place.left() + 6.0, place.center().y), 0.6, palette.accent);
}

/// A token on a ground of its own, as wide as its cell at most.
fn chip(ui: &Ui, cell: Rect, text: &str, fill: egui::Color32, color: egui::Color32) {
    let galley = crate::ui::widgets::one_line(ui, text, mono(size::SMALL), color, cell.width() - 8.0);
    let width = galley.size().x + 8.0;
    let at = pos2(cell.right() - width + 2.0, cell.top() + 2.0);
    ui.painter().rect_filled(Rect::from_min_size(at, vec2(width, ROW - 4.0)), CornerRadius::same(4), fill);
    ui.painter().galley(pos2(at.x + 4.0, cell.center().y - galley.size().y / 2.0), galley, color);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drafted(verdict: Verdict, draw: Option<f64>) -> Drafted {
        let token = crate::trace::Token { id: 1, piece: "Ġsea".into() };
        Drafted { token, draft_probability: 0.8, target_probability: 0.2, draw, verdict }
    }

    #[test]
    fn a_selected_token_says_which_number_decided() {
        let mut step = SpeculativeStep {
            drafted: vec![
                drafted(Verdict::Accepted, Some(0.125)),
                drafted(Verdict::Rejected, Some(0.5)),
                drafted(Verdict::Unreached, None),
            ],
            added: Added::Correction,
            ..SpeculativeStep::default()
        };
        let say = |step: &SpeculativeStep, place| reason(step, Selected::of(step, place));
        assert_eq!(say(&step, 0), "Accepted: its draw 0.125 is below p / q, 0.250.");
        assert_eq!(
            say(&step, 1),
            "In place of ·sea, whose draw 0.500 is not below p / q, 0.250: drawn from what q leaves of p."
        );
        assert_eq!(Selected::of(&step, 1).column(&step), 3);
        step.drafted.iter_mut().for_each(|token| token.draw = None);
        assert_eq!(say(&step, 0), "Accepted: it is the target's highest as well.");
        assert_eq!(say(&step, 1), "In place of ·sea: this one is the target's highest.");
        step.drafted.truncate(1);
        assert!(say(&step, 1).starts_with("Added by the target itself"));
    }
}
