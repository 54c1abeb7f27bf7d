//! Which stored states belong to which sequence: reference counts, no bytes.
//!
//! A slot holds the states of all layers as they were after one position of a sequence, and is never written again as long
//! as it is used: each pass writes new slots. So forks share them, a pass that is forgotten leaves nothing behind, and the
//! older ones are checkpoints, to which a sequence can be cut back. A recurrence cannot be undone: what lies between two
//! checkpoints is computed again, from the tokens, which are kept for that.

use std::collections::{BTreeMap, HashSet};

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

/// All sequences and the states they have. Of a model without states they have the empty one alone, and no tokens.
#[derive(Debug, PartialEq)]
pub(crate) struct States {
    /// For each slot how often it is used.
    uses: Vec<u32>,
    free: Vec<u32>,
    sequences: BTreeMap<SequenceId, History>,
    /// Slots that there may be beside one for each sequence: room for checkpoints.
    spare: usize,
    /// Slots that there is room for in all.
    limit: usize,
    /// Sequences and lengths whose states, or the nearest before them, are not to be forgotten now.
    needed: Vec<(SequenceId, usize)>,
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
    /// No sequence; so many slots for checkpoints at most, and `limit` in all.
    pub(crate) fn new(spare: usize, limit: usize) -> Self {
        let uses = vec![1];
        Self { uses, free: Vec::new(), sequences: BTreeMap::new(), spare, limit, needed: Vec::new() }
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

    /// From now on the states of these sequences after so many positions are not forgotten, nor the nearest before them
    /// where they are missing.
    pub(crate) fn need(&mut self, checkpoints: Vec<(SequenceId, usize)>) {
        self.needed = checkpoints;
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

    /// How many slots a pass may take for states that nobody has to have: beside them each sequence keeps its newest
    /// state and can get a next one.
    pub(crate) fn optional(&self) -> usize {
        let others = 1 + 2 * self.sequences.len() + self.needed.len();
        self.spare.min(self.limit.saturating_sub(others))
    }

    /// Free slots, each used once from now on. Where there are too few, checkpoints are forgotten, or it is said how many
    /// slots more there should be.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<u32>, SlotsMissing> {
        // One for each sequence, its newest, and those that are taken now.
        let most = (1 + self.sequences.len() + count + self.spare).min(self.limit);
        while self.free.len() < count {
            let capacity = self.capacity();
            let least = capacity + count - self.free.len();
            if least <= most || !self.forget_one() {
                return Err(SlotsMissing { total: (2 * capacity).min(most).max(least) });
            }
        }
        let taken: Vec<u32> = self.free.drain(self.free.len() - count..).rev().collect();
        taken.iter().for_each(|&slot| self.uses[slot as usize] = 1);
        Ok(taken)
    }

    /// Forgets the state that is missed least, in all sequences that share it: the one that makes the shortest gap,
    /// measured by how far back the gap begins. Near a sequence's end checkpoints stay dense, further back they get
    /// sparse. The newest of each sequence stay, and those that are needed.
    fn forget_one(&mut self) -> bool {
        let newest = self.sequences.values().filter_map(|history| history.checkpoints.last());
        let needed = self.needed.iter().map(|&(id, length)| self.nearest(id, length).slot);
        let kept: HashSet<u32> = newest.map(|checkpoint| checkpoint.slot).chain(needed).collect();
        let cost = |trio: &[Checkpoint], end: usize| {
            let [before, _, after] = [trio[0], trio[1], trio[2]].map(|checkpoint| checkpoint.length as f64);
            (after - before) / (end as f64 - before)
        };
        let candidates = self.sequences.values().flat_map(|history| {
            let end = history.checkpoints.last().map_or(0, |checkpoint| checkpoint.length);
            history.checkpoints.windows(3).map(move |trio| (cost(trio, end), trio[1].slot))
        });
        let candidates = candidates.filter(|(_, slot)| !kept.contains(slot));
        let Some((_, slot)) = candidates.min_by(|one, other| one.0.total_cmp(&other.0)) else {
            return false;
        };
        let mut dropped = 0;
        for history in self.sequences.values_mut() {
            let before = history.checkpoints.len();
            history.checkpoints.retain(|checkpoint| checkpoint.slot != slot);
            dropped += before - history.checkpoints.len();
        }
        (0..dropped).for_each(|_| self.give_back(slot));
        true
    }

    fn history(&self, id: SequenceId) -> &History {
        self.sequences.get(&id).unwrap_or_else(|| panic!("{id:?} was released or never made"))
    }

    fn history_mut(&mut self, id: SequenceId) -> &mut History {
        self.sequences.get_mut(&id).unwrap_or_else(|| panic!("{id:?} was released or never made"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sequence of one state a token.
    fn grow(states: &mut States, id: SequenceId, length: usize) {
        for length in 1..=length {
            let slot = states.take(1).unwrap()[0];
            states.push_token(id, 7);
            states.keep(id, length, slot);
            states.give_back(slot);
        }
    }

    fn with_room(spare: usize, limit: usize) -> States {
        let mut states = States::new(spare, limit);
        states.grow(limit);
        states.add(SequenceId(0));
        states
    }

    #[test]
    fn a_shared_state_is_forgotten_in_all_sequences_at_once_and_the_newest_stay() {
        let mut states = with_room(6, 9);
        grow(&mut states, SequenceId(0), 8);
        (1..4).for_each(|fork| states.fork(SequenceId(0), SequenceId(fork)));
        states.truncate(SequenceId(3), 2);
        assert_eq!((states.used(), states.free.len()), (8, 0));
        states.take(3).unwrap();
        assert_eq!((states.used(), states.free.len()), (8, 0), "one forgotten for each one taken");
        for id in (0..3).map(SequenceId) {
            assert_eq!(states.history(id).checkpoints.len(), 6);
            assert_eq!(states.nearest(id, 8).length, 8);
        }
        assert_eq!(
            states.nearest(SequenceId(3), 2).length,
            2,
            "another sequence's middle is the newest here"
        );
    }

    #[test]
    fn what_is_needed_is_not_forgotten_whatever_is_taken() {
        let mut states = with_room(6, 9);
        grow(&mut states, SequenceId(0), 8);
        states.need(vec![(SequenceId(0), 3), (SequenceId(0), 5)]);
        states.take(5).unwrap();
        let lengths = |states: &States| -> Vec<usize> {
            states.history(SequenceId(0)).checkpoints.iter().map(|checkpoint| checkpoint.length).collect()
        };
        assert_eq!(lengths(&states), [0, 3, 5, 8]);
        assert_eq!(states.take(1), Err(SlotsMissing { total: 10 }), "nothing is left to forget");
        states.need(Vec::new());
        states.take(2).unwrap();
        assert_eq!(lengths(&states), [0, 8]);
    }

    #[test]
    fn slots_grow_no_further_than_there_is_room_and_checkpoints_make_way_then() {
        let mut states = States::new(100, 10);
        states.add(SequenceId(0));
        let mut sizes = Vec::new();
        for length in 1..=30 {
            let slot = loop {
                match states.take(1) {
                    Ok(taken) => break taken[0],
                    Err(SlotsMissing { total }) => {
                        sizes.push(total);
                        states.grow(total);
                    }
                }
            };
            states.keep(SequenceId(0), length, slot);
            states.give_back(slot);
        }
        assert_eq!(sizes, [2, 4, 8, 10]);
        assert_eq!(states.nearest(SequenceId(0), 29).length, 29, "near the end they stay dense");
    }
}
