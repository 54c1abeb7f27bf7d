//! What a pass tells of a row of logits.

use super::row::Row;
use crate::model::batch::RowOutput;
use crate::model::{Outputs, Summary};

/// What a pass tells of a row of logits, in the form that was asked for.
pub(super) enum RowLogits {
    /// All V logits.
    Row(Vec<f32>),
    /// In short.
    Summary(Summary),
}

impl RowLogits {
    /// The one row that a pass was asked for.
    pub(super) fn one(mut outputs: Outputs) -> Self {
        match outputs.summaries.pop() {
            Some(summary) => Self::Summary(summary),
            None => Self::Row(outputs.logits.pop().expect("a pass returns what its batch asks for")),
        }
    }

    /// The rows of a pass of which something was asked, in their order; `asked` is what, row by row.
    pub(super) fn all(outputs: Outputs, asked: impl IntoIterator<Item = RowOutput>) -> Vec<Self> {
        let (mut logits, mut summaries) = (outputs.logits.into_iter(), outputs.summaries.into_iter());
        let rows = asked.into_iter().filter_map(|output| match output {
            RowOutput::Nothing => None,
            RowOutput::Logits => logits.next().map(Self::Row),
            RowOutput::Summary(_) => summaries.next().map(Self::Summary),
        });
        rows.collect()
    }

    /// The token with the highest logit; the lowest id among equals. For a summary made for
    /// [`crate::model::selection::SamplingParams::GREEDY`].
    pub(super) fn highest(&self) -> u32 {
        match self {
            Self::Row(logits) => Row::new(logits).best().unwrap_or_default(),
            Self::Summary(summary) => summary.chosen,
        }
    }
}
