//! Layers that stay in the computer's memory: on the card before loading, and of the model that is loaded.

use egui::Ui;

use crate::session::StreamedLayers;
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::widgets::fact;
use crate::units::Streaming;

/// What that means, in a sentence.
pub(super) const HINT: &str = "The GPU's memory does not hold all layers. The others stay in the computer's memory and cross the bus in every pass, so tokens take longer; smaller weights or a shorter context bring more layers onto the GPU.";

/// What is expected of a model that is not loaded.
pub(super) fn before_loading(ui: &mut Ui, streamed: &StreamedLayers) {
    for (definition, value) in facts_of(&streamed.streaming) {
        fact(ui, definition, &value);
    }
    let speed = format::rate(streamed.most_tokens_per_s);
    let rate = format::bytes(streamed.bus_bytes_per_s as u64);
    let (definition, known) = match streamed.measured {
        true => (&definitions::BUS_SPEED, "measured"),
        false => (&definitions::BUS_SPEED_ASSUMED, "assumed"),
    };
    fact(ui, definition, &format!("at most {speed} tokens/s · bus {rate}/s, {known}"));
}

/// Which layers are where.
pub(super) fn facts_of(streaming: &Streaming) -> [(&'static Definition, String); 2] {
    let Streaming { layers, resident_layers, bus_bytes, .. } = streaming;
    [
        (&definitions::LAYERS_ON_GPU, format!("{resident_layers} of {layers}")),
        (&definitions::BUS_BYTES, format::bytes(*bus_bytes)),
    ]
}
