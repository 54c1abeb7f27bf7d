//! The pipeline of the selected step: a row a candidate, a column a stage in the order applied, from raw logit
//! to probability.

use egui::{
    Color32, CornerRadius, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

use super::columns::{Cell, Columns, Kind, stage_detail};
use super::look;
use super::peek;
use super::prompt_token::no_step;
use crate::trace::{Candidate, ChosenBy, Node, Run, StrategyKind, Token};
use crate::ui::action::Action;
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::sent;
use crate::ui::theme::{Palette, mono, palette, regular, semibold, size, space};
use crate::ui::token_job::white_space_job;
use crate::ui::token_text;
use crate::ui::widgets::small_button;

const ROW: f32 = 26.0;
const HEADER: f32 = 40.0;

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some((place, node)) = scene.shown_node() else {
        no_step(
            ui,
            scene,
            "Each step's candidates appear here: raw logit, what every stage did, and the probability.",
        );
        return;
    };
    let index = scene.run().map_or(0, |run| run.line[place]);
    let choice = scene.state.candidate.filter(|choice| choice.node == index).map(|choice| choice.index);
    let width = ui.available_width();
    let Some(run) = scene.run() else { return };
    let columns = Columns::new(ui, node, run.model.server.is_some(), width - 2.0 * space::M);
    let top = ui.cursor().top();
    ui.spacing_mut().item_spacing.y = 0.0;
    header(ui, run, node, &columns, width);
    // A chosen token from beyond the top stands below the list, so that it is always in sight.
    let beyond = node.candidates.iter().rposition(|candidate| candidate.token == node.token);
    let beyond = beyond.filter(|index| node.rank > index + 1);
    let rows = node.candidates.len() - usize::from(beyond.is_some());
    let foot = ROW * if beyond.is_some() { 2.0 } else { 1.0 } + columns.bar_height();
    let height = (ui.available_height() - foot).max(ROW);
    // egui pulls an offset beyond the rows of the frame before back to these: the chosen row would not come into sight.
    ui.spacing_mut().scroll.kinetic.rubber_band = false;
    let mut list = ScrollArea::vertical().id_salt("pipeline rows").auto_shrink(false).max_height(height);
    if let Some(offset) = offset_for(ui, node, choice, height) {
        list = list.vertical_scroll_offset(offset);
    }
    list.show_rows(ui, ROW, rows, |ui, range| {
        ui.set_width(width);
        for candidate in range {
            let rank = (candidate + 1).to_string();
            let style = RowStyle { rank: &rank, selected: choice == Some(candidate), width };
            let candidate = &node.candidates[candidate];
            let (response, words) = row(ui, node, candidate, &columns, style);
            let response = peek::explain(response, scene, index, candidate.token, &words);
            if response.clicked() {
                scene.actions.push(Action::Branch { node: index, token: candidate.token });
            }
            pin(ui, scene, candidate, &columns, response.rect);
        }
    });
    if let Some(candidate) = beyond {
        let rank = sent::short_rank(run, node);
        let style = RowStyle { rank: &rank, selected: choice == Some(candidate), width };
        let candidate = &node.candidates[candidate];
        let (response, words) = row(ui, node, candidate, &columns, style);
        peek::explain(response, scene, index, candidate.token, &words);
    }
    others(ui, run, node, &columns, width);
    let left = ui.max_rect().left();
    let table = Rect::from_min_max(pos2(left, top), pos2(left + width, ui.cursor().top()));
    columns.scrollbar(ui, table);
}

/// Where the list scrolls when another step comes on show: to the chosen token, if it is not among the first. When
/// the keyboard selects a candidate: to that one.
fn offset_for(ui: &Ui, node: &Node, choice: Option<usize>, height: f32) -> Option<f32> {
    let id = ui.scope_id().with("pipeline step");
    let shown = (node.step, node.token, choice);
    let before = ui.data_mut(|data| data.get_temp::<(usize, u32, Option<usize>)>(id));
    if before == Some(shown) {
        return None;
    }
    ui.data_mut(|data| data.insert_temp(id, shown));
    let chosen = node.candidates.iter().position(|candidate| candidate.token == node.token);
    let index = choice.or(chosen)?;
    let bottom = (index + 1) as f32 * ROW;
    let below = choice.is_none() && node.rank > index + 1;
    Some(if bottom <= height || below { 0.0 } else { bottom - height / 2.0 })
}

