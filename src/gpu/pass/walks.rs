//! The states of a batch: which one each row goes on from, where its own goes, and the walks through the rows.

use super::layout::NOTHING;
use crate::gpu::cache::{SlotsMissing, States};
use crate::model::batch::chain;
use crate::model::{Batch, SequenceId};

/// Rows each of which is the parent of the next, from one without a parent to one that is nobody's.
#[derive(Debug, PartialEq)]
pub(super) struct Walk {
    pub rows: Vec<usize>,
    /// How many of them belong to walks before this one.
    pub first_own: usize,
}

/// The states of a batch's rows.
#[derive(Default)]
pub(crate) struct StatePlacement {
    /// For each row the slot that its first ancestor in the batch goes on from.
    pub(super) from: Vec<u32>,
    /// For each row the slot for the state after it, or [`NOTHING`].
    pub(super) to: Vec<u32>,
    pub(super) walks: Vec<Walk>,
    /// Rows that branch off and have a slot: whoever drops the placement gives them back.
    pub branches: Vec<(usize, u32)>,
    /// The sequences that grew, and their length before.
    extended: Vec<(SequenceId, usize)>,
}

impl StatePlacement {
    /// Gives rows their slots, and the sequences their new states. `kept` says which rows extend their sequence; every
    /// row without a parent goes on from a state that is there. Of few rows (at most `few`) each keeps its state, if
    /// there is room, so that a sequence can be cut back to any of them. When slots are missing, nothing has changed.
    pub(crate) fn new(
        batch: &Batch,
        kept: &[bool],
        states: &mut States,
        few: usize,
    ) -> Result<Self, SlotsMissing> {
        let mut from: Vec<u32> = Vec::with_capacity(batch.rows.len());
        for row in &batch.rows {
            from.push(match row.parent {
                Some(parent) => from[parent],
                None => states.nearest(row.sequence, row.position).slot,
            });
        }
        // Nothing that is read may be overwritten.
        from.iter().for_each(|&slot| states.hold(slot));
        let owners = owners(batch, kept, states.optional(), few);
        let taken = states.take(owners.len());
        from.iter().for_each(|&slot| states.give_back(slot));
        let mut placement = Self { from, to: vec![NOTHING as u32; kept.len()], ..Self::default() };
        for (&row, slot) in owners.iter().zip(taken?) {
            placement.to[row] = slot;
        }
        placement.extend(batch, kept, states);
        placement.walks = walks(batch);
        Ok(placement)
    }

    /// Lets the sequences have their new states.
    fn extend(&mut self, batch: &Batch, kept: &[bool], states: &mut States) {
        for (index, row) in batch.rows.iter().enumerate() {
            let slot = self.to[index];
            if !kept[index] {
                if slot != NOTHING as u32 {
                    self.branches.push((index, slot));
                }
                continue;
            }
            if !self.extended.iter().any(|(sequence, _)| *sequence == row.sequence) {
                self.extended.push((row.sequence, row.position));
            }
            states.push_token(row.sequence, row.token);
            if slot != NOTHING as u32 {
                states.keep(row.sequence, row.position + 1, slot);
                states.give_back(slot);
            }
        }
    }

    /// The rows whose state is stored, each with its slot.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (usize, u32)> {
        self.to.iter().copied().enumerate().filter(|(_, slot)| *slot != NOTHING as u32)
    }

    /// How many walks there are.
    pub(crate) fn walks(&self) -> usize {
        self.walks.len()
    }

    /// Makes every sequence what it was before: the pass has failed.
    pub(crate) fn roll_back(self, states: &mut States) {
        self.branches.iter().for_each(|(_, slot)| states.give_back(*slot));
        self.extended.into_iter().for_each(|(sequence, length)| states.truncate(sequence, length));
    }
}

/// The rows whose state is stored: the last that extends each sequence; all rows, where they are few and `optional` slots
/// are enough for the others.
fn owners(batch: &Batch, kept: &[bool], optional: usize, few: usize) -> Vec<usize> {
    let rows = batch.rows.len();
    let is_last = |&row: &usize| {
        let sequence = batch.rows[row].sequence;
        kept[row] && !(row + 1..rows).any(|later| kept[later] && batch.rows[later].sequence == sequence)
    };
    let last: Vec<usize> = (0..rows).filter(is_last).collect();
    if rows <= few && rows - last.len() <= optional { (0..rows).collect() } else { last }
}

/// A walk for each row that is nobody's parent.
fn walks(batch: &Batch) -> Vec<Walk> {
    let mut is_parent = vec![false; batch.rows.len()];
    batch.rows.iter().filter_map(|row| row.parent).for_each(|parent| is_parent[parent] = true);
    let mut is_owned = vec![false; batch.rows.len()];
    let leaves = (0..batch.rows.len()).filter(|&row| !is_parent[row]);
    let walk = |leaf: usize| {
        let rows = chain(&batch.rows, leaf);
        let first_own = rows.iter().take_while(|&&row| is_owned[row]).count();
        rows.iter().for_each(|&row| is_owned[row] = true);
        Walk { rows, first_own }
    };
    leaves.map(walk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Row;
    use crate::model::batch::RowOutput;

    fn row(position: usize, parent: Option<usize>) -> Row {
        Row { token: 7, position, sequence: SequenceId(0), parent, output: RowOutput::Nothing }
    }

    /// A chain of two with two children, one of which has a child.
    fn tree() -> Batch {
        vec![row(0, None), row(1, Some(0)), row(2, Some(1)), row(2, Some(1)), row(3, Some(3))].into()
    }

    #[test]
    fn shared_rows_belong_to_the_first_walk() {
        let expected =
            [Walk { rows: vec![0, 1, 2], first_own: 0 }, Walk { rows: vec![0, 1, 3, 4], first_own: 2 }];
        assert_eq!(walks(&tree()), expected);
    }

    #[test]
    fn few_rows_all_keep_their_state_and_many_only_the_last_that_stays() {
        let kept = [true, true, true, false, false];
        assert_eq!(owners(&tree(), &kept, 4, 8), [0, 1, 2, 3, 4]);
        assert_eq!(owners(&tree(), &kept, 3, 8), [2]);
        assert_eq!(owners(&tree(), &kept, 4, 4), [2]);
    }

    #[test]
    fn what_a_failed_pass_took_is_given_back() {
        let mut states = States::new(4, usize::MAX);
        states.add(SequenceId(0));
        states.grow(8);
        let kept = [true, true, true, false, false];
        let placement = StatePlacement::new(&tree(), &kept, &mut states, 8).unwrap();
        assert_eq!((states.used(), states.nearest(SequenceId(0), 9).length), (5, 3));
        assert_eq!(states.tokens(SequenceId(0), 0..3), [7, 7, 7]);
        placement.roll_back(&mut states);
        assert_eq!((states.used(), states.nearest(SequenceId(0), 9).length), (0, 0));
    }
}
