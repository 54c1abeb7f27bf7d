//! What one pass computes: rows of tokens, each at a position of a sequence.

use std::collections::HashMap;

use super::error::ModelError;
use super::selection::SamplingParams;

/// A sequence in the KV cache. Plain handle: the model that made it owns what it stands for, and no other model has the
/// same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceId(pub u32);

/// One token of a pass.
///
/// A row attends to its sequence's cached positions and to its chain of parents within the batch, itself
/// included. Consecutive rows of one sequence form a chain and are kept in the cache; rows that branch off a
/// chain (two rows with one parent) are computed and then forgotten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The token's id.
    pub token: u32,
    /// Its position in the sequence, from 0.
    pub position: usize,
    /// The sequence whose cached positions it sees.
    pub sequence: SequenceId,
    /// The row of this batch that comes just before it, or `None` when that is a cached position.
    pub parent: Option<usize>,
    /// What the pass returns for it.
    pub output: RowOutput,
}

/// What a pass returns for a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowOutput {
    /// Nothing: the row only fills the cache.
    Nothing,
    /// Its logits.
    Logits,
    /// A summary of its logits, and the token that the model would choose.
    Summary(SamplingParams),
}

/// The rows of one pass, parents before children.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The rows.
    pub rows: Vec<Row>,
    /// Rows whose final hidden state is returned, whether or not their logits are; ascending.
    pub hidden: Vec<usize>,
    /// What the rows begin with beside their tokens, for plans with [`Plan::carried`](super::Plan::carried): C elements
    /// for each row. Empty for other plans.
    pub carried: Vec<Vec<f32>>,
}

impl Batch {
    /// `tokens` as a chain that continues `sequence` at `start`; `last` is what the last row returns.
    pub fn chain(sequence: SequenceId, start: usize, tokens: &[u32], last: RowOutput) -> Self {
        let row = |(index, &token): (usize, &u32)| Row {
            token,
            position: start + index,
            sequence,
            parent: index.checked_sub(1),
            output: if index + 1 == tokens.len() { last } else { RowOutput::Nothing },
        };
        tokens.iter().enumerate().map(row).collect::<Vec<_>>().into()
    }

    /// As [`Self::chain`], but every row returns `output`.
    pub fn chain_of_outputs(sequence: SequenceId, start: usize, tokens: &[u32], output: RowOutput) -> Self {
        let mut batch = Self::chain(sequence, start, tokens, output);
        batch.rows.iter_mut().for_each(|row| row.output = output);
        batch
    }

    /// The same rows in another model's sequences, whose handles are its own: `there` gives the one for each of this model's.
    pub fn for_model(&self, there: impl Fn(SequenceId) -> SequenceId) -> Self {
        let mut batch = self.clone();
        batch.rows.iter_mut().for_each(|row| row.sequence = there(row.sequence));
        batch
    }

    /// Asks for the final hidden states of all rows as well.
    pub fn with_hidden(mut self) -> Self {
        self.hidden = (0..self.rows.len()).collect();
        self
    }

    /// With what the rows begin with beside their tokens.
    pub fn with_carried(mut self, carried: Vec<Vec<f32>>) -> Self {
        self.carried = carried;
        self
    }

