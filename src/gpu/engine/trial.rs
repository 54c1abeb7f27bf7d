//! The trial: a loaded model's own matrices, read by each of the kernels that may be the fastest, for each kind of linear
//! map by itself.
//!
//! Some tenths of a second at load, and only where an adapter has more than one candidate; what came out is remembered
//! by [`super::tuning_cache`].

use std::collections::BTreeMap;

use wgpu::ComputePass;

use super::core::Engine;
use super::tuning_cache::{Trial, TuningCache, TuningKey};
use crate::gpu::device::Stopwatch;
use crate::gpu::kernels::{LinearKernel, LinearKind, RowCount, TunedKernels};
use crate::gpu::pass::PassShape;
use crate::gpu::program::Step;
use crate::gpu::yardsticks::wake;
use crate::model::batch::RowOutput;
use crate::model::plan::RowSet;
use crate::model::{Batch, LanguageModel, ModelError};

/// Most kinds of linear maps that are tried, those with most bytes: others get the kernel of the kind that is most like them.
const MOST_KINDS: usize = 6;
/// The part of all linear maps' bytes below which a kind is not worth a trial.
const LEAST_SHARE: f64 = 0.02;
/// Bytes of weights that a run of few rows reads at most: far more than caches hold, and a millisecond or less on a
/// GPU. A kind's matrices take turns, layer by layer.
const MOST_BYTES: u64 = 256 << 20;
/// Those that a run of more rows reads at most: some milliseconds of arithmetic on a GPU.
const MOST_BYTES_OF_MANY: u64 = 16 << 20;
/// Rounds in which every candidate runs once, and seconds after which there is no further one; the fastest run of each counts.
const ROUNDS: usize = 5;
const ENOUGH_SECONDS: f64 = 0.2;

/// A kind of linear map, and what is tried for it.
pub(super) struct TriedKind {
    pub(super) kind: LinearKind,
    key: TuningKey,
    /// The plan's ops of this kind.
    pub(super) ops: Vec<usize>,
    /// Bytes of all their weights.
    bytes: u64,
    pub(super) kernels: Vec<LinearKernel>,
}

impl Engine {
    /// Gives each kind of linear map the fastest of these kernels that suits it in passes of so many rows, as remembered or
    /// by a trial. Without timestamps it stays with what it has.
    pub fn choose(
        &mut self,
        rows: usize,
        kernels: &[LinearKernel],
        trials: &mut TuningCache,
    ) -> Result<(), ModelError> {
        let row_count = RowCount::of(rows);
        let possible = rows.min(self.rows.batch).min(self.context());
        if kernels.len() < 2 || RowCount::of(possible) != row_count {
            return Ok(());
        }
        // What a short context gives is not for others.
        let note = if possible < rows { format!(", {possible} rows") } else { String::new() };
        let kinds = self.tried_kinds(row_count, kernels, &note);
        let unknown: Vec<_> = kinds.iter().filter(|tried| tried.known(trials).is_none()).collect();
        if !unknown.is_empty() {
            let Some(seconds) = self.seconds(possible, &unknown)? else { return Ok(()) };
            let made = unknown.iter().zip(seconds).map(|(tried, seconds)| tried.trial(&seconds));
            trials.keep(made.collect());
        }
        let mut tuned = self.program.tuned.clone();
        tuned.forget(row_count);
        for tried in &kinds {
            let fastest = tried.known(trials).and_then(|index| tried.kernels.get(index));
            tuned.extend(fastest.map_or_else(TunedKernels::default, |&kernel| {
                TunedKernels::of(tried.kind, row_count, kernel)
            }));
        }
        self.set_tuned(tuned)
    }

