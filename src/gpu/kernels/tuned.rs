//! What trials found: the kernel for each kind of linear map.

use super::attention_choice::{AttentionChoice, PrefillAttention};
use super::choice::KernelChoice;
use super::linear_kernel::LinearKernel;
use super::overrides::FinishKind;
use super::row_count::RowCount;
use crate::model::WeightFormat;

/// Most kinds that are named where they differ from others.
const MOST_NAMED: usize = 2;

/// What linear maps have in common for which the same kernel is the fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinearKind {
    pub format: WeightFormat,
    /// Rows and columns of the weight.
    pub rows: usize,
    pub columns: usize,
    /// Whether the input is normalised on the way.
    pub is_normed: bool,
    pub finish: FinishKind,
}

impl LinearKind {
    /// Its name, which stays the same from version to version: such as `f16 28672 × 4096, normed, gate`.
    pub(crate) fn name(&self) -> String {
        let Self { format, rows, columns, is_normed, finish } = self;
        let normed = if *is_normed { ", normed" } else { "" };
        let finish = match finish {
            FinishKind::Store => "",
            FinishKind::Add => ", added",
            FinishKind::Activate => ", activated",
            FinishKind::Gate => ", gate",
        };
        format!("{} {rows} × {columns}{normed}{finish}", format.name())
    }

    /// How unlike another one it is: formats count most, then columns, then the rest.
    fn distance(&self, other: &Self) -> f64 {
        let differ = |differ: bool| f64::from(u8::from(differ));
        let ratio = |one: usize, other: usize| (one as f64 / other as f64).log2().abs();
        64.0 * differ(self.format != other.format)
            + 2.0 * ratio(self.columns, other.columns)
            + ratio(self.rows, other.rows)
            + differ((self.is_normed, self.finish) != (other.is_normed, other.finish))
    }
}

/// The kernel that a trial found.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    kind: LinearKind,
    row_count: RowCount,
    kernel: LinearKernel,
}

/// The kernels that trials found: for linear maps by their kinds, and for the attention of prompts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TunedKernels {
    linear: Vec<Found>,
    attention: Option<PrefillAttention>,
}

impl TunedKernels {
    /// One kernel for one kind.
    pub(crate) fn of(kind: LinearKind, row_count: RowCount, kernel: LinearKernel) -> Self {
        Self { linear: vec![Found { kind, row_count, kernel }], attention: None }
    }

    /// One for the attention of prompts.
    pub(crate) fn of_attention(kernel: PrefillAttention) -> Self {
        Self { linear: Vec::new(), attention: Some(kernel) }
    }

    /// Takes what was found for others.
    pub(crate) fn extend(&mut self, others: Self) {
        self.linear.extend(others.linear);
        self.attention = others.attention.or(self.attention);
    }

    /// Forgets what was found for linear maps of so many rows.
    pub(crate) fn forget(&mut self, row_count: RowCount) {
        self.linear.retain(|found| found.row_count != row_count);
    }

    /// The kernel for a kind of linear map: its own, or that of the kind that is most like it.
    pub(crate) fn kernel(&self, kind: &LinearKind, row_count: RowCount) -> Option<LinearKernel> {
        let found = self.linear.iter().filter(|found| found.row_count == row_count.chosen());
        let distance = |found: &&Found| found.kind.distance(kind);
        found.min_by(|one, other| distance(one).total_cmp(&distance(other))).map(|found| found.kernel)
    }

    /// The kernel for the attention of prompts, if one was found.
    pub(crate) fn attention(&self) -> Option<PrefillAttention> {
        self.attention
    }

    /// The choice in words, with what was found in place of what it begins with.
    pub(crate) fn describe(&self, choice: &KernelChoice) -> Vec<String> {
        let prefill = self.attention.unwrap_or(choice.attention.prefill);
        let attention = AttentionChoice { prefill, ..choice.attention };
        let mut lines = KernelChoice { attention, ..*choice }.describe();
        for (line, row_count) in lines.iter_mut().zip(RowCount::CHOSEN) {
            let found = self.linear.iter().filter(|found| found.row_count == row_count);
            let found: Vec<_> = found.map(|found| (found.kernel.describe(), found.kind.name())).collect();
            if !found.is_empty() {
                *line = format!("{}: {}", row_count.describe(), summary(&found));
            }
        }
        lines
    }
}

