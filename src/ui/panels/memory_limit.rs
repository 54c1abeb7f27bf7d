//! How much of the GPU's memory a model may take, and what that means for it before it is loaded.

use egui::{DragValue, RichText, Ui};

use super::streaming;
use crate::session::{AdapterMatch, AdapterRoom, ModelCard};
use crate::ui::action::Action;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, size, space};
use crate::ui::widgets::{hint, section};
use crate::units;

/// The least that can be asked for: below it hardly any model runs.
const LEAST: u64 = 1_000_000;
/// The most, where nothing is known of the memory.
const MOST: u64 = 1_000_000_000_000;
/// What the memory is taken for, where nothing is known of it, when a limit is switched on: half of it is that limit.
const USUAL: u64 = 8_000_000_000;
/// What it is rounded down to.
const STEP: u64 = 100_000_000;

/// Shows the switch with its number, and which layers would be where.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, card: &ModelCard) {
    let AdapterMatch::Adapter(room) = &card.adapter else { return };
    section(ui, "GPU memory to use");
    control(ui, scene, room);
    if let Some(streamed) = &room.streamed {
        let spacing = std::mem::take(&mut ui.spacing_mut().item_spacing.y);
        streaming::before_loading(ui, streamed);
        ui.spacing_mut().item_spacing.y = spacing;
        hint(ui, streaming::HINT);
        return;
    }
    hint(
        ui,
        match (scene.state.remembered.gpu_memory, &room.no_room) {
            (Some(_), None) => "All layers fit into that.",
            (Some(_), Some(_)) => "That is too little, even with all layers in the computer's memory.",
            (None, _) => "As much as it needs, and the GPU has.",
        },
    );
}

/// The switch, and the number once it is on. A number that stands has the headers read again; nothing is loaded.
fn control(ui: &mut Ui, scene: &mut Scene<'_>, room: &AdapterRoom) {
    let most = room.memory_bytes.unwrap_or(MOST).max(LEAST);
    let limit = scene.state.remembered.gpu_memory;
    let words = |text: &str| RichText::new(text).size(size::SMALL).color(palette(ui).secondary);
    let (before, after) = (words("Use at most"), words("of GPU memory"));
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        let mut on = limit.is_some();
        let switch = ui.checkbox(&mut on, before).accessible_name("Limit the GPU memory");
        if switch.changed() {
            let half = room.memory_bytes.unwrap_or(USUAL) / 2 / STEP * STEP;
            let half = half.clamp(LEAST, most);
            scene.actions.push(Action::UseGpuMemory(on.then_some(half)));
        }
        definitions::GPU_MEMORY_LIMIT.explain(switch);
        let Some(bytes) = limit else {
            ui.label(RichText::new("…").size(size::SMALL).color(palette(ui).tertiary));
            ui.label(after);
            return;
        };
        let mut asked = bytes;
        let number = DragValue::new(&mut asked)
            .range(LEAST..=most)
            .clamp_existing_to_range(false)
            .speed(most as f64 / 1000.0)
            .custom_formatter(|bytes, _| format::bytes(bytes as u64))
            .custom_parser(parse);
        let number = ui.add(number).accessible_name("GPU memory to use at most");
        scene.state.remembered.gpu_memory = Some(asked);
        let stands = number.drag_stopped() || number.lost_focus();
        if stands || (asked != bytes && !number.dragged() && !number.has_focus()) {
            scene.actions.push(Action::UseGpuMemory(Some(asked)));
        }
        definitions::GPU_MEMORY_LIMIT.explain(number);
        ui.label(after);
    });
}

/// Bytes as they are typed; a number alone counts gigabytes.
fn parse(text: &str) -> Option<f64> {
    let plain = text.trim().parse::<f64>().ok().map(|number| number * 1e9);
    plain.or_else(|| units::parse_bytes(text).ok().map(|bytes| bytes as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_counts_gigabytes() {
        assert_eq!(parse(" 6.5 "), Some(6.5e9));
        assert_eq!(parse("512MB"), Some(512e6));
        assert_eq!(parse("4 GiB"), Some(4.0 * 1_073_741_824.0));
        assert_eq!(parse("much"), None);
    }
}
