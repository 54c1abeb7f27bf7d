//! Layers that stay in the computer's memory: on the card before loading, and of the model that is loaded.

use egui::Ui;

use crate::session::StreamedLayers;
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::widgets::fact;
use crate::units::Streaming;

/// What that means, in a sentence.
pub(super) const HINT: &str = "The GPU's memory does not hold all layers. The others stay in the computer's memory and cross the bus in every pass (of experts those that a token takes), so tokens take longer; smaller weights or a shorter context bring more layers onto the GPU.";

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
    let bound = streamed.bound();
    fact(ui, definition, &format!("{bound} {speed} tokens/s · bus {rate}/s, {known}"));
}

/// Which layers are where.
pub(super) fn facts_of(streaming: &Streaming) -> Vec<(&'static Definition, String)> {
    let Streaming { layers, resident_layers, bus_bytes, step_bytes, .. } = streaming;
    let mut facts = vec![
        (&definitions::LAYERS_ON_GPU, format!("{resident_layers} of {layers}")),
        (&definitions::BUS_BYTES, format::bytes(*bus_bytes)),
    ];
    facts.extend(
        step_bytes.map(|step| (&definitions::STEP_BUS_BYTES, format!("at most {}", format::bytes(step)))),
    );
    facts
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;

    use super::*;

    #[test]
    fn with_experts_it_is_told_what_a_token_takes() {
        let streaming = Streaming {
            layers: 32,
            resident_layers: 12,
            bus_bytes: 3_000_000_000,
            step_bytes: Some(400_000_000),
            gpu_bytes: 2_000_000_000,
        };
        let streamed = StreamedLayers {
            streaming,
            context: 4096,
            bus_bytes_per_s: 12e9,
            measured: true,
            most_tokens_per_s: 30.0,
        };
        let shown = Harness::new_ui(move |ui| before_loading(ui, &streamed));
        let expected = "Expected: about 30.0 tokens/s · bus 12.0 GB/s, measured";
        for label in ["Over the bus: 3.00 GB", "Over the bus for a token: at most 400 MB", expected] {
            assert!(shown.query_by_label(label).is_some(), "{label}");
        }
    }

    #[test]
    fn what_is_expected_is_told_with_where_it_comes_from() {
        let streaming = Streaming {
            layers: 32,
            resident_layers: 12,
            bus_bytes: 3_000_000_000,
            step_bytes: None,
            gpu_bytes: 2_000_000_000,
        };
        for (measured, known) in [(true, "measured"), (false, "assumed")] {
            let streamed = StreamedLayers {
                streaming,
                context: 4096,
                bus_bytes_per_s: 12e9,
                measured,
                most_tokens_per_s: 4.0,
            };
            let shown = Harness::new_ui(move |ui| before_loading(ui, &streamed));
            assert!(shown.query_by_label_contains("for a token").is_none());
            let expected = format!("Expected: at most 4.00 tokens/s · bus 12.0 GB/s, {known}");
            for label in ["Layers on the GPU: 12 of 32", "Over the bus: 3.00 GB", &expected] {
                assert!(shown.query_by_label(label).is_some(), "{label}");
            }
        }
    }
}
