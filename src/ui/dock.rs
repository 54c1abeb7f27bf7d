//! The docked centre: panes that a person can move, put into tabs and resize.

use egui::{
    Color32, CursorIcon, Id, Popup, Response, Role, Sense, Stroke, Ui, Visuals, WidgetInfo, WidgetText, vec2,
};
use egui_tiles::{Behavior, SimplificationOptions, TabState, Tile, TileId, Tiles, Tree, UiResponse};

use super::action::Action;
use super::exports::Export;
use super::icons::Icon;
use super::pane::{CompactPane, Pane};
use super::panels::{
    attention, curve, field, kv_cache, lanes, layers, op_times, pinned, pipeline, strategy_detail, text,
    tree, two_phases,
};
use super::scene::Scene;
use super::theme::{palette, semibold, size, space};
use super::widgets::{focus_ring, icon_button};

/// Shows the panes.
pub(super) fn show(ui: &mut Ui, tree: &mut Tree<Pane>, scene: &mut Scene<'_>) {
    tree.ui(&mut Panes { scene }, ui);
}

/// Shows one pane.
pub(super) fn pane(ui: &mut Ui, pane: Pane, scene: &mut Scene<'_>) {
    scene.state.pane_places.push((pane, ui.max_rect()));
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
        Pane::Lanes => lanes::show(ui, scene),
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

    fn top_bar_right_ui(
        &mut self,
        tiles: &Tiles<Pane>,
        ui: &mut Ui,
        _tile: TileId,
        tabs: &egui_tiles::Tabs,
        _scroll_offset: &mut f32,
    ) {
        if let Some(Tile::Pane(pane)) = tabs.active.and_then(|tile| tiles.get(tile)) {
            export_menu(ui, self.scene, *pane);
        }
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
        focus_ring(ui, &tab, rect.shrink2(vec2(2.0, 3.0)));
        // A window that becomes narrow shows the pane that was chosen last.
        if let (true, Some(Tile::Pane(pane))) = (tab.clicked(), tiles.get(tile)) {
            self.scene.state.compact_pane = CompactPane::Pane(*pane);
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

/// The button in a tab bar's corner that lets the pane on show out as a file.
pub(super) fn export_menu(ui: &mut Ui, scene: &mut Scene<'_>, pane: Pane) {
    let run = scene.run();
    let button = icon_button(ui, Icon::Export, &format!("Export {}…", pane.title(run)));
    Popup::menu(&button).show(|ui| {
        for (words, export) in ways_out(pane) {
            if ui.button(words).clicked() {
                scene.actions.push(Action::Export(export));
            }
        }
    });
}

/// The files that a pane can leave as.
fn ways_out(pane: Pane) -> Vec<(&'static str, Export)> {
    let mut ways = vec![("Picture (PNG)…", Export::Picture(pane))];
    if pane.has_table() {
        ways.push(("Table (CSV)…", Export::Table(pane)));
    }
    if pane == Pane::Text {
        ways.push(("The run as a page (HTML)…", Export::Page));
        ways.push(("The run as a trace (JSON)…", Export::Trace));
    }
    ways
}
