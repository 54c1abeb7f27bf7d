//! How a step's quantity becomes the colour of its chip.

use egui::{Rect, RichText, Sense, Ui, pos2, vec2};

use crate::trace::{Expectation, Node, PromptToken, Run};
use crate::ui::colours::quantity as quantity_color;
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::remembered::Colouring;
use crate::ui::sent;
use crate::ui::theme::{palette, size};

/// The choices, in the order of the list.
pub(crate) const COLOURINGS: [Colouring; 6] = [
    Colouring::Probability,
    Colouring::Surprisal,
    Colouring::Entropy,
    Colouring::Rank,
    Colouring::Milliseconds,
    Colouring::None,
];

/// The word for a choice.
pub(crate) fn name(colouring: Colouring) -> &'static str {
    match colouring {
        Colouring::Probability => "probability",
        Colouring::Surprisal => "surprisal",
        Colouring::Entropy => "entropy",
        Colouring::Rank => "rank",
        Colouring::Milliseconds => "milliseconds",
        Colouring::None => "none",
    }
}

/// How a quantity becomes a colour.
pub(crate) struct Scale {
    /// What is coloured.
    pub colouring: Colouring,
    /// The value with the brightest colour.
    most: f32,
}

impl Scale {
    /// The scale that fits a run.
    pub(crate) fn of(colouring: Colouring, run: &Run) -> Self {
        let prompt = run.prompt.iter().filter_map(|token| expected(colouring, token.expectation.as_ref()?));
        let highest = |least: f32| {
            let nodes = run.line_nodes().map(|node| quantity(colouring, node));
            nodes.chain(prompt).fold(least, f32::max)
        };
        let most = match colouring {
            Colouring::Probability | Colouring::None => 1.0,
            // Round numbers, so that the scale does not change with every step.
            Colouring::Surprisal | Colouring::Entropy => (highest(2.0) / 2.0).ceil() * 2.0,
            Colouring::Rank => highest(10.0).log10().ceil(),
            // The first step holds initiation and would make all others look alike.
            Colouring::Milliseconds => {
                let later = run.line_nodes().skip(1);
                later.map(|node| quantity(colouring, node)).fold(1.0, f32::max).ceil()
            }
        };
        Self { colouring, most }
    }

    /// Where a step's value lies between 0 and the brightest colour.
    pub(crate) fn share(&self, node: &Node) -> f32 {
        self.place(quantity(self.colouring, node))
    }

    /// The same for a token of the prompt; `None` where it has no such value.
    pub(crate) fn share_of_prompt(&self, token: &PromptToken) -> Option<f32> {
        Some(self.place(expected(self.colouring, token.expectation.as_ref()?)?))
    }

    fn place(&self, value: f32) -> f32 {
        match self.colouring {
            Colouring::Rank => value.max(1.0).log10() / self.most,
            _ => value / self.most,
        }
    }

    fn ends(&self) -> (String, String) {
        match self.colouring {
            Colouring::Probability => ("0 %".into(), "100 %".into()),
            Colouring::Surprisal | Colouring::Entropy => ("0".into(), format!("{:.0} nats", self.most)),
            Colouring::Rank => ("1".into(), format::count(10_f32.powf(self.most) as u64)),
            Colouring::Milliseconds => ("0".into(), format!("{:.0} ms", self.most)),
            Colouring::None => (String::new(), String::new()),
        }
    }
}

fn quantity(colouring: Colouring, node: &Node) -> f32 {
    match colouring {
        Colouring::Probability => node.log_probability.exp(),
        Colouring::Surprisal => -node.log_probability,
        Colouring::Entropy => node.entropy,
        Colouring::Rank => node.rank as f32,
        Colouring::Milliseconds => node.timing.total_seconds as f32 * 1e3,
        Colouring::None => 0.0,
    }
}

/// The same quantity of a token that was given; `None` for those that only steps have.
fn expected(colouring: Colouring, expectation: &Expectation) -> Option<f32> {
    match colouring {
        Colouring::Probability => Some(expectation.log_probability.exp()),
        Colouring::Surprisal => Some(-expectation.log_probability),
        Colouring::Entropy => Some(expectation.entropy),
        Colouring::Rank => Some(expectation.rank as f32),
        Colouring::Milliseconds | Colouring::None => None,
    }
}

fn definition(colouring: Colouring) -> Option<&'static Definition> {
    match colouring {
        Colouring::Probability => Some(&definitions::PROBABILITY),
        Colouring::Surprisal => Some(&definitions::SURPRISAL),
        Colouring::Entropy => Some(&definitions::ENTROPY),
        Colouring::Rank => Some(&definitions::RANK),
        Colouring::Milliseconds => Some(&definitions::STEP_TIME),
        Colouring::None => None,
    }
}

/// The scale as a strip of colours with its ends.
pub(crate) fn legend(ui: &mut Ui, run: &Run, scale: &Scale) {
    let palette = palette(ui);
    let Some(definition) = definition(scale.colouring) else { return };
    if ui.available_width() < 240.0 {
        return;
    }
    let (low, high) = scale.ends();
    let end = |text: String| RichText::new(text).size(size::CAPTION).color(palette.tertiary);
    ui.spacing_mut().item_spacing.x = 6.0;
    ui.label(end(low));
    let (rect, response) = ui.allocate_exact_size(vec2(72.0, 8.0), Sense::hover());
    const PARTS: usize = 36;
    for part in 0..PARTS {
        let width = rect.width() / PARTS as f32;
        let min = pos2(rect.left() + width * part as f32, rect.top());
        let color = quantity_color(ui, (part as f32 + 0.5) / PARTS as f32);
        ui.painter().rect_filled(Rect::from_min_size(min, vec2(width + 0.5, rect.height())), 0.0, color);
    }
    sent::definition(run, definition).explain(response);
    ui.label(end(high));
}