fn header(ui: &mut Ui, run: &Run, node: &Node, columns: &Columns, width: f32) {
    let palette = palette(ui);
    let (served, by_server) = (run.model.server.is_some(), run.strategy == StrategyKind::Server);
    let (rect, _) = ui.allocate_exact_size(vec2(width, HEADER), Sense::hover());
    for column in columns.iter() {
        let Some(cell) = columns.cell(ui, rect, column) else { continue };
        let (title, detail, definition): (String, String, &'static Definition) = match column.kind {
            Kind::Rank => ("Rank".into(), String::new(), &definitions::RANK),
            Kind::Token => ("Token".into(), String::new(), &definitions::PIECE),
            Kind::Id => ("Id".into(), String::new(), &definitions::TOKEN_ID),
            Kind::Logit if served => ("Log-probability".into(), "nats, sent".into(), &definitions::RAW_LOGIT),
            Kind::Logit => ("Logit".into(), "raw".into(), &definitions::RAW_LOGIT),
            Kind::RawProbability => ("p".into(), "raw".into(), &definitions::RAW_PROBABILITY),
            Kind::Stage(index) => {
                (node.stages[index].name.clone(), stage_detail(node, index), &definitions::STAGE_VALUE)
            }
            Kind::Probability if by_server => {
                ("Probability".into(), "before the server's stages".into(), &definitions::FINAL_PROBABILITY)
            }
            Kind::Probability => {
                ("Probability".into(), "to choose from".into(), &definitions::FINAL_PROBABILITY)
            }
        };
        let seen = cell.rect.intersect(cell.painter.clip_rect());
        let id = ui.scope_id().with(("column", title.as_str()));
        let response = ui.interact(seen, id, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, format!("Column {title}")));
        let right = is_number(column.kind);
        let y = if detail.is_empty() { rect.center().y } else { rect.center().y - 7.0 };
        draw_text(&cell, y, &title, semibold(size::SMALL), palette.secondary, right);
        if !detail.is_empty() {
            draw_text(&cell, rect.center().y + 8.0, &detail, regular(size::CAPTION), palette.tertiary, right);
        }
        sent::definition(run, definition).explain(response);
    }
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, palette.line));
}

fn is_number(kind: Kind) -> bool {
    !matches!(kind, Kind::Token | Kind::Probability)
}

fn draw_text(cell: &Cell, y: f32, text: &str, font: egui::FontId, color: Color32, right: bool) {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(cell.rect.width().max(8.0));
    let galley = cell.painter.layout_job(job);
    let x = if right { cell.rect.right() - galley.size().x } else { cell.rect.left() };
    cell.painter.galley(pos2(x, y - galley.size().y / 2.0), galley, color);
}

/// How a candidate's row looks.
#[derive(Clone, Copy)]
struct RowStyle<'a> {
    /// Its place by raw logit, from 1.
    rank: &'a str,
    /// Whether the keyboard selected it.
    selected: bool,
    /// Width of the row, in points.
    width: f32,
}

