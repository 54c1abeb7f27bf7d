//! The pipeline table's columns: token, logit and raw probability stay on the left, the probability to choose from on the
//! right, and the stages between them scroll where they do not fit.

use egui::{Painter, Rect, ScrollArea, Stroke, Ui, pos2, vec2};

use crate::trace::Node;
use crate::ui::format;
use crate::ui::theme::{palette, regular, semibold, size, space};

/// Height of the scrollbar's strip.
const BAR: f32 = 12.0;
/// Width of the ranks, the ids and the raw probabilities.
const RANK: f32 = 44.0;
const ID: f32 = 60.0;
const RAW: f32 = 78.0;
/// Width of the tokens, and the least.
const TOKEN: f32 = 136.0;
const LEAST_TOKEN: f32 = 84.0;
/// Width of the logits, and of log-probabilities, which is a longer word.
const LOGIT: f32 = 76.0;
const LOG_PROBABILITY: f32 = 112.0;
/// Width of a stage's column, and the least.
const STAGE: f32 = 92.0;
const LEAST_STAGE: f32 = 76.0;
/// Width of the last column, and the least, which has no bar.
const PROBABILITY: f32 = 140.0;
const LEAST_PROBABILITY: f32 = 84.0;
/// Least width in which stages scroll.
const LEAST_SIGHT: f32 = 76.0;

/// A column, its left edge as if none scrolled.
pub(super) struct Column {
    left: f32,
    width: f32,
    /// What it shows.
    pub kind: Kind,
}

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Place by raw logit.
    Rank,
    /// Spelling.
    Token,
    /// Id.
    Id,
    /// Raw logit.
    Logit,
    /// Softmax of the raw logits.
    RawProbability,
    /// Value after a stage.
    Stage(usize),
    /// Probability to choose from.
    Probability,
}

/// All columns of a step, and how far those in the middle are scrolled.
pub(super) struct Columns {
    all: Vec<Column>,
    /// Where the middle begins, and how wide it is in sight.
    middle: (f32, f32),
    /// Its whole width.
    wide: f32,
    /// How far it is scrolled.
    offset: f32,
}

/// A cell in sight.
pub(super) struct Cell {
    /// Where its text goes.
    pub rect: Rect,
    /// Paints what is in sight of it.
    pub painter: Painter,
}

/// The second line of a stage's header.
pub(super) fn stage_detail(node: &Node, stage: usize) -> String {
    let stage = &node.stages[stage];
    // Of a stage with a state, such as mirostat's μ, that is what tells the steps apart.
    let setting = stage.state.map_or(stage.setting.clone(), |state| format!("{state:.2}"));
    format!("{setting} · {} kept", format::count(stage.kept as u64))
}

/// How wide the columns are.
#[derive(Clone, Debug, PartialEq)]
struct Widths {
    token: f32,
    has_id: bool,
    logit: f32,
    stages: Vec<f32>,
    probability: f32,
}

impl Widths {
    /// For stages that want so much, in so much room.
    fn fit(stages: Vec<f32>, served: bool, room: f32) -> Self {
        let logit = if served { LOG_PROBABILITY } else { LOGIT };
        let mut widths = Self { token: TOKEN, has_id: true, logit, stages, probability: PROBABILITY };
        widths.probability -= (widths.all() - room).clamp(0.0, PROBABILITY - LEAST_PROBABILITY);
        if widths.all() > room {
            widths.has_id = false;
        }
        let give: f32 = widths.stages.iter().map(|width| width - LEAST_STAGE).sum();
        let share = ((widths.all() - room) / give.max(1.0)).clamp(0.0, 1.0);
        widths.stages.iter_mut().for_each(|width| *width -= share * (*width - LEAST_STAGE));
        // Room in which a stage can be seen at all.
        let sight: f32 = widths.stages.iter().sum::<f32>().min(LEAST_SIGHT);
        let needed = widths.all() - widths.stages.iter().sum::<f32>() + sight;
        widths.token -= (needed - room).clamp(0.0, TOKEN - LEAST_TOKEN);
        widths
    }

