//! The trial of the attention of prompts, where an adapter has more than one kernel for it: a loaded model's own layers, one of
//! each shape, over made-up queries, keys and values.

use super::agreement::{TOLERANCE, agree, made_up};
use super::core::Engine;
use super::trial::{least_of_rounds, run};
use super::tuning_cache::{Trial, TuningCache, TuningKey};
use crate::gpu::device::Stopwatch;
use crate::gpu::kernels::{PrefillAttention, RowCount, TunedKernels};
use crate::gpu::pass::PassShape;
use crate::gpu::program::Step;
use crate::gpu::yardsticks::wake;
use crate::model::batch::RowOutput;
use crate::model::plan::{AttentionOp, BufferId, Op};
use crate::model::{Batch, LanguageModel, ModelError};

/// What the names of these trials begin with in what is remembered.
pub(super) const ATTENTION_WORK: &str = "attention of a prompt";

/// Layers whose attention is the same.
struct TriedShape {
    /// One of them, by its op's index.
    op: usize,
    /// How many there are.
    layers: usize,
}

impl Engine {
    /// Gives the attention of prompts the fastest of these kernels in passes of so many rows, as remembered or by a trial.
    /// Without timestamps it stays with what it has.
    pub fn choose_attention(
        &mut self,
        rows: usize,
        kernels: &[PrefillAttention],
        trials: &mut TuningCache,
    ) -> Result<(), ModelError> {
        let possible = rows.min(self.rows.batch).min(self.context());
        let shapes = self.tried_shapes(kernels);
        if shapes.is_empty() || RowCount::of(possible) != RowCount::Many {
            return Ok(());
        }
        let key = TuningKey::of(&self.device.info, self.work(&shapes, possible));
        let ids: Vec<String> = kernels.iter().map(|kernel| kernel.id()).collect();
        if trials.known(&key, &ids).is_none() {
            let Some(seconds) = self.attention_seconds(possible, &shapes, kernels)? else { return Ok(()) };
            let seconds = ids.iter().cloned().zip(seconds).collect();
            log::info!("{}: {seconds:?}", key.work);
            trials.keep(vec![Trial { key: key.clone(), seconds }]);
        }
        let mut tuned = self.program.tuned.clone();
        let fastest = trials.known(&key, &ids).map(|index| TunedKernels::of_attention(kernels[index]));
        tuned.extend(fastest.unwrap_or_default());
        self.set_tuned(tuned)
    }

    /// The shapes of attention for which these kernels come down to different dispatches.
    fn tried_shapes(&self, kernels: &[PrefillAttention]) -> Vec<TriedShape> {
        let differing = self.program.attention_shapes(&self.resources, kernels);
        differing.into_iter().map(|ops| TriedShape { op: ops[0], layers: ops.len() }).collect()
    }

    /// What is tried, in words: its name in what is remembered.
    fn work(&self, shapes: &[TriedShape], rows: usize) -> String {
        let words = |tried: &TriedShape| {
            let AttentionOp { heads, key_value_heads, head_width, scores, .. } = self.attention_op(tried);
            let window = scores.window.map_or_else(String::new, |window| format!(" of {window} positions"));
            format!("{} × {heads} / {key_value_heads} heads of {head_width}{window}", tried.layers)
        };
        let words: Vec<String> = shapes.iter().map(words).collect();
        format!("{ATTENTION_WORK}, {rows} rows: {}", words.join(", "))
    }

    fn attention_op(&self, tried: &TriedShape) -> AttentionOp {
        match self.plan().ops[tried.op] {
            Op::Attention(op) => op,
            _ => unreachable!("shapes are of attention"),
        }
    }

    /// Seconds that all layers take with each kernel; `None` without timestamps.
    fn attention_seconds(
        &mut self,
        rows: usize,
        shapes: &[TriedShape],
        kernels: &[PrefillAttention],
    ) -> Result<Option<Vec<f64>>, ModelError> {
        let device = self.device.clone();
        let Some(stopwatch) = Stopwatch::new(&device)? else { return Ok(None) };
        let sequence = self.new_sequence();
        let begun = self.begin(&Batch::chain(sequence, 0, &vec![0; rows], RowOutput::Nothing));
        self.release(sequence);
        begun?;
        let ops: Vec<usize> = shapes.iter().map(|tried| tried.op).collect();
        let tuned = kernels.iter().map(|&kernel| (TunedKernels::of_attention(kernel), ops.as_slice()));
        let steps = self.program.compile_each(&device, &self.resources, &tuned.collect::<Vec<_>>())?;
        let agreeing = self.agreeing_attention(rows, shapes, kernels, &steps)?;
        let shape = PassShape::chain(rows);
        let runs: Vec<_> = steps
            .iter()
            .map(|steps| steps.iter().map(|step| run(std::slice::from_ref(step), shape)).collect::<Vec<_>>())
            .collect();
        // The first run of each has paid for the driver's compiler.
        wake(&device)?;
        let least = least_of_rounds(|| runs.iter().map(|of_kernel| stopwatch.time(of_kernel)).collect())?;
        let of_layers = |seconds: &Vec<f64>| {
            seconds.iter().zip(shapes).map(|(seconds, tried)| seconds * tried.layers as f64).sum()
        };
        let seconds = least.iter().zip(agreeing);
        Ok(Some(seconds.map(|(all, agrees)| if agrees { of_layers(all) } else { Trial::WRONG }).collect()))
    }

    /// For each kernel, whether it computes what the first one does, for every shape. A pass of so many rows has been begun.
    fn agreeing_attention(
        &self,
        rows: usize,
        shapes: &[TriedShape],
        kernels: &[PrefillAttention],
        steps: &[Vec<Step>],
    ) -> Result<Vec<bool>, ModelError> {
        let mut agreeing = vec![true; kernels.len()];
        for (place, tried) in shapes.iter().enumerate() {
            let op = self.attention_op(tried);
            let mut first: Option<Vec<f32>> = None;
            for (index, kernel) in kernels.iter().enumerate() {
                self.make_up_attention(op, rows)?;
                self.run_alone(|pass| steps[index][place].encode(pass, PassShape::chain(rows)))?;
                let results = self.read_buffer(op.output, rows)?;
                if !first.as_ref().is_none_or(|first| agree(first, &results, TOLERANCE)) {
                    let (others, adapter) = (kernels[0].describe(), self.device.info.full_name());
                    let kernel = kernel.describe();
                    log::warn!(
                        "{ATTENTION_WORK}: {kernel} computes something else than {others} on {adapter}, and is not used"
                    );
                    agreeing[index] = false;
                }
                first.get_or_insert(results);
            }
        }
        Ok(agreeing)
    }

    /// Fills what an attention reads: its input, and the cache where another op writes that.
    fn make_up_attention(&self, op: AttentionOp, rows: usize) -> Result<(), ModelError> {
        let fill = |buffer: BufferId| {
            self.write_buffer(buffer, &made_up(rows * self.plan().buffer(buffer).columns));
        };
        fill(op.query.buffer);
        for (written, step) in self.plan().ops.iter().zip(&self.program.steps) {
            if let Op::CacheWrite { layer, key, value } = *written
                && layer == op.layer
            {
                fill(key);
                value.into_iter().for_each(fill);
                self.run_alone(|pass| step.encode(pass, PassShape::chain(rows)))?;
            }
        }
        Ok(())
    }
}