/// A candidate's row, and what its tooltip says.
fn row(
    ui: &mut Ui,
    node: &Node,
    candidate: &Candidate,
    columns: &Columns,
    style: RowStyle<'_>,
) -> (egui::Response, String) {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(style.width, ROW), Sense::click());
    let chosen = candidate.token == node.token;
    let by_hand = chosen && node.chosen_by == ChosenBy::Hand;
    let cutter = candidate.cut_by.and_then(|stage| node.stages.get(stage));
    response.widget_info(|| {
        let fate = match cutter {
            Some(stage) => format!("cut by {}", stage.name),
            None => format::probability(candidate.probability),
        };
        let mark = match (by_hand, chosen) {
            (true, _) => "chosen by hand, ",
            (false, true) => "chosen, ",
            (false, false) => "",
        };
        let selected = if style.selected { ", selected" } else { "" };
        let token = token_text::of_candidate(candidate);
        WidgetInfo::labeled(Role::Row, true, format!("Candidate {token}: {mark}{fate}{selected}"))
    });
    background(ui, rect, &response, chosen, palette);
    let mark = pos2(rect.left() + 13.0, rect.center().y);
    if chosen {
        let icon = if by_hand { Icon::Branch } else { Icon::Check };
        icon.paint(ui.painter(), mark, 0.7, if by_hand { palette.second } else { palette.accent });
    } else if response.hovered() || style.selected {
        Icon::Branch.paint(ui.painter(), mark, 0.7, palette.secondary);
    }
    if style.selected {
        let stroke = Stroke::new(1.0, palette.accent);
        ui.painter().rect_stroke(rect.shrink(0.5), CornerRadius::same(4), stroke, StrokeKind::Inside);
    }
    for column in columns.iter() {
        if let Some(cell) = columns.cell(ui, rect, column) {
            fill_cell(&cell, column.kind, candidate, style.rank, chosen, palette);
        }
    }
    let way = format!("Id {}. Click to go on from here with this token", candidate.token);
    let words = match cutter {
        Some(stage) => format!("Cut by {} {}. {way}", stage.name, stage.setting),
        None if by_hand => format!("Id {}. The token that you chose", candidate.token),
        None if chosen => format!("Id {}. The chosen token", candidate.token),
        None => way,
    };
    (response, words)
}

/// The button that pins a candidate, at the end of its name.
fn pin(ui: &mut Ui, scene: &mut Scene<'_>, candidate: &Candidate, columns: &Columns, row: Rect) {
    let column = columns.iter().find(|column| column.kind == Kind::Token);
    let Some(cell) = column.and_then(|column| columns.cell(ui, row, column)) else { return };
    let token = Token { id: candidate.token, piece: candidate.piece.clone() };
    let (pinned, can) = (scene.is_pinned(token.id), scene.can_toggle_pin(token.id));
    let name = token_text::of_candidate(candidate);
    let label = if pinned { format!("Unpin {name}") } else { format!("Pin {name}") };
    let at = pos2(cell.rect.right() - 4.0, row.center().y);
    ui.add_enabled_ui(can, |ui| {
        let shows = pinned || can && ui.rect_contains_pointer(row);
        if small_button(ui, (Icon::Pin, token.id), at, &label, shows).clicked() {
            scene.actions.push(Action::TogglePin(token));
        }
    });
}

/// What a column says of a candidate.
fn fill_cell(cell: &Cell, kind: Kind, candidate: &Candidate, rank: &str, chosen: bool, palette: &Palette) {
    let cut = candidate.cut_by.is_some();
    let text_color = if cut { palette.tertiary } else { palette.text };
    let y = cell.rect.center().y;
    let number = |text: &str, color: Color32| draw_text(cell, y, text, mono(size::SMALL), color, true);
    match kind {
        Kind::Rank => number(rank, palette.tertiary),
        Kind::Token => {
            let token = token_text::of_candidate(candidate);
            let mut job = white_space_job(&token, text_color, palette.tertiary);
            job.wrap = egui::text::TextWrapping::truncate_at_width(cell.rect.width().max(8.0));
            let galley = cell.painter.layout_job(job);
            let at = pos2(cell.rect.left(), y - galley.size().y / 2.0);
            cell.painter.galley(at, galley, text_color);
        }
        Kind::Id => number(&candidate.token.to_string(), palette.tertiary),
        Kind::Logit => number(&format::value(candidate.logit), text_color),
        Kind::RawProbability => number(&format::probability(candidate.raw_probability), text_color),
        Kind::Stage(stage) => match candidate.after.get(stage) {
            Some(value) => {
                let before = if stage == 0 { candidate.logit } else { candidate.after[stage - 1] };
                let color = if (value - before).abs() < 1e-6 { palette.tertiary } else { text_color };
                number(&format::value(*value), color);
            }
            None if candidate.cut_by == Some(stage) => {
                draw_text(cell, y, "cut", semibold(size::SMALL), palette.warning, true);
            }
            None => number("–", palette.outline),
        },
        Kind::Probability => probability(cell, candidate.probability, chosen, cut, palette),
    }
}

