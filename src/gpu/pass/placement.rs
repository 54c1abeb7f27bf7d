//! The one buffer that changes from pass to pass: rows, page tables, chains and rotary angles.
//!
//! `shaders/lib/pass.wgsl` reads it; both sides are held together by a test of every kernel against its twin.

use std::collections::HashMap;

use crate::gpu::cache::{Extension, PAGE_POSITIONS, PageCopy, Pages, PagesMissing};
use crate::model::batch::RowOutput;
use crate::model::rotary::RotaryTable;
use crate::model::selection::Choosing;
use crate::model::{Batch, ModelError, SequenceId};

const HEADER_WORDS: usize = 16;
const RECORD_WORDS: usize = 8;
/// Header word of the first rotary table's angles.
const FIRST_ANGLES: usize = 8;

/// Most rotary tables that a plan may use.
pub(crate) const MOST_TABLES: usize = HEADER_WORDS - FIRST_ANGLES;

/// Where the first row's token lies, in bytes.
pub(crate) const FIRST_TOKEN: u64 = 4 * HEADER_WORDS as u64;

/// Most partial results of attention, splits of all rows together.
pub(crate) const MOST_PARTIALS: usize = 64;
/// Splits have a multiple of so many positions.
const SPAN_STEP: usize = 64;
/// Most rows of a tile.
pub(crate) const TILE_ROWS: usize = 32;

/// What a pass has to compute, as far as dispatches depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    pub rows: usize,
    /// Whether no row sees another one of the pass.
    pub alone: bool,
    /// Into how many spans attention divides the positions of the longest row.
    pub splits: usize,
    /// Tiles of rows that attention takes.
    pub tiles: usize,
}

impl Work {
    /// A chain of rows that see few positions.
    pub fn chain(rows: usize) -> Self {
        Self { rows, alone: rows <= 1, splits: 1, tiles: rows.div_ceil(TILE_ROWS) }
    }

    /// Rows that attend to nothing.
    pub fn of_rows(rows: usize) -> Self {
        Self { rows, alone: true, splits: 1, tiles: 0 }
    }
}

/// Rows of one sequence that attention takes together.
struct RowTile {
    sequence: SequenceId,
    rows: Vec<usize>,
}

/// Where a batch's rows go, and what they see.
#[derive(Default)]
pub(crate) struct Placement {
    /// For each row the slot of its key and value.
    pub slots: Vec<u32>,
    /// For each row how many positions it sees through its page table.
    cached: Vec<usize>,
    /// For each row the slots of its chain.
    chains: Vec<Vec<u32>>,
    /// Pages to give back after the pass.
    pub scratch: Vec<u32>,
    /// How the sequences grew.
    extensions: Vec<Extension>,
    tiles: Vec<RowTile>,
    /// Positions of one split.
    span: usize,
    /// What there is to compute.
    pub work: Work,
}

/// How a batch's rows relate to their sequences: which extend them, and which only branch off.
pub(crate) struct Shape {
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
    /// Rows of at least `least_split` positions are split.
    pub fn new(
        batch: &Batch,
        shape: &Shape,
        pages: &mut Pages,
        least_split: usize,
    ) -> Result<Self, PagesMissing> {
        let mut placement = Self::default();
        if let Err(missing) = placement.take(shape, pages) {
            placement.undo(pages);
            return Err(missing);
        }
        placement.fill(batch, shape, pages);
        placement.divide(batch, least_split);
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

    /// Divides the work of attention: long rows into spans, many rows into tiles.
    fn divide(&mut self, batch: &Batch, least_split: usize) {
        for (index, row) in batch.rows.iter().enumerate() {
            let has_room = |tile: &&mut RowTile| tile.sequence == row.sequence && tile.rows.len() < TILE_ROWS;
            match self.tiles.iter_mut().rev().find(has_room) {
                Some(tile) => tile.rows.push(index),
                None => self.tiles.push(RowTile { sequence: row.sequence, rows: vec![index] }),
            }
        }
        let rows = batch.rows.len();
        let longest = (0..rows).map(|row| self.cached[row] + self.chains[row].len()).max().unwrap_or(1);
        let most = (MOST_PARTIALS / rows.max(1)).max(1);
        let wanted = if longest < least_split { 1 } else { (2 * longest / least_split).min(most) };
        self.span = longest.div_ceil(wanted).next_multiple_of(SPAN_STEP);
        self.work = Work {
            rows,
            alone: batch.rows.iter().all(|row| row.parent.is_none()),
            splits: longest.div_ceil(self.span),
            tiles: self.tiles.len(),
        };
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
pub(crate) fn words(
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
    words[5] = placement.span as u32;
    words[6] = placement.work.splits as u32;
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
    push_tiles(&mut words, placement, &page_tables);
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

/// Lists the tiles of rows: page table, longest row, rows, and the slots of their chains.
fn push_tiles(words: &mut Vec<u32>, placement: &Placement, page_tables: &HashMap<SequenceId, usize>) {
    let records = words.len();
    words[7] = records as u32;
    words.resize(records + placement.tiles.len() * RECORD_WORDS, 0);
    for (index, tile) in placement.tiles.iter().enumerate() {
        let rows_at = words.len();
        words.extend(tile.rows.iter().map(|&row| row as u32));
        let slots_at = words.len();
        let mut slots: Vec<u32> = tile.rows.iter().flat_map(|&row| &placement.chains[row]).copied().collect();
        slots.sort_unstable();
        slots.dedup();
        words.extend(&slots);
        let longest = tile.rows.iter().map(|&row| placement.cached[row]).max().unwrap_or_default();
        let record = [page_tables[&tile.sequence], longest, rows_at, tile.rows.len(), slots_at, slots.len()];
        for (offset, value) in record.into_iter().enumerate() {
            words[records + index * RECORD_WORDS + offset] = value as u32;
        }
    }
}