    fn all(&self) -> f32 {
        let id = if self.has_id { ID } else { 0.0 };
        RANK + self.token + id + self.logit + RAW + self.stages.iter().sum::<f32>() + self.probability
    }
}

impl Columns {
    /// The columns of a step in so much room; `served`: its logits are log-probabilities, which is a longer word. Where the
    /// room is short, first the bar beside the probability gives way, then the ids, then room of the stages, then room of
    /// the token; what is still too wide of the stages scrolls. Token, logit and probabilities are whole in any case.
    pub(super) fn new(ui: &Ui, node: &Node, served: bool, room: f32) -> Self {
        let stages: Vec<f32> = (0..node.stages.len()).map(|stage| stage_width(ui, node, stage)).collect();
        let widths = Widths::fit(stages, served, room);
        let mut all = Vec::new();
        let mut left = 0.0;
        let mut add = |width: f32, kind: Kind| {
            all.push(Column { left, width, kind });
            left += width;
            left
        };
        add(RANK, Kind::Rank);
        add(widths.token, Kind::Token);
        if widths.has_id {
            add(ID, Kind::Id);
        }
        add(widths.logit, Kind::Logit);
        let begins = add(RAW, Kind::RawProbability);
        let mut ends = begins;
        for (stage, &width) in widths.stages.iter().enumerate() {
            ends = add(width, Kind::Stage(stage));
        }
        let wide = ends - begins;
        let in_sight = wide.min((room - begins - widths.probability).max(LEAST_SIGHT.min(wide)));
        let last = (room - begins - in_sight).max(widths.probability);
        all.push(Column { left: begins + in_sight, width: last, kind: Kind::Probability });
        let offset = ui.data(|data| data.get_temp(offset_id(ui))).unwrap_or(0.0);
        let offset = f32::clamp(offset, 0.0, wide - in_sight);
        Self { all, middle: (begins, in_sight), wide, offset }
    }

    /// All columns, from left to right.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Column> {
        self.all.iter()
    }

    /// Whether some of the middle is out of sight.
    pub(super) fn scroll(&self) -> bool {
        self.wide > self.middle.1 + 0.5
    }

    /// Height of the scrollbar's strip.
    pub(super) fn bar_height(&self) -> f32 {
        if self.scroll() { BAR } else { 0.0 }
    }

    /// A row's cell of a column; `None` where it is out of sight.
    pub(super) fn cell(&self, ui: &Ui, row: Rect, column: &Column) -> Option<Cell> {
        let first = row.left() + space::M;
        let scrolls = matches!(column.kind, Kind::Stage(_));
        let offset = if scrolls { self.offset } else { 0.0 };
        let whole = Rect::from_min_size(
            pos2(first + column.left - offset, row.top()),
            vec2(column.width, row.height()),
        );
        let seen = if scrolls { whole.intersect(self.sight(row)) } else { whole };
        // What is in sight of a column's room holds its text: cut off in the middle of a letter it would be another one.
        let rect = seen.shrink2(vec2(6.0, 0.0));
        let seen = seen.intersect(ui.clip_rect());
        (rect.width() > 8.0 && seen.width() > 1.0 && seen.height() > 0.0)
            .then(|| Cell { rect, painter: ui.painter().with_clip_rect(seen) })
    }

    /// The part of a row in which the middle is in sight.
    fn sight(&self, row: Rect) -> Rect {
        let left = row.left() + space::M + self.middle.0;
        Rect::from_min_max(pos2(left, row.top()), pos2(left + self.middle.1, row.bottom()))
    }

    /// The bar that scrolls the middle, where that is needed, and lines where it goes on beyond its edges. A wheel
    /// turned sideways over `table` scrolls as well.
    pub(super) fn scrollbar(&self, ui: &mut Ui, table: Rect) {
        if !self.scroll() {
            return;
        }
        let (strip, _) = ui.allocate_exact_size(vec2(ui.available_width(), BAR), egui::Sense::hover());
        let sight = self.sight(strip);
        let mut inside = ui.new_child(egui::UiBuilder::new().max_rect(sight));
        let scroll = &mut inside.spacing_mut().scroll;
        *scroll = egui::style::ScrollStyle { foreground_color: true, ..egui::style::ScrollStyle::thin() };
        (scroll.dormant_handle_opacity, scroll.active_handle_opacity) = (0.45, 0.6);
        scroll.bar_width = 8.0;
        scroll.floating_width = 6.0;
        let mut area = ScrollArea::horizontal()
            .id_salt("pipeline columns")
            .auto_shrink(false)
            .scroll_bar_visibility(egui::scroll_area::ScrollBarVisibility::AlwaysVisible);
        let over = ui.rect_contains_pointer(table);
        let turned = if over { ui.input(|input| input.smooth_scroll_delta.x) } else { 0.0 };
        if turned != 0.0 {
            area =
                area.horizontal_scroll_offset((self.offset - turned).clamp(0.0, self.wide - self.middle.1));
        }
        let shown = area.show(&mut inside, |ui| {
            ui.set_width(self.wide);
            ui.set_height(1.0);
        });
        let offset = shown.state.clamped_offset().x;
        let id = offset_id(ui);
        if (offset - self.offset).abs() > 0.1 {
            ui.data_mut(|data| data.insert_temp(id, offset));
            ui.ctx().request_repaint();
        }
        let ink = Stroke::new(1.0, palette(ui).outline);
        if self.offset > 0.5 {
            ui.painter().vline(sight.left(), table.y_range(), ink);
        }
        if self.offset < self.wide - self.middle.1 - 0.5 {
            ui.painter().vline(sight.right(), table.y_range(), ink);
        }
    }
}