    /// Indices of the rows whose logits were asked for, whole or summarised, in order.
    pub fn outputs(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.rows.len()).filter(|&row| self.rows[row].output != RowOutput::Nothing)
    }

    /// Indices of the rows of which anything is wanted, in order: those that go through the final norm.
    pub fn picked(&self) -> impl Iterator<Item = usize> + '_ {
        let wanted = |row: &usize| {
            self.rows[*row].output != RowOutput::Nothing || self.hidden.binary_search(row).is_ok()
        };
        (0..self.rows.len()).filter(wanted)
    }

    /// Refuses tokens outside the vocabulary and positions beyond the context. `cached` gives the cached
    /// positions of a sequence; a batch whose rows do not continue these, or their parents, is a
    /// programming error and panics.
    pub fn check(
        &self,
        vocabulary: usize,
        context: usize,
        cached: impl Fn(SequenceId) -> usize,
    ) -> Result<(), ModelError> {
        for (index, row) in self.rows.iter().enumerate() {
            if row.token as usize >= vocabulary {
                return Err(ModelError::TokenOutsideVocabulary { token: row.token, vocabulary });
            }
            if row.position >= context {
                return Err(ModelError::BeyondContext { position: row.position, context });
            }
            match row.parent {
                None => {
                    assert!(row.position <= cached(row.sequence), "row {index} leaves a gap after the cache")
                }
                Some(parent) => {
                    assert!(parent < index, "row {index} comes before its parent");
                    let parent = &self.rows[parent];
                    assert_eq!(
                        parent.sequence, row.sequence,
                        "row {index} and its parent differ in sequence"
                    );
                    assert_eq!(parent.position + 1, row.position, "row {index} does not follow its parent");
                }
            }
        }
        Ok(())
    }

    /// For each row whether its keys and values stay in the cache. They do if the row extends its sequence: the first
    /// such row comes directly after the cached positions, every further one after the last that stays.
    pub fn kept(&self, cached: impl Fn(SequenceId) -> usize) -> Vec<bool> {
        let mut ends: HashMap<SequenceId, (usize, Option<usize>)> = HashMap::new();
        let keep = |(index, row): (usize, &Row)| {
            let end = ends.entry(row.sequence).or_insert_with(|| (cached(row.sequence), None));
            let extends = (row.position, row.parent) == *end;
            if extends {
                *end = (row.position + 1, Some(index));
            }
            extends
        };
        self.rows.iter().enumerate().map(keep).collect()
    }
}

/// The rows of a batch that lead to row `index`, from the first of its chain to itself. Before the first of them are the
/// cached positions of its sequence.
pub(crate) fn chain(rows: &[Row], index: usize) -> Vec<usize> {
    let mut chain: Vec<usize> = std::iter::successors(Some(index), |&row| rows[row].parent).collect();
    chain.reverse();
    chain
}

impl From<Vec<Row>> for Batch {
    fn from(rows: Vec<Row>) -> Self {
        Self { rows, hidden: Vec::new(), carried: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(position: usize, parent: Option<usize>) -> Row {
        Row { token: 0, position, sequence: SequenceId(0), parent, output: RowOutput::Nothing }
    }

    #[test]
    fn a_chain_runs_from_the_first_row_to_the_row_itself() {
        let rows = [row(0, None), row(0, Some(0)), row(0, Some(0)), row(0, Some(2))];
        assert_eq!(chain(&rows, 3), [0, 2, 3]);
        assert_eq!(chain(&rows, 1), [0, 1]);
    }

    #[test]
    fn a_chain_stays_and_its_branches_go() {
        let rows = vec![row(3, None), row(4, Some(0)), row(4, Some(0)), row(5, Some(2)), row(5, Some(1))];
        assert_eq!(Batch::from(rows).kept(|_| 3), [true, true, false, false, true]);
    }

    #[test]
    fn rows_at_cached_positions_go() {
        let rows = vec![row(2, None), row(3, Some(0))];
        assert_eq!(Batch::from(rows).kept(|_| 3), [false, false]);
    }

    #[test]
    fn each_sequence_is_extended_on_its_own() {
        let other = Row { sequence: SequenceId(1), ..row(7, None) };
        let batch = Batch::from(vec![row(3, None), other, row(4, Some(0))]);
        assert_eq!(batch.kept(|sequence| if sequence.0 == 1 { 7 } else { 3 }), [true, true, true]);
    }

    #[test]
    fn tokens_and_positions_out_of_range_are_refused() {
        let batch = Batch::chain(SequenceId(0), 0, &[1, 9], RowOutput::Logits);
        let token = batch.check(9, 10, |_| 0);
        assert_eq!(token, Err(ModelError::TokenOutsideVocabulary { token: 9, vocabulary: 9 }));
        let position = batch.check(10, 1, |_| 0);
        assert_eq!(position, Err(ModelError::BeyondContext { position: 1, context: 1 }));
        assert_eq!(batch.check(10, 2, |_| 0), Ok(()));
    }

    #[test]
    #[should_panic(expected = "leaves a gap")]
    fn a_gap_after_the_cache_is_a_programming_error() {
        let _ = Batch::from(vec![row(4, None)]).check(10, 10, |_| 3);
    }
}
