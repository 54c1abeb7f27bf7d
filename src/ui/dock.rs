//! The docked centre: panes that a person can move, put into tabs and resize.

use egui::{
    Color32, CursorIcon, Id, Response, Role, Sense, Stroke, Ui, Visuals, WidgetInfo, WidgetText, vec2,
};
use egui_tiles::{Behavior, SimplificationOptions, TabState, Tile, TileId, Tiles, Tree, UiResponse};

use super::panels::{
    attention, curve, field, kv_cache, layers, op_times, pinned, pipeline, strategy_detail, text, tree,
    two_phases,
};
use super::panes::CompactPane;
use super::scene::Scene;
use super::theme::{palette, semibold, size, space};
use crate::trace::Run;

/// A pane of the centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    /// The text as chips.
    Text,
    /// The candidates of the selected step through the stages.
    Pipeline,
    /// Probability over rank.
    Curve,
    /// What the strategy weighed.
    Strategy,
    /// The run's tree.
    Tree,
    /// Inside the step: layer by layer.
    Layers,
    /// Inside the step: where attention looked.
    Attention,
    /// Pinned tokens over the steps.
    Pinned,
    /// Every token's logit.
    Field,
    /// The two phases: a pass, and the text with and without the KV cache.
    Phases,
    /// The KV cache.
    Cache,
    /// GPU time by op.
    Ops,
}

/// The arrangement of a first start: the text above, the selected step's panes below.
pub(super) fn arrangement() -> Tree<Pane> {
    let mut tiles = Tiles::default();
    let text = tiles.insert_pane(Pane::Text);
    let text = tiles.insert_tab_tile(vec![text]);
    let pipeline = tiles.insert_pane(Pane::Pipeline);
    let curve = tiles.insert_pane(Pane::Curve);
    let strategy = tiles.insert_pane(Pane::Strategy);
    let tree = tiles.insert_pane(Pane::Tree);
    let layers = tiles.insert_pane(Pane::Layers);
    let attention = tiles.insert_pane(Pane::Attention);
    let pinned = tiles.insert_pane(Pane::Pinned);
    let field = tiles.insert_pane(Pane::Field);
    let phases = tiles.insert_pane(Pane::Phases);
    let cache = tiles.insert_pane(Pane::Cache);
    let ops = tiles.insert_pane(Pane::Ops);
    let step = tiles.insert_tab_tile(vec![
        pipeline, curve, strategy, tree, layers, attention, pinned, field, phases, cache, ops,
    ]);
    let root = tiles.insert_vertical_tile(vec![text, step]);
    if let Some(Tile::Container(egui_tiles::Container::Linear(linear))) = tiles.get_mut(root) {
        linear.shares.set_share(text, 0.42);
        linear.shares.set_share(step, 0.58);
    }
    Tree::new(egui::Id::unique("centre"), root, tiles)
}

/// The pane of the centre that is one of a narrow window; those of its sides are none.
pub(super) fn pane_of(pane: CompactPane) -> Option<Pane> {
    Some(match pane {
        CompactPane::Prompt | CompactPane::Step => return None,
        CompactPane::Text => Pane::Text,
        CompactPane::Pipeline => Pane::Pipeline,
        CompactPane::Curve => Pane::Curve,
        CompactPane::Strategy => Pane::Strategy,
        CompactPane::Tree => Pane::Tree,
        CompactPane::Layers => Pane::Layers,
        CompactPane::Attention => Pane::Attention,
        CompactPane::Pinned => Pane::Pinned,
        CompactPane::Field => Pane::Field,
        CompactPane::Phases => Pane::Phases,
        CompactPane::Cache => Pane::Cache,
        CompactPane::Ops => Pane::Ops,
    })
}

/// Whether a tile is this pane.
pub(super) fn is(tile: &Tile<Pane>, pane: Pane) -> bool {
    matches!(tile, Tile::Pane(shown) if *shown == pane)
}

/// Shows the panes.
pub(super) fn show(ui: &mut Ui, tree: &mut Tree<Pane>, scene: &mut Scene<'_>) {
    tree.ui(&mut Panes { scene }, ui);
}