    /// The kinds of linear maps that are worth a trial, most bytes first; what is remembered of them has this note.
    fn tried_kinds(&self, row_count: RowCount, kernels: &[LinearKernel], note: &str) -> Vec<TriedKind> {
        let mut kinds: Vec<(LinearKind, Vec<usize>, u64)> = Vec::new();
        for (op, kind) in self.program.linear_kinds(&self.resources) {
            // Of a prompt's rows hardly any want logits; and what crosses the bus waits for it.
            let is_head = self.program.steps[op].rows == RowSet::Outputs;
            let is_apart = self.resources.host.streamed.is_apart(&self.plan().ops[op]);
            if !is_apart || is_head && row_count == RowCount::Many {
                continue;
            }
            let bytes = self.weight_bytes(op);
            match kinds.iter_mut().find(|(known, ..)| *known == kind) {
                Some((_, ops, sum)) => {
                    ops.push(op);
                    *sum += bytes;
                }
                None => kinds.push((kind, vec![op], bytes)),
            }
        }
        let tried = kinds.into_iter().map(|(kind, ops, bytes)| {
            let work = format!("{}: {}{note}", row_count.describe(), kind.name());
            let key = TuningKey::of(&self.device.info, work);
            let kernels = self.program.distinct_kernels(&self.resources, ops[0], row_count, kernels);
            TriedKind { kind, key, ops, bytes, kernels }
        });
        most_of(tried.collect())
    }

    /// Seconds that each kind's linear maps take on the GPU with each of its kernels; `None` without timestamps.
    fn seconds(&mut self, rows: usize, kinds: &[&TriedKind]) -> Result<Option<Vec<Vec<f64>>>, ModelError> {
        let device = self.device.clone();
        let Some(stopwatch) = Stopwatch::new(&device)? else { return Ok(None) };
        let row_count = RowCount::of(rows);
        let sequence = self.new_sequence();
        let begun = self.begin(&match row_count {
            RowCount::One | RowCount::Few | RowCount::Several => {
                Batch::chain_of_outputs(sequence, 0, &vec![0; rows], RowOutput::Logits)
            }
            RowCount::Many => Batch::chain(sequence, 0, &vec![0; rows], RowOutput::Logits),
        });
        self.release(sequence);
        begun?;
        let mut candidates = Vec::new();
        for tried in kinds {
            let ops = tried.ops_of_a_run(row_count, |op| self.weight_bytes(op));
            let tuned = tried.kernels.iter().map(|&kernel| TunedKernels::of(tried.kind, row_count, kernel));
            candidates.extend(tuned.map(|tuned| (tuned, ops)));
        }
        let steps = self.program.compile_each(&device, &self.resources, &candidates)?;
        let agreeing = self.agreeing(rows, kinds, &steps)?;
        let shape = PassShape::of_rows(rows);
        let runs: Vec<_> = steps.iter().map(|steps| run(steps, shape)).collect();
        let round = || {
            // A submission for each kind, so that none is long.
            let mut rest = runs.as_slice();
            let of_kind = |tried: &&TriedKind| {
                let (own, others) = rest.split_at(tried.kernels.len());
                rest = others;
                stopwatch.time(own)
            };
            kinds.iter().map(of_kind).collect::<Result<Vec<_>, _>>()
        };
        // The first run of each has paid for the driver's compiler.
        wake(&device)?;
        let mut seconds = least_of_rounds(round)?;
        let wrong = seconds.iter_mut().flatten().zip(agreeing).filter(|(_, agrees)| !agrees);
        wrong.for_each(|(seconds, _)| *seconds = Trial::WRONG);
        Ok(Some(seconds))
    }
}

impl TriedKind {
    /// The index of the fastest kernel, if it is the only one or remembered.
    fn known(&self, trials: &TuningCache) -> Option<usize> {
        if self.kernels.len() == 1 { Some(0) } else { trials.known(&self.key, &self.ids()) }
    }

    fn ids(&self) -> Vec<String> {
        self.kernels.iter().map(LinearKernel::id).collect()
    }

    /// What was measured, to be kept.
    fn trial(&self, seconds: &[f64]) -> Trial {
        let seconds: BTreeMap<_, _> = self.ids().into_iter().zip(seconds.iter().copied()).collect();
        log::info!("{}: {seconds:?}", self.key.work);
        Trial { key: self.key.clone(), seconds }
    }

    /// The ops that a run takes: at least one.
    fn ops_of_a_run(&self, row_count: RowCount, bytes: impl Fn(usize) -> u64) -> &[usize] {
        let most = match row_count {
            RowCount::One | RowCount::Few | RowCount::Several => MOST_BYTES,
            RowCount::Many => MOST_BYTES_OF_MANY,
        };
        let count = most / self.ops.first().map_or(1, |&op| bytes(op)).max(1);
        &self.ops[..self.ops.len().min((count as usize).max(1))]
    }
}

