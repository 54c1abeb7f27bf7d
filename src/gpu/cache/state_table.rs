//! Which stored states belong to which sequence: reference counts, no bytes.
//!
//! A slot holds the states of all layers as they were after one position of a sequence, and is never written again as long
//! as it is used: each pass writes new slots. So forks share them, a pass that is forgotten leaves nothing behind, and the
//! older ones are checkpoints, to which a sequence can be cut back. A recurrence cannot be undone: what lies between two
//! checkpoints is computed again, from the tokens, which are kept for that.

use std::collections::BTreeMap;

use crate::model::SequenceId;

/// The slot of the state before the first position: zeros.
pub(crate) const EMPTY: u32 = 0;

/// In place of a token that nobody has read: in no vocabulary.
const UNREAD: u32 = u32::MAX;

/// A sequence's state after so many positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub length: usize,
    pub slot: u32,
}

/// All sequences and the states they have.
#[derive(Debug, PartialEq)]
pub(crate) struct States {
    /// For each slot how often it is used.
    uses: Vec<u32>,
    free: Vec<u32>,
    sequences: BTreeMap<SequenceId, History>,
    /// Slots that there may be beside one for each sequence: room for checkpoints.
    spare: usize,
}

/// What is known of one sequence.
#[derive(Clone, Debug, PartialEq)]
struct History {
    tokens: Vec<u32>,
    /// By length; the first is the empty state, which stays.
    checkpoints: Vec<Checkpoint>,
}

/// There are not enough slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotsMissing {
    /// How many there should be in all.
    pub total: usize,
}

impl States {
    /// No sequence, and so many slots for checkpoints at most.
    pub(crate) fn new(spare: usize) -> Self {
        let uses = vec![1];
        Self { uses, free: Vec::new(), sequences: BTreeMap::new(), spare }
    }

    /// Adds free slots up to `total`.
    pub(crate) fn grow(&mut self, total: usize) {
        let before = self.uses.len();
        self.uses.resize(total.max(before), 0);
        self.free.splice(0..0, (before as u32..total as u32).rev());
    }

    /// Slots there are, the empty one included.
    pub(crate) fn capacity(&self) -> usize {
        self.uses.len()
    }

    /// Slots that hold something; a shared one counts once.
    pub(crate) fn used(&self) -> usize {
        self.uses.len() - 1 - self.free.len()
    }

    pub(crate) fn add(&mut self, id: SequenceId) {
        let checkpoints = vec![Checkpoint { length: 0, slot: EMPTY }];
        self.sequences.insert(id, History { tokens: Vec::new(), checkpoints });
    }

    /// Gives `fork` all that `id` has.
    pub(crate) fn fork(&mut self, id: SequenceId, fork: SequenceId) {
        let history = self.history(id).clone();
        history.checkpoints.iter().for_each(|checkpoint| self.hold(checkpoint.slot));
        self.sequences.insert(fork, history);
    }

    /// Forgets every position from `length` on.
    pub(crate) fn truncate(&mut self, id: SequenceId, length: usize) {
        let history = self.history_mut(id);
        history.tokens.truncate(length);
        let kept = history.checkpoints.partition_point(|checkpoint| checkpoint.length <= length);
        let dropped = history.checkpoints.split_off(kept);
        dropped.into_iter().for_each(|checkpoint| self.give_back(checkpoint.slot));
    }

    pub(crate) fn release(&mut self, id: SequenceId) {
        self.truncate(id, 0);
        self.sequences.remove(&id);
    }

    /// The longest checkpoint of at most `length` positions.
    pub(crate) fn nearest(&self, id: SequenceId, length: usize) -> Checkpoint {
        let checkpoints = &self.history(id).checkpoints;
        let after = checkpoints.partition_point(|checkpoint| checkpoint.length <= length);
        checkpoints[after - 1]
    }

    /// Tokens of a sequence from one position to another.
    pub(crate) fn tokens(&self, id: SequenceId, positions: std::ops::Range<usize>) -> Vec<u32> {
        self.history(id).tokens[positions].to_vec()
    }

