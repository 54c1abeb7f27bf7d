//! The trial: a loaded model's own matrices, read once by the kernels of each candidate, to find the fastest.
//!
//! Some milliseconds at load, and only where an adapter has more than one candidate; what came out is remembered
//! by [`super::trials`].

use wgpu::ComputePass;

use super::engine::Engine;
use super::kernels::KernelChoice;
use super::layout::Form;
use super::pass as pass_words;
use super::stopwatch::Stopwatch;
use super::trials::{PROGRAM, Subject, Trials};
use crate::model::batch::RowOutput;
use crate::model::plan::Op;
use crate::model::{Batch, LanguageModel, ModelError};

/// Bytes of weights that a run reads at most: far more than caches hold, and a millisecond or less on a GPU.
const MOST_BYTES: u64 = 256 << 20;
/// Runs of each candidate; the fastest counts. One more before them pays for the driver's compiler.
const RUNS: usize = 4;

/// The ops that are run.
struct Work {
    /// Linear maps of one shape and format, in the plan's order.
    ops: Vec<usize>,
    /// Their format and shape, in words.
    name: String,
}

impl Engine {
    /// Takes the fastest of the candidates for passes of one row, as remembered or by a trial. Without timestamps
    /// it stays with what it has.
    pub fn choose(&mut self, candidates: &[KernelChoice], trials: &mut Trials) -> Result<(), ModelError> {
        if candidates.len() < 2 {
            return Ok(());
        }
        let Some(work) = Work::of(self) else { return Ok(()) };
        let device = self.device.clone();
        let Some(stopwatch) = Stopwatch::new(&device)? else { return Ok(()) };
        let subject = Subject {
            adapter: device.info.full_name(),
            driver: device.info.driver.clone(),
            program: PROGRAM.to_owned(),
            work: work.name.clone(),
        };
        let names: Vec<String> = candidates.iter().map(|choice| choice.describe().join("; ")).collect();
        let fastest = trials.fastest(subject, &names, |index| {
            let seconds = self.seconds(&stopwatch, candidates[index], &work.ops)?;
            log::info!("{}: {} in {seconds:.6} s", work.name, names[index]);
            Ok(seconds)
        })?;
        self.set_choice(candidates[fastest])
    }

    /// Seconds that the ops take on the GPU with these kernels, for one row.
    fn seconds(
        &mut self,
        stopwatch: &Stopwatch<'_>,
        choice: KernelChoice,
        ops: &[usize],
    ) -> Result<f64, ModelError> {
        let sequence = self.new_sequence();
        let begun = self.begin(&Batch::chain(sequence, 0, &[0], RowOutput::Logits));
        self.release(sequence);
        begun?;
        let steps = self.compiled(choice, ops)?;
        let all = |pass: &mut ComputePass<'_>| {
            steps.iter().for_each(|step| step.encode(pass, pass_words::Work::of_rows(1)))
        };
        let seconds = stopwatch.time(&[all; 1 + RUNS])?;
        Ok(seconds[1..].iter().copied().fold(f64::INFINITY, f64::min))
    }
}

impl Work {
    /// The linear maps of the shape that has most of the model's bytes; `None` for a plan without any.
    fn of(engine: &Engine) -> Option<Self> {
        let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
        for (index, op) in engine.plan().ops.iter().enumerate() {
            let Op::Linear { weight, .. } = op else { continue };
            let Form::Matrix(format) = engine.tensors[weight.0].form else { continue };
            let spec = engine.plan().tensor(*weight);
            let name = format!("{} {} × {}", format.name(), spec.rows, spec.columns);
            match shapes.iter_mut().find(|(known, _)| *known == name) {
                Some((_, ops)) => ops.push(index),
                None => shapes.push((name, vec![index])),
            }
        }
        let bytes = |ops: &[usize]| ops.iter().map(|&op| engine.weight_bytes(op)).sum::<u64>();
        let (name, mut ops) = shapes.into_iter().max_by_key(|(_, ops)| bytes(ops))?;
        let each = engine.weight_bytes(ops[0]).max(1);
        ops.truncate((MOST_BYTES / each).max(1) as usize);
        Some(Self { ops, name })
    }
}
