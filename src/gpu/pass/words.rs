//! The one buffer that changes from pass to pass: rows, page tables, chains and rotary angles.
//!
//! `shaders/lib/pass.wgsl` reads it; both sides are held together by a test of every kernel against its twin.

use std::collections::HashMap;

use super::layout::*;
use super::placement::Placement;
use super::walks::StatePlacement;
use crate::gpu::cache::Pages;
use crate::model::batch::RowOutput;
use crate::model::rotary::RotaryTable;
use crate::model::selection::SamplingParams;
use crate::model::{Batch, SequenceId};

/// What passes have in common.
#[derive(Clone, Copy)]
pub(crate) struct Fixed<'a> {
    /// The plan's rotary tables.
    pub tables: &'a [RotaryTable],
    /// The pinned tokens.
    pub pinned: &'a [u32],
}

/// The words of a pass.
pub(crate) fn words(
    batch: &Batch,
    placement: &Placement,
    outputs: &[usize],
    pages: &Pages,
    Fixed { tables, pinned }: Fixed<'_>,
) -> Vec<u32> {
    let rows = batch.rows.len();
    let mut words = vec![0u32; HEADER_WORDS + rows * ROW_WORDS];
    words[PASS_ROWS] = rows as u32;
    words[PASS_OUTPUTS] = outputs.len() as u32;
    words[PASS_ROWS_AT] = HEADER_WORDS as u32;
    words[PASS_SPLIT_STEP] = placement.split_step as u32;
    words[PASS_SPLITS] = placement.shape.splits as u32;
    words[PASS_OUTPUTS_AT] = words.len() as u32;
    words.extend(outputs.iter().map(|&row| row as u32));
    words[PASS_SAMPLING_AT] = words.len() as u32;
    outputs.iter().for_each(|&row| words.extend(sampling_words(batch.rows[row].output)));
    (words[PASS_PINNED], words[PASS_PINNED_AT]) = (pinned.len() as u32, words.len() as u32);
    words.extend(pinned);

    let mut page_tables: HashMap<SequenceId, usize> = HashMap::new();
    for (index, row) in batch.rows.iter().enumerate() {
        let pages_at = *page_tables.entry(row.sequence).or_insert_with(|| {
            words.extend(pages.table(row.sequence));
            words.len() - pages.table(row.sequence).len()
        });
        let chain = &placement.chains[index];
        let chain_at = words.len();
        words.extend(chain);
        let mut record = [0; ROW_WORDS];
        record[ROW_TOKEN] = row.token;
        record[ROW_POSITION] = row.position as u32;
        record[ROW_SLOT] = placement.slots[index];
        record[ROW_CACHED] = placement.cached[index] as u32;
        record[ROW_PAGES_AT] = pages_at as u32;
        record[ROW_CHAIN_AT] = chain_at as u32;
        record[ROW_CHAIN_LENGTH] = chain.len() as u32;
        record[ROW_PARENT] = row.parent.map_or(NOTHING as u32, |parent| parent as u32);
        if let (Some(&from), Some(&to)) = (placement.states.from.get(index), placement.states.to.get(index)) {
            (record[ROW_STATE_FROM], record[ROW_STATE_TO]) = (from, to);
        }
        words[HEADER_WORDS + index * ROW_WORDS..][..ROW_WORDS].copy_from_slice(&record);
    }
    push_tiles(&mut words, placement, &page_tables);
    push_walks(&mut words, &placement.states);
    let mut angles = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        words[PASS_ANGLES_AT + index] = words.len() as u32;
        angles.clear();
        for row in &batch.rows {
            table.push_angles(row.position, pages.longest(row.sequence), &mut angles);
        }
        words.extend(angles.iter().map(|angle| angle.to_bits()));
    }
    words
}

/// How a row's token is sampled. A row without a summary shares the pass of those with one.
fn sampling_words(output: RowOutput) -> [u32; SAMPLING_WORDS] {
    let sampling = match output {
        RowOutput::Summary(sampling) => sampling,
        RowOutput::Nothing | RowOutput::Logits => SamplingParams::GREEDY,
    };
    let SamplingParams { temperature, top_k, top_p, min_p, uniform } = sampling;
    let mut record = [0; SAMPLING_WORDS];
    record[SAMPLING_INVERSE_TEMPERATURE] = temperature.recip().to_bits();
    record[SAMPLING_TOP_K] = top_k;
    record[SAMPLING_TOP_P] = top_p.to_bits();
    record[SAMPLING_MIN_P] = min_p.to_bits();
    record[SAMPLING_POINT] = uniform.to_bits();
    record
}

/// Lists the walks through the rows.
fn push_walks(words: &mut Vec<u32>, states: &StatePlacement) {
    let records = words.len();
    words[PASS_WALKS_AT] = records as u32;
    words.resize(records + states.walks.len() * WALK_WORDS, 0);
    for (index, walk) in states.walks.iter().enumerate() {
        let mut record = [0; WALK_WORDS];
        record[WALK_FROM] = walk.rows.first().map_or(0, |&row| states.from[row]);
        record[WALK_ROWS_AT] = words.len() as u32;
        record[WALK_ROW_COUNT] = walk.rows.len() as u32;
        record[WALK_FIRST_OWN] = walk.first_own as u32;
        words.extend(walk.rows.iter().map(|&row| row as u32));
        words[records + index * WALK_WORDS..][..WALK_WORDS].copy_from_slice(&record);
    }
}

/// Lists the tiles of rows: page table, longest row, rows, and the slots of their chains.
fn push_tiles(words: &mut Vec<u32>, placement: &Placement, page_tables: &HashMap<SequenceId, usize>) {
    let records = words.len();
    words[PASS_TILES_AT] = records as u32;
    words.resize(records + placement.tiles.len() * TILE_WORDS, 0);
    for (index, tile) in placement.tiles.iter().enumerate() {
        let rows_at = words.len();
        words.extend(tile.rows.iter().map(|&row| row as u32));
        let slots_at = words.len();
        let mut slots: Vec<u32> = tile.rows.iter().flat_map(|&row| &placement.chains[row]).copied().collect();
        slots.sort_unstable();
        slots.dedup();
        words.extend(&slots);
        let longest = tile.rows.iter().map(|&row| placement.cached[row]).max().unwrap_or_default();
        let mut record = [0; TILE_WORDS];
        record[TILE_PAGES_AT] = page_tables[&tile.sequence] as u32;
        record[TILE_LONGEST] = longest as u32;
        record[TILE_ROWS_AT] = rows_at as u32;
        record[TILE_ROW_COUNT] = tile.rows.len() as u32;
        record[TILE_CHAINS_AT] = slots_at as u32;
        record[TILE_CHAINED] = slots.len() as u32;
        words[records + index * TILE_WORDS..][..TILE_WORDS].copy_from_slice(&record);
    }
}
