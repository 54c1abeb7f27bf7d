//! The one buffer that changes from pass to pass: rows, page tables, chains and rotary angles.
//!
//! `shaders/lib/pass.wgsl` reads it; both sides are held together by a test of every kernel against its twin.

use std::collections::HashMap;

use super::pages::{Extension, PAGE_POSITIONS, PageCopy, Pages, PagesMissing};
use crate::model::batch::RowOutput;
use crate::model::rotary::RotaryTable;
use crate::model::selection::Choosing;
use crate::model::{Batch, ModelError, SequenceId};

const HEADER_WORDS: usize = 16;
const RECORD_WORDS: usize = 8;
/// Header word of the first rotary table's angles.
const FIRST_ANGLES: usize = 8;

/// Most rotary tables that a plan may use.
pub(super) const MOST_TABLES: usize = HEADER_WORDS - FIRST_ANGLES;

/// Where the first row's token lies, in bytes.
pub(super) const FIRST_TOKEN: u64 = 4 * HEADER_WORDS as u64;

/// Where a batch's rows go, and what they see.
#[derive(Default)]
pub(super) struct Placement {
    /// For each row the slot of its key and value.
    slots: Vec<u32>,
    /// For each row how many positions it sees through its page table.
    cached: Vec<usize>,
    /// For each row the slots of its chain.
    chains: Vec<Vec<u32>>,
    /// Pages to give back after the pass.
    pub scratch: Vec<u32>,
    /// How the sequences grew.
    extensions: Vec<Extension>,
}

/// How a batch's rows relate to their sequences: which extend them, and which only branch off.
pub(super) struct Shape {
    /// For each row whether it extends its sequence.
    kept: Vec<bool>,
    /// For each sequence how many rows extend it.
    growth: Vec<(SequenceId, usize)>,
    /// Rows that branch off.
    branching: usize,
}

impl Shape {
    /// Checks tokens, positions and parents, and finds the rows that extend their sequences.
    pub fn of(batch: &Batch, pages: &Pages, vocabulary: usize, context: usize) -> Result<Self, ModelError> {
        let cached = |sequence| pages.length(sequence);
        batch.check(vocabulary, context, cached)?;
        let kept = batch.kept(cached);
        let mut growth: Vec<(SequenceId, usize)> = Vec::new();
        for (row, _) in batch.rows.iter().zip(&kept).filter(|(_, kept)| **kept) {
            match growth.iter_mut().find(|(sequence, _)| *sequence == row.sequence) {
                Some((_, count)) => *count += 1,
                None => growth.push((row.sequence, 1)),
            }
        }
        let branching = kept.iter().filter(|kept| !**kept).count();
        Ok(Self { kept, growth, branching })
    }
}

impl Placement {
    /// Lets the sequences grow, and gives each row its slot. When pages are missing, nothing has changed.
    pub fn new(batch: &Batch, shape: &Shape, pages: &mut Pages) -> Result<Self, PagesMissing> {
        let mut placement = Self::default();
        if let Err(missing) = placement.take(shape, pages) {
            placement.undo(pages);
            return Err(missing);
        }
        placement.fill(batch, shape, pages);
        Ok(placement)
    }

    /// The copies to make before the pass.
    pub fn copies(&self) -> impl Iterator<Item = PageCopy> {
        self.extensions.iter().filter_map(|extension| extension.copy)
    }

    /// Makes every sequence what it was before, and gives back all pages: the pass has failed.
    pub fn undo(self, pages: &mut Pages) {
        pages.give_back(&self.scratch);
        self.extensions.into_iter().rev().for_each(|extension| pages.undo(extension));
    }

    fn take(&mut self, shape: &Shape, pages: &mut Pages) -> Result<(), PagesMissing> {
        for &(sequence, count) in &shape.growth {
            self.extensions.push(pages.extend(sequence, count)?);
        }
        self.scratch = pages.take(shape.branching.div_ceil(PAGE_POSITIONS))?;
        Ok(())
    }

    fn fill(&mut self, batch: &Batch, shape: &Shape, pages: &Pages) {
        let page_slots = |page: &u32| {
            let first = page * PAGE_POSITIONS as u32;
            first..first + PAGE_POSITIONS as u32
        };
        let mut branch_slots = self.scratch.iter().flat_map(page_slots);
        for (row, &kept) in batch.rows.iter().zip(&shape.kept) {
            if kept {
                self.slots.push(pages.slot(row.sequence, row.position));
                self.cached.push(row.position + 1);
                self.chains.push(Vec::new());
                continue;
            }
            let slot = branch_slots.next().expect("as many slots were taken as there are branching rows");
            // A branch sees what its parent sees, and itself.
            let (cached, mut chain) = match row.parent {
                Some(parent) => (self.cached[parent], self.chains[parent].clone()),
                None => (row.position, Vec::new()),
            };
            chain.push(slot);
            self.slots.push(slot);
            self.cached.push(cached);
            self.chains.push(chain);
        }
    }
}

/// The words of a pass.
pub(super) fn words(
    batch: &Batch,
    placement: &Placement,
    outputs: &[usize],
    pages: &Pages,
    tables: &[RotaryTable],
) -> Vec<u32> {
    let rows = batch.rows.len();
    let mut words = vec![0u32; HEADER_WORDS + rows * RECORD_WORDS];
    words[0] = rows as u32;
    words[1] = outputs.len() as u32;
    words[2] = HEADER_WORDS as u32;
    words[3] = words.len() as u32;
    words.extend(outputs.iter().map(|&row| row as u32));
    words[4] = words.len() as u32;
    outputs.iter().for_each(|&row| words.extend(choosing_words(batch.rows[row].output)));

    let mut page_tables: HashMap<SequenceId, usize> = HashMap::new();
    for (index, row) in batch.rows.iter().enumerate() {
        let pages_at = *page_tables.entry(row.sequence).or_insert_with(|| {
            words.extend(pages.table(row.sequence));
            words.len() - pages.table(row.sequence).len()
        });
        let chain = &placement.chains[index];
        let chain_at = words.len();
        words.extend(chain);
        let record = HEADER_WORDS + index * RECORD_WORDS;
        let values = [
            row.token as usize,
            row.position,
            placement.slots[index] as usize,
            placement.cached[index],
            pages_at,
            chain_at,
            chain.len(),
        ];
        for (offset, value) in values.into_iter().enumerate() {
            words[record + offset] = value as u32;
        }
    }
    let mut angles = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        words[FIRST_ANGLES + index] = words.len() as u32;
        angles.clear();
        batch.rows.iter().for_each(|row| table.push_angles(row.position, &mut angles));
        words.extend(angles.iter().map(|angle| angle.to_bits()));
    }
    words
}

/// How a row's token is to be chosen. A row without a summary shares the pass of those with one.
fn choosing_words(output: RowOutput) -> [u32; 8] {
    let RowOutput::Summary(choosing) = output else {
        return choosing_words(RowOutput::Summary(Choosing::HIGHEST));
    };
    let Choosing { temperature, top_k, top_p, min_p, point } = choosing;
    [temperature.recip().to_bits(), top_k, top_p.to_bits(), min_p.to_bits(), point.to_bits(), 0, 0, 0]
}
