//! The one buffer that changes from pass to pass: rows, page tables, chains and rotary angles.
//!
//! `shaders/lib/pass.wgsl` reads it; both sides are held together by a test of every kernel against its twin.

use std::collections::HashMap;

use super::placement::Placement;
use crate::gpu::cache::Pages;
use crate::model::batch::RowOutput;
use crate::model::rotary::RotaryTable;
use crate::model::selection::Choosing;
use crate::model::{Batch, SequenceId};

const HEADER_WORDS: usize = 16;
const RECORD_WORDS: usize = 8;
/// Header word of the first rotary table's angles.
const FIRST_ANGLES: usize = 8;

/// Most rotary tables that a plan may use.
pub(crate) const MOST_TABLES: usize = HEADER_WORDS - FIRST_ANGLES;

/// Where the first row's token lies, in bytes.
pub(crate) const FIRST_TOKEN: u64 = 4 * HEADER_WORDS as u64;

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
