//! The pipeline table's columns: rank and token stay on the left, the probability on the right, and what lies between
//! scrolls where it does not fit.

use egui::{Painter, Rect, ScrollArea, Stroke, Ui, pos2, vec2};

use crate::trace::Node;
use crate::ui::format;
use crate::ui::theme::{palette, regular, semibold, size, space};

/// Height of the scrollbar's strip.
const BAR: f32 = 12.0;
/// Least width of a stage's column.
const STAGE: f32 = 92.0;
/// Least width of the last column.
const PROBABILITY: f32 = 140.0;

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

impl Columns {
    /// The columns of a step in so much room; `served`: its logits are log-probabilities, which is a longer word.
    pub(super) fn new(ui: &Ui, node: &Node, served: bool, room: f32) -> Self {
        let mut all = Vec::new();
        let mut left = 0.0;
        let mut add = |width: f32, kind: Kind| {
            all.push(Column { left, width, kind });
            left += width;
            left
        };
        add(44.0, Kind::Rank);
        let begins = add(136.0, Kind::Token);
        add(60.0, Kind::Id);
        add(if served { 112.0 } else { 80.0 }, Kind::Logit);
        let mut ends = add(76.0, Kind::RawProbability);
        for stage in 0..node.stages.len() {
            ends = add(stage_width(ui, node, stage), Kind::Stage(stage));
        }
        let wide = ends - begins;
        let in_sight = wide.min((room - begins - PROBABILITY).max(60.0));
        let last = (room - begins - in_sight).max(PROBABILITY);
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
        let scrolls = !matches!(column.kind, Kind::Rank | Kind::Token | Kind::Probability);
        let offset = if scrolls { self.offset } else { 0.0 };
        let whole = Rect::from_min_size(
            pos2(first + column.left - offset, row.top()),
            vec2(column.width, row.height()),
        );
        let seen = if scrolls { whole.intersect(self.sight(row)) } else { whole };
        let seen = seen.intersect(ui.clip_rect());
        (seen.width() > 1.0 && seen.height() > 0.0)
            .then(|| Cell { rect: whole.shrink2(vec2(6.0, 0.0)), painter: ui.painter().with_clip_rect(seen) })
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