fn background(ui: &Ui, rect: Rect, response: &egui::Response, chosen: bool, palette: &Palette) {
    if chosen {
        ui.painter().rect_filled(rect, 0.0, palette.accent_soft);
        let mark = Rect::from_min_size(rect.left_top(), vec2(3.0, rect.height()));
        ui.painter().rect_filled(mark, 0.0, palette.accent);
    } else if response.hovered() {
        ui.painter().rect_filled(rect, 0.0, palette.raised);
    }
}

fn probability(cell: &Cell, value: f32, chosen: bool, cut: bool, palette: &Palette) {
    let y = cell.rect.center().y;
    let text = if cut { "0 %".to_owned() } else { format::probability(value) };
    let color = if cut { palette.tertiary } else { palette.text };
    let rect = Rect::from_min_size(cell.rect.left_top(), vec2(66.0, cell.rect.height()));
    let number = Cell { rect, painter: cell.painter.clone() };
    draw_text(&number, y, &text, mono(size::SMALL), color, true);
    let track = Rect::from_min_max(pos2(rect.right() + space::S, y - 4.0), pos2(cell.rect.right(), y + 4.0));
    if track.width() > 8.0 && value > 0.0 {
        // As long as the track is certainty, at every step.
        let width = (track.width() * value.min(1.0)).max(1.5);
        let color = if chosen { palette.accent } else { palette.accent.gamma_multiply(0.45) };
        cell.painter.rect_filled(track, CornerRadius::same(2), palette.line);
        let bar = Rect::from_min_size(track.min, vec2(width, track.height()));
        cell.painter.rect_filled(bar, CornerRadius::same(2), color);
    }
}

fn others(ui: &mut Ui, run: &Run, node: &Node, columns: &Columns, width: f32) {
    let (name, definition) = sent::others(run, node);
    let palette = palette(ui);
    let others = &node.others;
    let (rect, response) = ui.allocate_exact_size(vec2(width, ROW), Sense::hover());
    response.widget_info(|| {
        WidgetInfo::labeled(
            Role::Row,
            true,
            format!(
                "{}: {}",
                look::sentence(name).trim_end_matches('.'),
                format::probability(others.probability)
            ),
        )
    });
    if response.hovered() {
        ui.painter().rect_filled(rect, 0.0, palette.raised);
    }
    ui.painter().hline(rect.x_range(), rect.top() + 0.5, Stroke::new(1.0, palette.line));
    let y = rect.center().y;
    for column in columns.iter() {
        let Some(cell) = columns.cell(ui, rect, column) else { continue };
        match column.kind {
            Kind::Token => {
                draw_text(&cell, y, name, regular(size::SMALL), palette.secondary, false);
            }
            Kind::Id => {
                let text = format::count(others.count as u64);
                draw_text(&cell, y, &text, mono(size::SMALL), palette.tertiary, true);
            }
            Kind::RawProbability => {
                let text = format::probability(others.raw_probability);
                draw_text(&cell, y, &text, mono(size::SMALL), palette.secondary, true);
            }
            Kind::Probability => {
                probability(&cell, others.probability, false, others.kept == 0, palette);
            }
            _ => {}
        }
    }
    definition.explain(response.on_hover_text(format!(
        "{} {}, {} of them kept by every stage",
        format::count(others.count as u64),
        if others.count == 1 { "entry" } else { "entries" },
        format::count(others.kept as u64)
    )));
}