/// Steps as a piece of work.
pub(super) fn run(steps: &[Step], shape: PassShape) -> impl Fn(&mut ComputePass<'_>) {
    move |pass| steps.iter().for_each(|step| step.encode(pass, shape))
}

/// Those kinds that are worth a trial, most bytes first.
fn most_of(mut kinds: Vec<TriedKind>) -> Vec<TriedKind> {
    let all = kinds.iter().map(|tried| tried.bytes).sum::<u64>() as f64;
    kinds.sort_by_key(|tried| std::cmp::Reverse(tried.bytes));
    kinds.truncate(MOST_KINDS);
    kinds.retain(|tried| !tried.kernels.is_empty() && tried.bytes as f64 >= LEAST_SHARE * all);
    kinds
}

/// The least time of each candidate of each kind. In a round all take turns, so that whatever the clocks do, they do it to
/// all.
pub(super) fn least_of_rounds(
    mut round: impl FnMut() -> Result<Vec<Vec<f64>>, ModelError>,
) -> Result<Vec<Vec<f64>>, ModelError> {
    let mut least = round()?;
    let sum = |times: &[Vec<f64>]| times.iter().flatten().sum::<f64>();
    let mut total = sum(&least);
    for _ in 1..ROUNDS {
        if total >= ENOUGH_SECONDS {
            break;
        }
        let times = round()?;
        total += sum(&times);
        let pairs = least.iter_mut().flatten().zip(times.iter().flatten());
        pairs.for_each(|(least, seconds)| *least = least.min(*seconds));
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::device::AdapterInfo;
    use crate::gpu::kernels::{FinishKind, LinearVariant};
    use crate::model::WeightFormat;

    #[test]
    fn the_least_time_of_each_counts_and_slow_devices_run_less() {
        // Clocks that rise while candidates take turns.
        let mut rounds = 0;
        let mut with = |second: f64| {
            rounds = 0;
            let least = least_of_rounds(|| {
                rounds += 1;
                let clock = f64::from(1 << rounds.min(3));
                Ok(vec![vec![6.0 * second / clock, 3.0 * second / clock], vec![1.5 * second / clock]])
            });
            (least.unwrap(), rounds)
        };
        let second = 1.0 / 8192.0;
        assert_eq!(with(second), (vec![vec![0.75 * second, 0.375 * second], vec![0.1875 * second]], 5));
        assert_eq!(with(0.5).1, 1);
        let lost = ModelError::DeviceLost { reason: "gone".to_owned() };
        assert_eq!(least_of_rounds(|| Err(lost.clone())), Err(lost));
    }

    fn kind(rows: usize, bytes: u64, kernels: usize) -> TriedKind {
        let (format, finish) = (WeightFormat::F16, FinishKind::Store);
        let kind = LinearKind { format, rows, columns: 64, is_normed: false, finish };
        let kernel = LinearKernel { variant: LinearVariant::GemmRegisters, lanes: 64 };
        let key = TuningKey::of(&AdapterInfo::default(), kind.name());
        TriedKind { kind, key, ops: vec![0; 8], bytes, kernels: vec![kernel; kernels] }
    }

    #[test]
    fn the_kinds_with_most_bytes_are_tried() {
        let kinds = (1..=8)
            .map(|number| kind(number, number as u64 * 100, 2))
            .chain([kind(9, 5, 2), kind(10, 900, 0)]);
        let rows: Vec<usize> = most_of(kinds.collect()).iter().map(|tried| tried.kind.rows).collect();
        assert_eq!(rows, [8, 7, 6, 5, 4]);
        let rows: Vec<usize> =
            most_of(vec![kind(1, 1, 2), kind(2, 99, 2)]).iter().map(|tried| tried.kind.rows).collect();
        assert_eq!(rows, [2], "too few bytes");
    }

    #[test]
    fn a_run_takes_matrices_of_more_bytes_than_caches_hold() {
        let tried = kind(1, 0, 2);
        let ops = |row_count, bytes| tried.ops_of_a_run(row_count, |_| bytes).len();
        assert_eq!(ops(RowCount::One, 64 << 20), 4);
        assert_eq!(ops(RowCount::One, 1 << 30), 1, "at least one");
        assert_eq!(ops(RowCount::Few, 1 << 20), 8, "no more than there are");
        assert_eq!(ops(RowCount::Many, 8 << 20), 2);
        assert_eq!(ops(RowCount::Many, 0), 8);
    }
}