/// Shows one pane.
pub(super) fn pane(ui: &mut Ui, pane: Pane, scene: &mut Scene<'_>) {
    match pane {
        Pane::Text => text::show(ui, scene),
        Pane::Pipeline => pipeline::show(ui, scene),
        Pane::Curve => curve::show(ui, scene),
        Pane::Strategy => strategy_detail::show(ui, scene),
        Pane::Tree => tree::show(ui, scene),
        Pane::Layers => layers::show(ui, scene),
        Pane::Attention => attention::show(ui, scene),
        Pane::Pinned => pinned::show(ui, scene),
        Pane::Field => field::show(ui, scene),
        Pane::Phases => two_phases::show(ui, scene),
        Pane::Cache => kv_cache::show(ui, scene),
        Pane::Ops => op_times::show(ui, scene),
    }
}

impl Pane {
    /// The title of its tab, while this run is on show.
    pub(super) fn title(self, run: Option<&Run>) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Pipeline => "Pipeline",
            Self::Curve => "Curve",
            Self::Strategy => strategy_detail::title(run),
            Self::Tree => "Tree",
            Self::Layers => "Layers",
            Self::Attention => "Attention",
            Self::Pinned => "Pinned",
            Self::Field => "Vocabulary",
            Self::Phases => "Phases",
            Self::Cache => "KV cache",
            Self::Ops => "GPU time",
        }
    }
}

struct Panes<'a, 'b> {
    scene: &'a mut Scene<'b>,
}

impl Behavior<Pane> for Panes<'_, '_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, shown: &mut Pane) -> UiResponse {
        let (rect, palette) = (ui.max_rect(), palette(ui));
        ui.painter().rect_filled(rect, 0.0, palette.surface);
        ui.painter().hline(rect.x_range(), rect.top() + 0.5, Stroke::new(1.0, palette.line));
        pane(ui, *shown, self.scene);
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        egui::RichText::new(pane.title(self.scene.run())).font(semibold(size::SMALL)).into()
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

    fn tab_bar_color(&self, visuals: &Visuals) -> Color32 {
        visuals.panel_fill
    }

    fn resize_stroke(&self, style: &egui::Style, state: egui_tiles::ResizeState) -> Stroke {
        match state {
            egui_tiles::ResizeState::Idle => style.visuals.widgets.noninteractive.bg_stroke,
            _ => Stroke::new(2.0, style.visuals.selection.stroke.color),
        }
    }

    fn tab_ui(
        &mut self,
        tiles: &mut Tiles<Pane>,
        ui: &mut Ui,
        id: Id,
        tile: TileId,
        state: &TabState,
    ) -> Response {
        let palette = palette(ui);
        let text = match tiles.get(tile) {
            Some(Tile::Pane(pane)) => pane.title(self.scene.run()),
            _ => "Group",
        };
        let galley =
            ui.painter().layout_no_wrap(text.to_owned(), semibold(size::SMALL), Color32::PLACEHOLDER);
        let (_, rect) = ui.allocate_space(vec2(galley.size().x + 2.0 * space::M, ui.available_height()));
        let tab = ui.interact(rect, id, Sense::click_and_drag());
        tab.widget_info(|| WidgetInfo::selected(Role::Tab, ui.is_enabled(), state.active, text));
        // Of more tabs than have room, one that was chosen elsewhere comes into view.
        let was_active = ui.data_mut(|data| {
            let before = data.get_temp::<bool>(id).unwrap_or_default();
            data.insert_temp(id, state.active);
            before
        });
        if state.active && !was_active {
            tab.scroll_to_me(Some(egui::Align::Center));
        }
        if !state.is_being_dragged {
            let color = match (state.active, tab.hovered()) {
                (true, _) => palette.text,
                (false, true) => palette.secondary,
                (false, false) => palette.tertiary,
            };
            ui.painter().galley(rect.center() - galley.size() / 2.0, galley, color);
            if state.active {
                let line = rect.shrink2(vec2(space::M, 0.0)).x_range();
                ui.painter().hline(line, rect.bottom() - 1.0, Stroke::new(2.0, palette.accent));
            }
        }
        tab.on_hover_cursor(CursorIcon::PointingHand)
    }
}
