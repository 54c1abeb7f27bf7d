//! A run's text in segments: the prompt, thinking, answers and calls of tools.

use std::ops::Range;

use crate::tokenizer::markers::{Opened, PartKind, TokenText, parts};
use crate::trace::Run;

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// What was given.
    Prompt,
    /// What the model writes for itself.
    Thinking,
    /// What the reader gets.
    Answer,
    /// A call of a tool.
    ToolCall,
}

/// A segment of prompt and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What it is.
    pub kind: SegmentKind,
    /// Its positions: the prompt's tokens, then those of the line.
    pub positions: Range<usize>,
}

/// Figures of a segment of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SegmentFigures {
    /// Its tokens.
    pub tokens: usize,
    /// Seconds that the passes for its tokens took (measured by the clock).
    pub seconds: f64,
    /// Mean entropy of the raw softmax before each of its tokens, in nats (computed).
    pub entropy: f64,
}

/// The segments of a run's prompt and line, in order; none is empty. Thinking and calls are known by their markers.
pub fn segments(run: &Run) -> Vec<Segment> {
    let prompt = run.prompt.len();
    let opened = Opened::by(run.prompt.iter().map(|token| spelled(&token.text, &token.piece)));
    let tokens: Vec<TokenText<'_>> = run
        .line_nodes()
        .map(|node| TokenText { text: spelled(&node.text, &node.piece), is_seen: !node.text.is_empty() })
        .collect();
    let given = Segment { kind: SegmentKind::Prompt, positions: 0..prompt };
    let written = parts(&tokens, opened).into_iter().map(|part| Segment {
        kind: match part.kind {
            PartKind::Answer => SegmentKind::Answer,
            PartKind::Thinking => SegmentKind::Thinking,
            PartKind::ToolCall => SegmentKind::ToolCall,
        },
        positions: prompt + part.tokens.start..prompt + part.tokens.end,
    });
    std::iter::once(given).chain(written).filter(|segment| !segment.positions.is_empty()).collect()
}

impl Segment {
    /// Its figures; `None` for the prompt.
    pub fn figures(&self, run: &Run) -> Option<SegmentFigures> {
        let prompt = run.prompt.len();
        let places = self.positions.start.checked_sub(prompt)?..self.positions.end.checked_sub(prompt)?;
        let nodes = run.line.get(places)?.iter().map(|&index| &run.nodes[index]);
        let mut figures = SegmentFigures::default();
        for node in nodes {
            figures.tokens += 1;
            figures.seconds += node.timing.total_seconds;
            figures.entropy += f64::from(node.entropy);
        }
        figures.entropy /= figures.tokens.max(1) as f64;
        Some(figures)
    }
}

/// A token's text, or its spelling where it has none.
fn spelled<'a>(text: &'a str, piece: &'a str) -> &'a str {
    if text.is_empty() { piece } else { text }
}
