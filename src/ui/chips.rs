//! Where each token's chip lies: laid out once, extended as steps arrive, so that a long text costs a frame
//! only what is visible.

use std::ops::Range;

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
pub(super) const HEADING: f32 = 24.0;

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

/// A stretch of prompt and text under a heading of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its positions: the prompt's tokens, then those of the line.
    pub positions: Range<usize>,
    /// Whether its chips are left out.
    pub folded: bool,
}

/// All chips of a run.
#[derive(Default)]
pub struct ChipLayout {
    key: Option<(u64, u32)>,
    /// Prompt first, then steps, in reading order; those of folded sections are missing.
    pub chips: Vec<Chip>,
    /// The top of each section's heading.
    pub headings: Vec<f32>,
    /// The sections that are laid out.
    sections: Vec<Section>,
    pen: Pos2,
    /// The line that is laid out.
    line: Vec<usize>,
    /// Tokens of the prompt.
    prompt: usize,
}

/// The face of the chips.
pub(super) fn font() -> FontId {
    mono(14.0)
}

impl ChipLayout {
    /// Height of everything, in points.
    pub fn height(&self) -> f32 {
        self.pen.y + if self.pen.x > 0.0 { LINE } else { 0.0 }
    }

    /// Lays out what is new since the last call, or everything for another run, width, or other sections.
    pub fn update(&mut self, ui: &Ui, run: &Run, run_number: u64, width: f32, sections: Vec<Section>) {
        let key = (run_number, width.round() as u32);
        if self.key != Some(key) || !self.goes_on(run, &sections) {
            *self = Self { key: Some(key), prompt: run.prompt.len(), ..Self::default() };
        }
        let laid = self.sections.last().map_or(0, |section| section.positions.end);
        for (index, section) in sections.iter().enumerate() {
            if index >= self.headings.len() {
                self.begin_section();
            }
            for position in section.positions.clone().skip_while(|&position| position < laid) {
                if !section.folded {
                    self.push(ui, run, position, width);
                }
            }
        }
        self.line.extend_from_slice(&run.line[self.line.len()..]);
        self.sections = sections;
    }

    /// Whether run and sections only grew since the last call.
    fn goes_on(&self, run: &Run, sections: &[Section]) -> bool {
        let grew = |(index, before): (usize, &Section)| {
            let (last, now) = (index + 1 == self.sections.len(), sections.get(index));
            now.is_some_and(|now| {
                let end = now.positions.end;
                now == before
                    || (last
                        && now.positions.start == before.positions.start
                        && end >= before.positions.end
                        && now.folded == before.folded)
            })
        };
        run.line.get(..self.line.len()) == Some(self.line.as_slice())
            && self.sections.iter().enumerate().all(grew)
    }

    /// Room for the next section's heading. A section that ends with a line end has begun the next line already.
    fn begin_section(&mut self) {
        let begun = if self.pen.x > 0.0 { LINE } else { 0.0 };
        let gap = if self.headings.is_empty() { 0.0 } else { space::M };
        let top = self.pen.y + begun + gap;
        self.headings.push(top);
        self.pen = pos2(0.0, top + HEADING);
    }

    /// Where a section's last line ends.
    pub fn bottom(&self, section: usize) -> f32 {
        self.headings.get(section + 1).map_or(self.height(), |next| next - space::M)
    }

    /// The chips that meet a range of heights.
    pub fn visible(&self, top: f32, bottom: f32) -> &[Chip] {
        let from = self.chips.partition_point(|chip| chip.rect.bottom() < top);
        let to = self.chips.partition_point(|chip| chip.rect.top() <= bottom);
        &self.chips[from..to.max(from)]
    }

    /// The chip that stands for something, unless it is folded away.
    pub fn of(&self, source: Source) -> Option<&Chip> {
        let position = source.position(self.prompt);
        let index = self.chips.partition_point(|chip| chip.source.position(self.prompt) < position);
        self.chips.get(index).filter(|chip| chip.source == source)
    }

    /// Lays out the token at a position.
    fn push(&mut self, ui: &Ui, run: &Run, position: usize, width: f32) {
        let (text, source) = match position.checked_sub(self.prompt) {
            None => (token_text::of_prompt(&run.prompt[position]), Source::Prompt(position)),
            Some(place) => (token_text::of_node(&run.nodes[run.line[place]]), Source::Step(place)),
        };
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
