//! What one pass computes: rows of tokens, each at a position of a sequence.

/// A sequence in the KV cache. Plain handle: the model that made it owns what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceId(pub u32);

/// One token of a pass.
///
/// A row attends to its sequence's cached positions and to its chain of parents within the batch, itself
/// included. Consecutive rows of one sequence form a chain and are kept in the cache; rows that branch off a
/// chain (two rows with one parent) are computed and then forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The token's id.
    pub token: u32,
    /// Its position in the sequence, from 0.
    pub position: usize,
    /// The sequence whose cached positions it sees.
    pub sequence: SequenceId,
    /// The row of this batch that comes just before it, or `None` when that is a cached position.
    pub parent: Option<usize>,
    /// Whether logits are wanted for this row.
    pub output: RowOutput,
}

/// What a pass returns for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutput {
    /// Nothing: the row only fills the cache.
    Nothing,
    /// Its logits.
    Logits,
}

/// The rows of one pass, parents before children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The rows.
    pub rows: Vec<Row>,
}

impl Batch {
    /// `tokens` as a chain that continues `sequence` at `start`; logits for the last one if asked for.
    pub fn chain(sequence: SequenceId, start: usize, tokens: &[u32], last: RowOutput) -> Self {
        let row = |(index, &token): (usize, &u32)| Row {
            token,
            position: start + index,
            sequence,
            parent: index.checked_sub(1),
            output: if index + 1 == tokens.len() { last } else { RowOutput::Nothing },
        };
        Self { rows: tokens.iter().enumerate().map(row).collect() }
    }

    /// Indices of the rows whose logits are wanted, in order.
    pub fn outputs(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.rows.len()).filter(|&row| self.rows[row].output == RowOutput::Logits)
    }
}
