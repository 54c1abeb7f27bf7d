//! Which pages of the KV cache belong to which sequence: reference counts, no bytes.
//!
//! A page holds [`PAGE_POSITIONS`] consecutive positions of one sequence. Sequences that began as forks share
//! pages until one of them writes; a page that no sequence uses is free.

use std::collections::BTreeMap;

use crate::model::SequenceId;
use crate::model::profiling::{CachedPage, CachedSequence};

/// Positions of a page.
pub(crate) const PAGE_POSITIONS: usize = 16;

/// A copy that has to be made before the next pass: positions of a partial page that two sequences shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageCopy {
    pub from: u32,
    pub to: u32,
}

/// All sequences and the pages they use.
#[derive(Debug, Default, PartialEq)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Pages {
    /// For each page how many sequences use it.
    uses: Vec<u32>,
    free: Vec<u32>,
    sequences: BTreeMap<SequenceId, Sequence>,
    next: u32,
}

#[derive(Clone, Debug, PartialEq)]
struct Sequence {
    pages: Vec<u32>,
    length: usize,
    /// Positions that its text may get.
    longest: usize,
}

/// What [`Pages::extend`] did, for [`Pages::roll_back`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    /// The sequence that grew.
    id: SequenceId,
    /// Its length before.
    length: usize,
    /// The copy to be made before the pass, if any.
    pub copy: Option<PageCopy>,
}

/// There are not enough free pages; this many more are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PagesMissing(pub usize);

impl Pages {
    /// Adds free pages up to `total`.
    pub(crate) fn grow(&mut self, total: usize) {
        let before = self.uses.len();
        self.uses.resize(total.max(before), 0);
        // Taken from the end, so that low pages go first.
        self.free.splice(0..0, (before as u32..total as u32).rev());
    }

    /// Pages there are, used or free.
    pub(crate) fn capacity(&self) -> usize {
        self.uses.len()
    }

    /// Pages that some sequence uses; a shared one counts once.
    pub(crate) fn used(&self) -> usize {
        self.uses.len() - self.free.len()
    }

    /// An empty sequence, for a text of at most so many positions.
    pub(crate) fn new_sequence(&mut self, longest: usize) -> SequenceId {
        self.add(Sequence { pages: Vec::new(), length: 0, longest })
    }

    fn add(&mut self, sequence: Sequence) -> SequenceId {
        let id = SequenceId(self.next);
        self.next += 1;
        self.sequences.insert(id, sequence);
        id
    }

    /// A sequence with the same positions: full pages shared, a partial last one to be copied.
    pub(crate) fn fork(&mut self, id: SequenceId) -> Result<(SequenceId, Option<PageCopy>), PagesMissing> {
        let Sequence { mut pages, length, longest } = self.sequence(id).clone();
        let copy = if length.is_multiple_of(PAGE_POSITIONS) {
            None
        } else {
            let to = self.take(1)?[0];
            pages.pop().map(|from| PageCopy { from, to })
        };
        for &page in &pages {
            self.uses[page as usize] += 1;
        }
        pages.extend(copy.map(|copy| copy.to));
        Ok((self.add(Sequence { pages, length, longest }), copy))
    }

    /// Makes room for `count` more positions at the end. A last page that another sequence shares (after a
    /// truncation into a shared page) is replaced by a copy first. A failure changes nothing.
    pub(crate) fn extend(&mut self, id: SequenceId, count: usize) -> Result<Extension, PagesMissing> {
        let sequence = self.sequence(id);
        let length = sequence.length;
        let needed = (sequence.length + count).div_ceil(PAGE_POSITIONS) - sequence.pages.len();
        let partial = !sequence.length.is_multiple_of(PAGE_POSITIONS);
        let shared = sequence.pages.last().copied().filter(|&page| partial && self.uses[page as usize] > 1);
        let mut taken = self.take(needed + usize::from(shared.is_some()))?;
        let copy = shared.map(|from| {
            self.uses[from as usize] -= 1;
            PageCopy { from, to: taken.pop().unwrap_or(from) }
        });
        let sequence = self.sequence_mut(id);
        if let Some(copy) = copy {
            sequence.pages.pop();
            sequence.pages.push(copy.to);
        }
        sequence.pages.extend(taken);
        sequence.length += count;
        Ok(Extension { id, length, copy })
    }

    /// Makes the sequence what it was before the extension, the last one that it got.
    pub(crate) fn roll_back(&mut self, extension: Extension) {
        let Extension { id, length, copy } = extension;
        self.truncate(id, length);
        if let Some(PageCopy { from, to }) = copy {
            if let Some(last) = self.sequence_mut(id).pages.last_mut() {
                *last = from;
            }
            self.uses[from as usize] += 1;
            self.give_back(&[to]);
        }
    }

    pub(crate) fn truncate(&mut self, id: SequenceId, length: usize) {
        let sequence = self.sequence_mut(id);
        if length >= sequence.length {
            return;
        }
        sequence.length = length;
        let dropped = sequence.pages.split_off(length.div_ceil(PAGE_POSITIONS));
        self.give_back(&dropped);
    }

    pub(crate) fn release(&mut self, id: SequenceId) {
        let pages = std::mem::take(&mut self.sequence_mut(id).pages);
        self.give_back(&pages);
        self.sequences.remove(&id);
    }