    /// The sequence goes on by this token.
    pub(crate) fn push_token(&mut self, id: SequenceId, token: u32) {
        self.history_mut(id).tokens.push(token);
    }

    /// The newest token of the sequence is one that the GPU chose and nobody has read.
    pub(crate) fn forget_newest_token(&mut self, id: SequenceId) {
        if let Some(token) = self.history_mut(id).tokens.last_mut() {
            *token = UNREAD;
        }
    }

    /// The token at a position that was not read is read now. Only one chain of passes is on its way at a time, so that
    /// all sequences that wait for one at this position are forks of one another.
    pub(crate) fn set_unread(&mut self, position: usize, token: u32) {
        let tokens = self.sequences.values_mut().filter_map(|history| history.tokens.get_mut(position));
        tokens.filter(|known| **known == UNREAD).for_each(|known| *known = token);
    }

    /// The sequence's state after `length` positions is in `slot`, which it shares from now on.
    pub(crate) fn keep(&mut self, id: SequenceId, length: usize, slot: u32) {
        let checkpoints = &mut self.history_mut(id).checkpoints;
        let place = checkpoints.partition_point(|checkpoint| checkpoint.length < length);
        if checkpoints.get(place).is_none_or(|known| known.length != length) {
            checkpoints.insert(place, Checkpoint { length, slot });
            self.hold(slot);
        }
    }

    /// Counts one use more of a slot.
    pub(crate) fn hold(&mut self, slot: u32) {
        self.uses[slot as usize] += 1;
    }

    /// Counts one use less of a slot, and frees it if that was the last.
    pub(crate) fn give_back(&mut self, slot: u32) {
        let uses = &mut self.uses[slot as usize];
        *uses -= 1;
        if *uses == 0 {
            self.free.push(slot);
        }
    }

    /// How many slots a pass may take for states that nobody has to have.
    pub(crate) fn optional(&self) -> usize {
        self.spare
    }

    /// Free slots, each used once from now on. Where there are too few, checkpoints are forgotten, or it is said how many
    /// slots more there should be.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<u32>, SlotsMissing> {
        // One for each sequence, its newest, and those that are taken now.
        let most = 1 + self.sequences.len() + count + self.spare;
        while self.free.len() < count {
            let capacity = self.capacity();
            if capacity < most || !self.forget_one() {
                let least = capacity + count - self.free.len();
                return Err(SlotsMissing { total: (2 * capacity).min(most).max(least) });
            }
        }
        let taken: Vec<u32> = self.free.drain(self.free.len() - count..).rev().collect();
        taken.iter().for_each(|&slot| self.uses[slot as usize] = 1);
        Ok(taken)
    }

    /// Forgets the checkpoint that is missed least: the one that makes the shortest gap, measured by how far back the
    /// gap begins. Near a sequence's end checkpoints stay dense, further back they get sparse.
    fn forget_one(&mut self) -> bool {
        let cost = |trio: &[Checkpoint], end: usize| {
            let [before, _, after] = [trio[0], trio[1], trio[2]].map(|checkpoint| checkpoint.length as f64);
            (after - before) / (end as f64 - before)
        };
        let candidates = self.sequences.iter().flat_map(|(&id, history)| {
            let end = history.checkpoints.last().map_or(0, |checkpoint| checkpoint.length);
            (1..).zip(history.checkpoints.windows(3)).map(move |(place, trio)| (cost(trio, end), id, place))
        });
        let Some((_, id, place)) = candidates.min_by(|one, other| one.0.total_cmp(&other.0)) else {
            return false;
        };
        let checkpoint = self.history_mut(id).checkpoints.remove(place);
        self.give_back(checkpoint.slot);
        true
    }

    fn history(&self, id: SequenceId) -> &History {
        self.sequences.get(&id).unwrap_or_else(|| panic!("{id:?} was released or never made"))
    }

    fn history_mut(&mut self, id: SequenceId) -> &mut History {
        self.sequences.get_mut(&id).unwrap_or_else(|| panic!("{id:?} was released or never made"))
    }
}
