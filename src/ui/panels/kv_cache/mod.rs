//! The KV cache: a row for each layer, a column for each position, filling by pages; what branches share; the states
//! beside it.

mod facts;
mod filled;
mod grid;
mod pages;

use egui::{RichText, ScrollArea, Ui, vec2};

use crate::trace::StepInput;
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::state::Origin;
use crate::ui::table::framed;
use crate::ui::theme::{palette, semibold, size, space};
use crate::ui::widgets::{column, empty, section};

use super::elsewhere;
use super::prompt_token::no_step;
use filled::Filled;

/// Width of the facts beside the grid, and the width from which on there is room for them.
const FACTS: f32 = 232.0;
const BESIDE: f32 = 560.0;

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if elsewhere::stays(ui, scene, "Its KV cache lies there, and what is in it is not told") {
        return;
    }
    let (Some(run), Some((place, node))) = (scene.run(), scene.shown_node()) else {
        no_step(ui, scene, "What the KV cache holds after the selected step appears here.");
        return;
    };
    if run.step_input == StepInput::WholeText {
        empty(
            ui,
            "The KV cache is off",
            "This run kept no keys and values: every step computed its whole text anew. Turn the cache on in the \
             settings, and run again.",
        );
        return;
    }
    scene.state.measuring.cache_wanted = true;
    let map = scene.view.cache.as_deref().filter(|_| scene.state.origin == Origin::Worker);
    let before =
        place.checked_sub(1).and_then(|place| run.at(place)).map_or(0, |node| node.counters.cached_positions);
    let filled = Filled { run, node, before: before.min(node.counters.cached_positions), map };
    framed(ui, |ui| {
        title(ui, &filled);
        let room = ui.available_size();
        if room.x >= BESIDE {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = space::L;
                let width = room.x - FACTS - space::L;
                let height = ui.available_height();
                column(ui, vec2(width, height), |ui| picture(ui, &filled, height));
                column(ui, vec2(FACTS, height), |ui| {
                    ScrollArea::vertical().id_salt("cache facts").show(ui, |ui| facts::show(ui, &filled));
                });
            });
        } else {
            ScrollArea::vertical().id_salt("cache").auto_shrink(false).show(ui, |ui| {
                picture(ui, &filled, (room.y - space::S).max(160.0));
                facts::show(ui, &filled);
            });
        }
    });
}

/// Which step it is, and what it added.
fn title(ui: &mut Ui, filled: &Filled<'_>) {
    let palette = palette(ui);
    ui.horizontal(|ui| {
        let positions = filled.node.counters.cached_positions;
        let text = format!("After step {}", format::count(filled.node.step as u64));
        ui.label(RichText::new(text).font(semibold(size::BODY)).color(palette.text));
        let added = positions - filled.before;
        let text = format!("{} · {} new", format::plural(positions, "position"), format::count(added as u64));
        ui.label(RichText::new(text).size(size::SMALL).color(palette.secondary));
    });
}

/// The grid, and below it the pages of every sequence.
fn picture(ui: &mut Ui, filled: &Filled<'_>, height: f32) {
    ui.set_width(ui.available_width());
    let sequences = filled.map.map_or(0, |map| map.sequences.len());
    let list = if sequences == 0 { 0.0 } else { (26.0 + 24.0 * sequences as f32).min(height * 0.42) };
    let top = ui.cursor().top();
    grid::show(ui, filled, (height - list - space::S).max(72.0));
    let Some(map) = filled.map.filter(|_| sequences > 0) else { return };
    ui.add_space(space::XS);
    section(ui, "Pages now, by sequence");
    let left = (height - (ui.cursor().top() - top)).max(24.0);
    ScrollArea::vertical()
        .id_salt("pages")
        .max_height(left)
        .auto_shrink([false, true])
        .show(ui, |ui| pages::show(ui, map));
}
