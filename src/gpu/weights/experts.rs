//! The experts' matrices of a plan: which router's choice reads them, and where the bytes of each expert lie.

use std::collections::BTreeSet;
use std::ops::Range;

use super::layout::{GpuLayout, row_bytes};
use crate::model::plan::{BufferId, Op, Plan};

/// Of the experts' bytes, the largest share that a pass may be expected to take if it is to wait for its routers: beyond it,
/// bringing all of them ahead costs hardly more, and waits for nobody.
const LARGEST_SHARE: f64 = 0.75;
/// The most rows that are tried for that.
const MOST_ROWS: usize = 256;

/// A router's choice, which tells the experts of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// T × 2K, as [`Op::Route`] makes it.
    pub routes: BufferId,
    /// E: how many experts there are.
    pub experts: usize,
    /// K: how many a row takes.
    pub active: usize,
}

/// Where experts lie in a buffer of their matrices, which stand one below the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExpertRows {
    /// Rows of one expert's matrix.
    pub of_one: usize,
    /// The rows of all experts that the buffer has.
    pub rows: Range<usize>,
    /// Bytes before the first of them, which every expert needs.
    pub table_bytes: u64,
    /// Bytes of a row.
    pub row_bytes: u64,
}

impl Choice {
    /// Bytes of what is chosen for so many rows.
    pub(crate) fn routes_bytes(&self, rows: usize) -> u64 {
        rows as u64 * row_bytes(2 * self.active)
    }

    /// The experts of all rows, of such bytes.
    pub(crate) fn experts_of(&self, routes: &[u8]) -> BTreeSet<usize> {
        let rows = routes.chunks_exact(row_bytes(2 * self.active) as usize);
        let indices = rows.flat_map(|row| row.as_chunks::<4>().0.iter().take(self.active));
        // Kernels take an index from a number as this does; there is none beyond the last expert.
        indices.map(|&index| (f32::from_le_bytes(index) as usize).min(self.experts - 1)).collect()
    }

    /// Bytes of the experts that a row takes, if all of them have so many.
    pub(crate) fn bytes_of_a_row(&self, all: u64) -> u64 {
        (u128::from(all) * self.active.min(self.experts) as u128).div_ceil(self.experts.max(1) as u128) as u64
    }

    /// The share of the experts that so many rows are expected to take, if each expert is as likely as another.
    fn expected_share(&self, rows: usize) -> f64 {
        1.0 - (1.0 - self.active as f64 / self.experts.max(1) as f64).powi(rows as i32)
    }

    /// The choice that all of a layer's experts go by; `None` where there are none, or several choices.
    pub(crate) fn of_layer(choices: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut choices = choices.into_iter();
        let first = choices.next()?;
        choices.all(|choice| choice == first).then_some(first)
    }
}

/// For each tensor of a plan the choice by which its rows are read; `None` where all of it is read.
pub(crate) fn expert_choices(plan: &Plan) -> Vec<Option<Choice>> {
    let mut choices = vec![None; plan.tensors.len()];
    for op in &plan.ops {
        if let Op::ExpertLinear { weight, experts, routes, .. } = *op {
            let active = plan.buffer(routes).columns / 2;
            choices[weight.0] = Some(Choice { routes, experts, active });
        }
    }
    choices
}

/// The most rows of a pass that brings experts as they are chosen, where some layers have experts of so many bytes; 0 where
/// no pass does.
pub(crate) fn most_rows(layers: &[(Choice, u64)]) -> usize {
    let all: u64 = layers.iter().map(|(_, bytes)| bytes).sum();
    let is_worth_it = |rows: &usize| {
        let taken: f64 =
            layers.iter().map(|(choice, bytes)| choice.expected_share(*rows) * *bytes as f64).sum();
        taken <= LARGEST_SHARE * all as f64
    };
    if all == 0 { 0 } else { (1..=MOST_ROWS).take_while(is_worth_it).count() }
}

