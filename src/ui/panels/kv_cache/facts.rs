//! The cache in numbers.

use egui::Ui;

use super::filled::Filled;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::panels::kept::latent_parts;
use crate::ui::theme::space;
use crate::ui::widgets::{fact, section};

/// Shows them: after the selected step, and now.
pub(super) fn show(ui: &mut Ui, filled: &Filled<'_>) {
    ui.set_width(ui.available_width());
    ui.spacing_mut().item_spacing.y = 0.0;
    let counters = &filled.node.counters;
    section(ui, "After this step");
    fact(ui, &definitions::CACHED, &format::plural(counters.cached_positions, "position"));
    fact(ui, &definitions::CACHE_BYTES, &format::bytes(counters.cache_bytes));
    fact(ui, &definitions::BYTES_A_POSITION, &format::bytes(filled.run.model.cache_bytes_per_position));
    if let Some((definition, parts)) = latent_parts(filled.run.model.layers_keep) {
        fact(ui, definition, &parts);
    }
    if let Some(states) = counters.states {
        fact(ui, &definitions::STATES, &format::count(states.stored as u64));
        fact(ui, &definitions::STATE_MEMORY, &format::bytes(states.bytes));
    }
    let Some(map) = filled.map else { return };
    ui.add_space(space::S);
    section(ui, "Now");
    let count = |number: usize| format::count(number as u64);
    fact(
        ui,
        &definitions::PAGES_USED,
        &format!("{} of {}", count(map.used_pages), count(map.allocated_pages)),
    );
    fact(ui, &definitions::PAGES_SHARED, &count(map.shared_pages));
    fact(ui, &definitions::PAGE_POSITIONS, &format::plural(map.page_positions, "position"));
    fact(ui, &definitions::PAGE_BYTES, &format::bytes(map.page_bytes));
    fact(ui, &definitions::CACHE_ALLOCATED, &format::bytes(map.page_bytes * map.allocated_pages as u64));
    let windows = map.layers.iter().filter(|layer| layer.window.or(layer.chunk).is_some()).count();
    if windows > 0 {
        fact(ui, &definitions::WINDOW_LAYERS, &count(windows));
    }
}
