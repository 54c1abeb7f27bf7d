//! All that a pass's commands depend on, and how its results lie in the buffer that the CPU reads.

use crate::gpu::device::Timestamps;
use crate::gpu::pass::PassShape;
use crate::gpu::program::{PINNED_BYTES, Program, SUMMARY_BYTES};
use crate::model::Batch;
use crate::model::batch::RowOutput;

/// All that a pass's commands depend on, as long as buffers and kernels stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandKey {
    pub shape: PassShape,
    pub part: Part,
    pub tokens: Tokens,
    /// What the rows that were picked asked for.
    pub wanted: Vec<Wanted>,
    /// How many tokens are pinned.
    pub pinned: usize,
}

/// Which ops of the plan run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Those of the whole batch, and then those of the rows picked.
    Whole,
    /// Those of more rows picked from the same batch.
    MoreOutputs,
}

/// Where a pass gets its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tokens {
    /// From the batch.
    Given,
    /// The one token is what the last pass chose for this one of its output rows.
    Chosen(u64),
}

/// What is wanted of a row that is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub head: Head,
    /// Its place among the rows whose hidden states are wanted.
    pub hidden: Option<usize>,
}

/// What is wanted of the LM head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Nothing,
    Summary,
    Logits,
}

/// How the results of a pass lie in a readback: timestamps, summaries, what rows tell of pinned tokens, hidden states,
/// logits. Of each kind all picked rows', or none.
pub(super) struct ReadbackLayout {
    /// Whether any row goes through the LM head.
    pub heads: bool,
    /// Rows of summaries.
    pub summaries: u64,
    pub summaries_at: u64,
    pub pinned_at: u64,
    /// Bytes of what rows tell of pinned tokens.
    pub pinned: u64,
    pub hidden_at: u64,
    /// Bytes of hidden states.
    pub hidden: u64,
    pub logits_at: u64,
    /// Bytes of logits.
    pub logits: u64,
    pub bytes: u64,
}

impl ReadbackLayout {
    /// Of a pass of which this is wanted, with so many pinned tokens.
    pub(super) fn new(wanted: &[Wanted], pinned: usize, program: &Program) -> Self {
        let of_all = |any: bool, each: u64| if any { wanted.len() as u64 * each } else { 0 };
        let summaries = of_all(wanted.iter().any(Wanted::summary), 1);
        let pinned = if pinned > 0 { summaries * PINNED_BYTES } else { 0 };
        let hidden = of_all(wanted.iter().any(|row| row.hidden.is_some()), program.hidden_bytes());
        let logits = of_all(wanted.iter().any(|row| row.head == Head::Logits), program.logits_bytes());
        let summaries_at = program.crossing.most_segments() as u64 * Timestamps::PAIR_BYTES;
        let pinned_at = summaries_at + summaries * SUMMARY_BYTES;
        let hidden_at = pinned_at + pinned;
        let logits_at = hidden_at + hidden;
        let heads = wanted.iter().any(|row| row.head != Head::Nothing);
        let bytes = logits_at + logits;
        Self {
            heads,
            summaries,
            summaries_at,
            pinned_at,
            pinned,
            hidden_at,
            hidden,
            logits_at,
            logits,
            bytes,
        }
    }
}

impl Wanted {
    /// Of a row of the batch.
    pub(super) fn of(batch: &Batch, row: usize) -> Self {
        let head = match batch.rows[row].output {
            RowOutput::Nothing => Head::Nothing,
            RowOutput::Summary(_) => Head::Summary,
            RowOutput::Logits => Head::Logits,
        };
        Self { head, hidden: batch.hidden.binary_search(&row).ok() }
    }

    pub(super) fn summary(&self) -> bool {
        self.head == Head::Summary
    }
}
