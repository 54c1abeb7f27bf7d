//! Where each token's chip lies: laid out once, extended as steps arrive, so that a long text costs a frame
//! only what is visible.

use egui::{FontId, Pos2, Rect, Ui, pos2, vec2};

use super::theme::{mono, space};
use super::token_text;
use crate::trace::Run;

/// Height of a line of chips with its gap, in points.
const LINE: f32 = 28.0;
/// Height of a chip.
pub(super) const CHIP: f32 = 24.0;
/// Room beside a chip's text.
pub(super) const PADDING: f32 = 4.0;
/// Room between chips.
const GAP: f32 = 2.0;
/// Room for a heading.
const HEADING: f32 = 24.0;

/// What a chip stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Index into the prompt.
    Prompt(usize),
    /// Place in the run's line.
    Step(usize),
}

impl Source {
    /// The place of its token in prompt and text, behind a prompt of so many tokens.
    pub fn position(self, prompt: usize) -> usize {
        match self {
            Self::Prompt(index) => index,
            Self::Step(place) => prompt + place,
        }
    }
}

/// One chip, relative to the text's left top.
#[derive(Clone, Debug)]
pub struct Chip {
    /// Where it lies.
    pub rect: Rect,
    /// What it says.
    pub text: String,
    /// What it stands for.
    pub source: Source,
}

/// All chips of a run.
#[derive(Default)]
pub struct ChipLayout {
    key: Option<(u64, u32)>,
    /// Prompt first, then steps, in reading order.
    pub chips: Vec<Chip>,
    /// Where the heading over the generated text lies.
    pub generated_heading: f32,
    pen: Pos2,
    /// The line that is laid out.
    line: Vec<usize>,
}

/// The face of the chips.
pub(super) fn font() -> FontId {
    mono(14.0)
}

impl ChipLayout {
    /// Height of everything, in points.
    pub fn height(&self) -> f32 {
        self.pen.y + LINE
    }

    /// Lays out what is new since the last call, or everything for another run or width.
    pub fn update(&mut self, ui: &Ui, run: &Run, run_number: u64, width: f32) {
        let key = (run_number, width.round() as u32);
        if self.key != Some(key) || !self.goes_on(run) {
            *self = Self { key: Some(key), pen: pos2(0.0, HEADING), ..Self::default() };
            for (index, token) in run.prompt.iter().enumerate() {
                self.push(ui, token_text::of_prompt(token), Source::Prompt(index), width);
            }
            // A prompt that ends with a line end has begun the next line already.
            let begun = if self.pen.x > 0.0 { LINE } else { 0.0 };
            self.generated_heading = self.pen.y + begun + space::M;
            self.pen = pos2(0.0, self.generated_heading + HEADING);
        }
        for place in self.line.len()..run.line.len() {
            let node = run.line[place];
            self.push(ui, token_text::of_node(&run.nodes[node]), Source::Step(place), width);
            self.line.push(node);
        }
    }

    /// Whether the run's line only grew since the last call.
    fn goes_on(&self, run: &Run) -> bool {
        run.line.len() >= self.line.len() && run.line.get(..self.line.len()) == Some(self.line.as_slice())
    }

    /// The chips that meet a range of heights.
    pub fn visible(&self, top: f32, bottom: f32) -> &[Chip] {
        let from = self.chips.partition_point(|chip| chip.rect.bottom() < top);
        let to = self.chips.partition_point(|chip| chip.rect.top() <= bottom);
        &self.chips[from..to.max(from)]
    }

    /// The chip that stands for something.
    pub fn of(&self, source: Source) -> Option<&Chip> {
        let prompt = self.chips.len().checked_sub(self.line.len())?;
        match source {
            Source::Prompt(index) => self.chips[..prompt].get(index),
            Source::Step(place) => self.chips[prompt..].get(place),
        }
    }

    fn push(&mut self, ui: &Ui, text: String, source: Source, width: f32) {
        let font = font();
        let text_width: f32 = ui.fonts_mut(|fonts| text.chars().map(|c| fonts.glyph_width(&font, c)).sum());
        let chip_width = (text_width + 2.0 * PADDING).min(width.max(LINE));
        if self.pen.x > 0.0 && self.pen.x + chip_width > width {
            self.pen = pos2(0.0, self.pen.y + LINE);
        }
        let rect = Rect::from_min_size(self.pen, vec2(chip_width, CHIP));
        self.pen.x += chip_width + GAP;
        if text.ends_with(token_text::NEWLINE) {
            self.pen = pos2(0.0, self.pen.y + LINE);
        }
        self.chips.push(Chip { rect, text, source });
    }
}