fn offset_id(ui: &Ui) -> egui::Id {
    ui.scope_id().with("pipeline offset")
}

/// Room for a stage's name and setting.
fn stage_width(ui: &Ui, node: &Node, stage: usize) -> f32 {
    let width = |text: String, font| {
        ui.painter().layout_no_wrap(text, font, egui::Color32::PLACEHOLDER).size().x + 13.0
    };
    let name = width(node.stages[stage].name.clone(), semibold(size::SMALL));
    let detail = width(stage_detail(node, stage), regular(size::CAPTION));
    name.max(detail).max(STAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_is_whole_in_any_room_and_the_rest_shares_what_is_left() {
        for (stages, served) in [(0, false), (1, false), (3, false), (6, false), (2, true)] {
            for room in [360.0_f32, 412.0, 500.0, 730.0, 1000.0, 1500.0] {
                let widths = Widths::fit(vec![130.0; stages], served, room);
                assert!(widths.token >= LEAST_TOKEN && widths.probability >= LEAST_PROBABILITY);
                assert!(widths.stages.iter().all(|width| *width >= LEAST_STAGE - 0.1), "{widths:?}");
                let kept = RANK + widths.token + widths.logit + RAW + widths.probability;
                let scrolls = widths.all() > room + 0.1;
                assert!(!scrolls || !widths.has_id, "{stages} stages in {room}: {widths:?}");
                // The least that there has to be room for: what counts, and a stage to scroll to.
                let least = kept + if stages > 0 { LEAST_SIGHT } else { 0.0 };
                if room >= 400.0 && !served {
                    assert!(least <= room.max(442.0) + 0.1, "{stages} stages in {room}: {least} {widths:?}");
                }
            }
        }
        let roomy = Widths::fit(vec![100.0; 2], false, 1200.0);
        assert_eq!((roomy.token, roomy.has_id, roomy.probability), (TOKEN, true, PROBABILITY));
        let greedy = Widths::fit(Vec::new(), false, 412.0);
        assert!(greedy.all() <= 412.0, "{greedy:?}: nothing scrolls");
    }
}