    /// The sequences with their pages, the oldest first.
    pub(crate) fn sequences(&self) -> impl Iterator<Item = CachedSequence> + '_ {
        self.sequences.iter().map(|(&sequence, Sequence { pages, length, .. })| CachedSequence {
            sequence,
            positions: *length,
            pages: pages.iter().map(|&number| self.cached(number)).collect(),
        })
    }

    fn cached(&self, number: u32) -> CachedPage {
        CachedPage { number, users: self.uses[number as usize] }
    }

    /// Pages that more than one sequence uses.
    pub(crate) fn shared(&self) -> usize {
        self.uses.iter().filter(|users| **users > 1).count()
    }

    pub(crate) fn length(&self, id: SequenceId) -> usize {
        self.sequence(id).length
    }

    /// Positions that the sequence's text may get.
    pub(crate) fn longest(&self, id: SequenceId) -> usize {
        self.sequence(id).longest
    }

    /// The sequence's page table.
    pub(crate) fn table(&self, id: SequenceId) -> &[u32] {
        &self.sequence(id).pages
    }

    /// Where in the cache a position of a sequence lies.
    pub(crate) fn slot(&self, id: SequenceId, position: usize) -> u32 {
        let page = self.sequence(id).pages[position / PAGE_POSITIONS];
        page * PAGE_POSITIONS as u32 + (position % PAGE_POSITIONS) as u32
    }

    /// Free pages for rows that are computed and forgotten; to be given back after the pass.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<u32>, PagesMissing> {
        if self.free.len() < count {
            return Err(PagesMissing(count - self.free.len()));
        }
        let taken: Vec<u32> = self.free.drain(self.free.len() - count..).rev().collect();
        for &page in &taken {
            self.uses[page as usize] = 1;
        }
        Ok(taken)
    }

    /// Counts one use less of each page, and frees those without any.
    pub(crate) fn give_back(&mut self, pages: &[u32]) {
        for &page in pages {
            let uses = &mut self.uses[page as usize];
            *uses -= 1;
            if *uses == 0 {
                self.free.push(page);
            }
        }
    }

    fn sequence(&self, id: SequenceId) -> &Sequence {
        self.sequences.get(&id).unwrap_or_else(|| panic!("{id:?} was released or never made"))
    }

    fn sequence_mut(&mut self, id: SequenceId) -> &mut Sequence {
        self.sequences.get_mut(&id).unwrap_or_else(|| panic!("{id:?} was released or never made"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(capacity: usize) -> Pages {
        let mut pages = Pages::default();
        pages.grow(capacity);
        pages
    }

    #[test]
    fn a_fork_shares_full_pages_and_copies_the_partial_one() {
        let mut pages = pages(8);
        let first = pages.new_sequence(usize::MAX);
        assert_eq!(pages.extend(first, 2 * PAGE_POSITIONS + 3).unwrap().copy, None);
        assert_eq!(pages.used(), 3);
        let (second, copy) = pages.fork(first).unwrap();
        assert_eq!(copy, Some(PageCopy { from: pages.table(first)[2], to: pages.table(second)[2] }));
        assert_eq!(pages.table(first)[..2], pages.table(second)[..2]);
        assert_eq!(pages.used(), 4);
        pages.release(first);
        assert_eq!(pages.used(), 3);
        pages.release(second);
        assert_eq!(pages.used(), 0);
    }

    #[test]
    fn writing_into_a_shared_page_after_a_truncation_copies_it() {
        let mut pages = pages(8);
        let first = pages.new_sequence(usize::MAX);
        pages.extend(first, 2 * PAGE_POSITIONS).unwrap();
        let (second, copy) = pages.fork(first).unwrap();
        assert_eq!(copy, None);
        pages.truncate(second, PAGE_POSITIONS + 1);
        let shared = pages.table(second)[1];
        let copy = pages.extend(second, 1).unwrap().copy.unwrap();
        assert_eq!(copy.from, shared);
        assert_eq!((pages.table(first)[1], pages.table(second)[1]), (shared, copy.to));
    }

    #[test]
    fn truncation_frees_whole_pages_and_missing_pages_are_counted() {
        let mut pages = pages(3);
        let sequence = pages.new_sequence(usize::MAX);
        pages.extend(sequence, 3 * PAGE_POSITIONS).unwrap();
        assert_eq!(pages.extend(sequence, PAGE_POSITIONS + 1), Err(PagesMissing(2)));
        assert_eq!(pages.length(sequence), 3 * PAGE_POSITIONS);
        pages.truncate(sequence, PAGE_POSITIONS + 1);
        assert_eq!(pages.used(), 2);
        pages.grow(5);
        assert_eq!(pages.extend(sequence, 3 * PAGE_POSITIONS).unwrap().copy, None);
        assert_eq!(pages.slot(sequence, PAGE_POSITIONS), pages.table(sequence)[1] * PAGE_POSITIONS as u32);
    }
    #[test]
    fn undone_extensions_leave_every_sequence_as_it_was() {
        let mut pages = pages(8);
        let first = pages.new_sequence(usize::MAX);
        pages.extend(first, 2 * PAGE_POSITIONS).unwrap();
        let (second, _) = pages.fork(first).unwrap();
        // The next position of the second falls into a page that it shares.
        pages.truncate(second, PAGE_POSITIONS + 1);
        let mut before = pages.clone();
        let extensions = [pages.extend(second, PAGE_POSITIONS).unwrap(), pages.extend(first, 1).unwrap()];
        assert!(extensions[0].copy.is_some());
        assert_ne!(pages, before);
        extensions.into_iter().rev().for_each(|extension| pages.roll_back(extension));
        // Which free page comes first may differ.
        for pages in [&mut pages, &mut before] {
            pages.free.sort_unstable();
        }
        assert_eq!(pages, before);
    }
}
