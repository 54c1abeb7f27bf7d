//! The segments of the run on show, and which of them are folded.

use std::collections::BTreeSet;

use super::chips::Section;
use crate::session::{Segment, SegmentKind, segments};
use crate::trace::Run;

/// The segments of the run on show.
#[derive(Default)]
pub struct Segments {
    /// The run's number, the length of its line and the line's last node.
    key: Option<(u64, usize, Option<usize>)>,
    list: Vec<Segment>,
    /// Where those begin that a person folded.
    folded: BTreeSet<usize>,
}

impl Segments {
    /// Takes in what is new in the run's line.
    pub fn update(&mut self, run: &Run, run_number: u64) {
        let key = (run_number, run.line.len(), run.tip());
        if self.key == Some(key) {
            return;
        }
        if self.key.is_none_or(|(number, ..)| number != run_number) {
            self.folded.clear();
        }
        self.key = Some(key);
        self.list = segments(run);
    }

    /// The segments, in the text's order.
    pub fn list(&self) -> &[Segment] {
        &self.list
    }

    /// Whether there is more to tell apart than prompt and answer.
    pub fn are_several(&self) -> bool {
        self.list.iter().any(|segment| matches!(segment.kind, SegmentKind::Thinking | SegmentKind::ToolCall))
    }

    /// The segments as sections of chips.
    pub fn sections(&self) -> Vec<Section> {
        let section = |segment: &Segment| Section {
            positions: segment.positions.clone(),
            folded: self.folded.contains(&segment.positions.start),
        };
        self.list.iter().map(section).collect()
    }

    /// Folds a segment, or unfolds it.
    pub fn toggle(&mut self, segment: &Segment) {
        let start = segment.positions.start;
        if !self.folded.remove(&start) {
            self.folded.insert(start);
        }
    }

    /// Unfolds the segment that holds a position.
    pub fn unfold(&mut self, position: usize) {
        if let Some(segment) = self.list.iter().find(|segment| segment.positions.contains(&position)) {
            self.folded.remove(&segment.positions.start);
        }
    }
}