impl ExpertRows {
    /// Of a shard's rows, and of their scales; an expert's matrix has `of_one` rows.
    pub(super) fn of_shard(
        (layout, columns): (GpuLayout, usize),
        rows: &Range<usize>,
        of_one: usize,
    ) -> [Self; 2] {
        let of = |table_bytes, row_bytes| Self { of_one, rows: rows.clone(), table_bytes, row_bytes };
        [of(0, layout.row_bytes(columns)), of(layout.table_bytes(), layout.row_scale_bytes(columns))]
    }

    /// The bytes of an expert, and those beside them that belong to the same word: copies are of whole words. `None` where
    /// it lies in another buffer.
    pub(super) fn bytes(&self, expert: usize) -> Option<Range<u64>> {
        let first = (expert * self.of_one).max(self.rows.start);
        let end = ((expert + 1) * self.of_one).min(self.rows.end);
        let at = |row: usize| self.table_bytes + (row - self.rows.start) as u64 * self.row_bytes;
        (first < end).then(|| at(first) / 4 * 4..at(end).next_multiple_of(4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(active: usize, experts: usize) -> Choice {
        Choice { routes: BufferId(0), experts, active }
    }

    #[test]
    fn an_expert_has_its_own_rows_and_whole_words() {
        let rows = ExpertRows { of_one: 8, rows: 16..44, table_bytes: 0, row_bytes: 32 };
        assert_eq!(rows.bytes(1), None, "it lies in the shard before");
        assert_eq!(rows.bytes(2), Some(0..256));
        assert_eq!(rows.bytes(4), Some(512..768));
        assert_eq!(rows.bytes(5), Some(768..896), "its other rows lie in the next shard");
        assert_eq!(rows.bytes(6), None);
        // Scales of two bytes a row, three rows to an expert.
        let scales = ExpertRows { of_one: 3, rows: 0..12, table_bytes: 64, row_bytes: 2 };
        assert_eq!(scales.bytes(0), Some(64..72));
        assert_eq!(scales.bytes(1), Some(68..76));
    }

    #[test]
    fn the_experts_of_all_rows_are_read_each_once() {
        let choice = choice(2, 8);
        // Rows are padded: indices, shares, and what nobody reads.
        let row = |indices: [f32; 2]| {
            let mut row = vec![7.0; row_bytes(4) as usize / 4];
            row[..4].copy_from_slice(&[indices[0], indices[1], 0.75, 0.25]);
            row
        };
        let routes = [row([5.0, 1.0]), row([0.0, 5.0]), row([7.0, 9.0])].concat();
        assert_eq!(choice.routes_bytes(3), 4 * routes.len() as u64);
        let experts: Vec<usize> = choice.experts_of(bytemuck::cast_slice(&routes)).into_iter().collect();
        assert_eq!(experts, [0, 1, 5, 7]);
    }

    #[test]
    fn passes_of_few_rows_wait_for_routers() {
        // One row of 8 experts takes 2; 4 rows are expected to take 5.5 of them, 5 rows 6.1.
        assert_eq!(most_rows(&[(choice(2, 8), 100)]), 4);
        assert_eq!(most_rows(&[(choice(8, 128), 1)]), 21);
        assert_eq!(most_rows(&[(choice(4, 5), 100)]), 0, "nearly all cross for one row");
        assert_eq!(most_rows(&[]), 0);
        // What has more bytes counts for more.
        assert_eq!(most_rows(&[(choice(2, 8), 1), (choice(8, 128), 1)]), 11);
        assert_eq!(most_rows(&[(choice(1, 4096), 1)]), MOST_ROWS);
    }

    #[test]
    fn a_layers_experts_go_by_one_choice() {
        assert_eq!(Choice::of_layer([]), None);
        assert_eq!(Choice::of_layer([choice(1, 4), choice(1, 4)]), Some(choice(1, 4)));
        assert_eq!(Choice::of_layer([choice(1, 4), choice(2, 4)]), None);
    }
}