/// Kernels and the kinds that they are for, in few words: the most common kernel first.
pub(crate) fn summary(found: &[(String, String)]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (kernel, kind) in found {
        match groups.iter_mut().find(|(known, _)| known == kernel) {
            Some((_, kinds)) => kinds.push(kind),
            None => groups.push((kernel, vec![kind])),
        }
    }
    groups.sort_by_key(|(_, kinds)| std::cmp::Reverse(kinds.len()));
    let total = found.len();
    let words = |(place, (kernel, kinds)): (usize, &(&str, Vec<&str>))| match kinds.len() {
        all if all == total => (*kernel).to_owned(),
        few if place > 0 && few <= MOST_NAMED => format!("{kernel} for {}", kinds.join(" and ")),
        some => format!("{kernel} for {some} of {total} kinds"),
    };
    groups.iter().enumerate().map(words).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::linear_variant::LinearVariant;
    use super::*;

    fn kind(format: WeightFormat, rows: usize, columns: usize) -> LinearKind {
        LinearKind { format, rows, columns, is_normed: false, finish: FinishKind::Store }
    }

    fn kernel(lanes: u32) -> LinearKernel {
        LinearKernel { variant: LinearVariant::GemvPerWorkgroup { blocks: 1 }, lanes }
    }

    /// A model's output, down and gate, and a head in another format.
    fn tuned() -> TunedKernels {
        let f16 = |rows, columns| kind(WeightFormat::F16, rows, columns);
        let gate = LinearKind { is_normed: true, finish: FinishKind::Gate, ..f16(28672, 4096) };
        let kinds = [
            (f16(4096, 4096), 128),
            (f16(4096, 14336), 256),
            (gate, 64),
            (kind(WeightFormat::Q8_0, 128_256, 4096), 32),
        ];
        let mut tuned = TunedKernels::default();
        for (kind, lanes) in kinds {
            tuned.extend(TunedKernels::of(kind, RowCount::One, kernel(lanes)));
        }
        tuned
    }

    #[test]
    fn each_kind_gets_its_own_kernel_and_others_that_of_the_likest() {
        let tuned = tuned();
        let lanes = |kind: LinearKind| tuned.kernel(&kind, RowCount::One).map(|kernel| kernel.lanes);
        let f16 = |rows, columns| kind(WeightFormat::F16, rows, columns);
        assert_eq!(lanes(f16(4096, 4096)), Some(128));
        assert_eq!(lanes(f16(4096, 14336)), Some(256));
        assert_eq!(lanes(f16(1024, 4096)), Some(128), "as many columns");
        assert_eq!(lanes(f16(2048, 11008)), Some(256), "nearly as many columns");
        let normed = LinearKind { is_normed: true, ..f16(28672, 4096) };
        assert_eq!(lanes(normed), Some(64));
        assert_eq!(lanes(kind(WeightFormat::Q8_0, 1024, 1024)), Some(32), "the format counts most");
        assert_eq!(lanes(kind(WeightFormat::Q4_0, 4096, 14000)), Some(256), "a format without any");
        assert_eq!(tuned.kernel(&f16(4096, 4096), RowCount::Few), None);

        let mut without = tuned.clone();
        without.forget(RowCount::Few);
        assert_eq!(without, tuned);
        without.forget(RowCount::One);
        assert_eq!(without, TunedKernels::default());
    }

    #[test]
    fn what_was_found_is_told_in_a_line_for_each_number_of_rows() {
        assert_eq!(tuned().linear[2].kind.name(), "f16 28672 × 4096, normed, gate");
        let choice = KernelChoice::GPU;
        let plain = choice.describe();
        assert_eq!(TunedKernels::default().describe(&choice), plain);
        let lines = tuned().describe(&choice);
        assert_eq!(lines[1..], plain[1..], "nothing was found for more rows");
        assert!(lines[0].starts_with("linear map, one row: "), "{}", lines[0]);

        let pair = |kernel: &str, kind: &str| (kernel.to_owned(), kind.to_owned());
        assert_eq!(summary(&[pair("a", "1"), pair("a", "2")]), "a");
        assert_eq!(summary(&[pair("b", "1"), pair("a", "2"), pair("a", "3")]), "a for 2 of 3 kinds; b for 1");
        let many: Vec<_> = (0..9).map(|number| pair(if number < 5 { "a" } else { "b" }, "kind")).collect();
        assert_eq!(summary(&many), "a for 5 of 9 kinds; b for 4 of 9 kinds");
    }
}
