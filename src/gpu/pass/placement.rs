//! Where the rows of a batch go: slots of the cache, pages to branch off in, tiles and splits for attention.

use super::pass_shape::{PassShape, TILE_ROWS};
use super::splits::SplitRule;
use super::walks::StatePlacement;
use crate::gpu::cache::{
    Cache, Extension, PAGE_POSITIONS, PageCopy, Pages, PagesMissing, SlotsMissing, States,
};
use crate::gpu::kernels::FEW_ROWS;
use crate::model::{Batch, ModelError, SequenceId};

/// Rows of one sequence that attention takes together.
pub(super) struct RowTile {
    pub sequence: SequenceId,
    pub rows: Vec<usize>,
}

/// Where a batch's rows go, and what they see.
#[derive(Default)]
pub(crate) struct Placement {
    /// For each row the slot of its key and value.
    pub slots: Vec<u32>,
    /// For each row how many positions it sees through its page table.
    pub(super) cached: Vec<usize>,
    /// For each row the slots of its chain.
    pub(super) chains: Vec<Vec<u32>>,
    /// Pages to give back after the pass.
    pub scratch: Vec<u32>,
    /// The states of its rows, if the model has states.
    pub states: StatePlacement,
    /// How the sequences grew.
    extensions: Vec<Extension>,
    pub(super) tiles: Vec<RowTile>,
    /// Splits have a multiple of so many positions.
    pub(super) split_step: usize,
    /// What there is to compute.
    pub shape: PassShape,
}

/// How a batch's rows relate to their sequences: which extend them, and which only branch off.
pub(crate) struct BatchShape {
    /// For each row whether it extends its sequence.
    kept: Vec<bool>,
    /// For each sequence how many rows extend it.
    growth: Vec<(SequenceId, usize)>,
    /// Rows that branch off.
    branching: usize,
}

impl BatchShape {
    /// Checks tokens, positions and parents, and finds the rows that extend their sequences.
    pub(crate) fn of(
        batch: &Batch,
        pages: &Pages,
        vocabulary: usize,
        context: usize,
    ) -> Result<Self, ModelError> {
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
    pub(crate) fn new(
        batch: &Batch,
        batch_shape: &BatchShape,
        pages: &mut Pages,
        splits: SplitRule,
    ) -> Result<Self, PagesMissing> {
        let mut placement = Self::default();
        if let Err(missing) = placement.reserve(batch_shape, pages) {
            placement.roll_back_pages(pages);
            return Err(missing);
        }
        placement.assign(batch, batch_shape, pages);
        placement.divide(batch, splits);
        Ok(placement)
    }

    /// The copies to make before the pass.
    pub(crate) fn copies(&self) -> impl Iterator<Item = PageCopy> {
        self.extensions.iter().filter_map(|extension| extension.copy)
    }

    /// Gives rows and sequences their states. When slots are missing, nothing has changed.
    pub(crate) fn place_states(
        &mut self,
        batch: &Batch,
        batch_shape: &BatchShape,
        states: &mut States,
    ) -> Result<(), SlotsMissing> {
        self.states = StatePlacement::new(batch, &batch_shape.kept, states, FEW_ROWS)?;
        self.shape.walks = self.states.walks();
        Ok(())
    }

    /// Makes every sequence what it was before, and gives back all pages and states: the pass has failed.
    pub(crate) fn roll_back(mut self, cache: &mut Cache) {
        std::mem::take(&mut self.states).roll_back(&mut cache.states.table);
        self.roll_back_pages(&mut cache.pages);
    }

    fn roll_back_pages(self, pages: &mut Pages) {
        pages.give_back(&self.scratch);
        self.extensions.into_iter().rev().for_each(|extension| pages.roll_back(extension));
    }

    fn reserve(&mut self, batch_shape: &BatchShape, pages: &mut Pages) -> Result<(), PagesMissing> {
        for &(sequence, count) in &batch_shape.growth {
            self.extensions.push(pages.extend(sequence, count)?);
        }
        self.scratch = pages.take(batch_shape.branching.div_ceil(PAGE_POSITIONS))?;
        Ok(())
    }

    /// Divides the shape of attention: long rows into spans, many rows into tiles.
    fn divide(&mut self, batch: &Batch, splits: SplitRule) {
        for (index, row) in batch.rows.iter().enumerate() {
            let has_room = |tile: &&mut RowTile| tile.sequence == row.sequence && tile.rows.len() < TILE_ROWS;
            match self.tiles.iter_mut().rev().find(has_room) {
                Some(tile) => tile.rows.push(index),
                None => self.tiles.push(RowTile { sequence: row.sequence, rows: vec![index] }),
            }
        }
        let rows = batch.rows.len();
        let longest = (0..rows).map(|row| self.cached[row] + self.chains[row].len()).max().unwrap_or(1);
        self.split_step = splits.step;
        self.shape = PassShape {
            rows,
            independent_rows: batch.rows.iter().all(|row| row.parent.is_none()),
            splits: splits.of(rows, longest),
            tiles: self.tiles.len(),
            walks: 0,
        };
    }

    fn assign(&mut self, batch: &Batch, batch_shape: &BatchShape, pages: &Pages) {
        let page_slots = |page: &u32| {
            let first = page * PAGE_POSITIONS as u32;
            first..first + PAGE_POSITIONS as u32
        };
        let mut branch_slots = self.scratch.iter().flat_map(page_slots);
        for (row, &kept) in batch.rows.iter().zip(&batch_shape.kept) {
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
