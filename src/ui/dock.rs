//! The docked centre: panes that a person can move, put into tabs and resize.

use egui::{Color32, Stroke, Ui, Visuals, WidgetText};
use egui_tiles::{Behavior, SimplificationOptions, TabState, Tile, TileId, Tiles, Tree, UiResponse};

use super::Scene;
use super::panels::{curve, pipeline, text};
use super::theme::{palette, semibold, size};

/// A pane of the centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// The text as chips.
    Text,
    /// The candidates of the selected step through the stages.
    Pipeline,
    /// Probability over rank.
    Curve,
}

/// The arrangement of a first start: the text above, the selected step's panes below.
pub fn arrangement() -> Tree<Pane> {
    let mut tiles = Tiles::default();
    let text = tiles.insert_pane(Pane::Text);
    let text = tiles.insert_tab_tile(vec![text]);
    let pipeline = tiles.insert_pane(Pane::Pipeline);
    let curve = tiles.insert_pane(Pane::Curve);
    let step = tiles.insert_tab_tile(vec![pipeline, curve]);
    let root = tiles.insert_vertical_tile(vec![text, step]);
    if let Some(Tile::Container(egui_tiles::Container::Linear(linear))) = tiles.get_mut(root) {
        linear.shares.set_share(text, 0.42);
        linear.shares.set_share(step, 0.58);
    }
    Tree::new(egui::Id::unique("centre"), root, tiles)
}

/// Shows the panes.
pub fn show(ui: &mut Ui, tree: &mut Tree<Pane>, scene: &mut Scene<'_>) {
    tree.ui(&mut Panes { scene }, ui);
}

/// Shows one pane.
pub fn pane(ui: &mut Ui, pane: Pane, scene: &mut Scene<'_>) {
    match pane {
        Pane::Text => text::show(ui, scene),
        Pane::Pipeline => pipeline::show(ui, scene),
        Pane::Curve => curve::show(ui, scene),
    }
}

impl Pane {
    /// The title of its tab.
    pub fn title(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Pipeline => "Pipeline",
            Self::Curve => "Curve",
        }
    }
}

struct Panes<'a, 'b> {
    scene: &'a mut Scene<'b>,
}

impl Behavior<Pane> for Panes<'_, '_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, shown: &mut Pane) -> UiResponse {
        ui.painter().rect_filled(ui.max_rect(), 0.0, palette(ui).surface);
        pane(ui, *shown, self.scene);
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        egui::RichText::new(pane.title()).font(semibold(size::SMALL)).into()
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: true, ..SimplificationOptions::default() }
    }

    fn tab_bar_height(&self, _style: &egui::Style) -> f32 {
        32.0
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        1.0
    }

    fn min_size(&self) -> f32 {
        96.0
    }

    fn tab_title_spacing(&self, _visuals: &Visuals) -> f32 {
        14.0
    }

    fn tab_bar_color(&self, visuals: &Visuals) -> Color32 {
        visuals.panel_fill
    }

    fn tab_bg_color(&self, visuals: &Visuals, _: &Tiles<Pane>, _: TileId, _: &TabState) -> Color32 {
        visuals.panel_fill
    }

    fn tab_outline_stroke(&self, _: &Visuals, _: &Tiles<Pane>, _: TileId, _: &TabState) -> Stroke {
        Stroke::NONE
    }

    fn tab_bar_hline_stroke(&self, visuals: &Visuals) -> Stroke {
        visuals.widgets.noninteractive.bg_stroke
    }

    fn tab_text_color(&self, visuals: &Visuals, _: &Tiles<Pane>, _: TileId, state: &TabState) -> Color32 {
        if state.active { visuals.widgets.inactive.fg_stroke.color } else { visuals.weak_text_color() }
    }

    fn resize_stroke(&self, style: &egui::Style, state: egui_tiles::ResizeState) -> Stroke {
        match state {
            egui_tiles::ResizeState::Idle => style.visuals.widgets.noninteractive.bg_stroke,
            _ => Stroke::new(2.0, style.visuals.selection.stroke.color),
        }
    }

    fn on_tab_button(
        &mut self,
        tiles: &mut Tiles<Pane>,
        tile: TileId,
        tab: egui::Response,
    ) -> egui::Response {
        let active = matches!(tiles.parent_of(tile).and_then(|parent| tiles.get(parent)),
            Some(Tile::Container(egui_tiles::Container::Tabs(tabs))) if tabs.active == Some(tile));
        if active {
            let color = tab.ctx.global_style().visuals.selection.stroke.color;
            let line = tab.rect.shrink2(egui::vec2(14.0, 0.0)).x_range();
            let painter = tab.ctx.layer_painter(tab.layer_id).with_clip_rect(tab.rect);
            painter.hline(line, tab.rect.bottom() - 1.0, Stroke::new(2.0, color));
        }
        tab
    }
}
