//! What a trial is about: some of a model's linear maps, and the candidates for them. Known before a model is loaded, so that
//! its kernels can be made meanwhile.

use crate::gpu::device::Device;
use crate::gpu::error::LoadError;
use crate::gpu::kernels::{KernelChoice, KernelUse, LinearVariant};
use crate::gpu::pass::Rows;
use crate::gpu::program::pass_uses;
use crate::gpu::weights::GpuLayout;
use crate::model::plan::{Op, Plan, RowSet};
use crate::model::{WeightFormat, Weights};

use super::tuning_cache::{PROGRAM, TuningCache, TuningKey};

/// Bytes of weights that a run of one row reads at most: far more than caches hold, and a millisecond or less on a
/// GPU.
const MOST_BYTES: u64 = 256 << 20;
/// Rows of a run of many, and bytes of weights that it reads at most: some milliseconds of arithmetic on a GPU.
const MANY_ROWS: usize = 256;
const MOST_BYTES_OF_MANY: u64 = 16 << 20;

/// A trial: its work, and who takes part.
pub(super) struct Contest {
    pub work: TunedOps,
    pub choices: Vec<KernelChoice>,
    /// A name for each of them.
    pub ids: Vec<String>,
}

/// The ops that are run.
pub(super) struct TunedOps {
    /// Linear maps of one shape and format, in the plan's order.
    pub ops: Vec<usize>,
    format: WeightFormat,
    /// Rows of the batch.
    pub rows: usize,
    /// Format, shape and rows, in words.
    pub name: String,
}

/// A model of which ops are chosen.
pub(super) struct TunedModel<'a> {
    pub plan: &'a Plan,
    /// How its tensors lie on the GPU.
    pub layouts: &'a [GpuLayout],
    /// Whether an op's weights share no buffers with those of another op.
    pub is_apart: &'a dyn Fn(&Op) -> bool,
    /// Most rows of a pass.
    pub most_rows: usize,
}

/// The kernels that a load begins with.
pub(super) struct FirstKernels {
    /// What earlier trials chose, as far as they were made; otherwise the likeliest.
    pub choice: KernelChoice,
    /// What trials that are still to be made run.
    pub tried: Vec<KernelUse>,
}

impl Contest {
    /// The candidates for passes of one row.
    pub(super) fn for_steps(model: &TunedModel<'_>, candidates: &[KernelChoice]) -> Option<Self> {
        let work = TunedOps::of(model, 1, MOST_BYTES)?;
        let ids = candidates.iter().map(KernelChoice::step_id).collect();
        Self { work, choices: candidates.to_vec(), ids }.if_open()
    }

    /// Likewise for the linear maps of many rows, as far as they suit the weights; all else as in `choice`.
    pub(super) fn for_prefill(
        model: &TunedModel<'_>,
        choice: KernelChoice,
        candidates: &[LinearVariant],
    ) -> Option<Self> {
        let work = TunedOps::of(model, MANY_ROWS.min(model.most_rows), MOST_BYTES_OF_MANY)?;
        let suited = candidates.iter().filter(|variant| variant.suits(work.format));
        let (ids, choices) =
            suited.map(|&variant| (variant.id(), KernelChoice { many_rows: variant, ..choice })).unzip();
        Self { work, choices, ids }.if_open()
    }

    /// `None` with a single candidate.
    fn if_open(self) -> Option<Self> {
        (self.choices.len() > 1).then_some(self)
    }

    /// What the trial is remembered by.
    pub(super) fn key(&self, device: &Device) -> TuningKey {
        TuningKey {
            adapter: device.info.full_name(),
            driver: device.info.driver.clone(),
            program: PROGRAM.to_owned(),
            work: self.work.name.clone(),
        }
    }
}

impl FirstKernels {
    /// For a load with this choice, and no trial.
    pub(super) fn of_choice(choice: KernelChoice) -> Self {
        Self { choice, tried: Vec::new() }
    }

    /// For a load with trials. Where layers stay in the computer's memory, the trials may come to be others.
    pub(super) fn of_trials(
        device: &Device,
        plan: &Plan,
        context: usize,
        weights: &dyn Weights,
        trials: &TuningCache,
    ) -> Result<Self, LoadError> {
        let candidates = KernelChoice::candidates(&device.capabilities);
        let mut first = Self::of_choice(candidates[0]);
        if !device.has_timestamps() {
            return Ok(first);
        }
        let layouts = GpuLayout::of_all(plan, weights.tensors());
        let most_rows = Rows::of(plan, context).batch;
        let model = TunedModel { plan, layouts: &layouts, is_apart: &|_| true, most_rows };
        let enter = |first: &mut Self, contest: Option<Contest>| {
            let Some(contest) = contest else { return Ok(()) };
            if let Some(fastest) = trials.remembered(&contest.key(device), &contest.ids) {
                first.choice = contest.choices[fastest];
                return Ok(());
            }
            for choice in contest.choices {
                let ops = contest.work.ops.iter().map(|&op| &plan.ops[op]);
                let uses = pass_uses(plan, weights.tensors(), choice, device.binding_limit(), ops)?;
                first.tried.extend(uses);
            }
            Ok::<_, LoadError>(())
        };
        enter(&mut first, Contest::for_steps(&model, &candidates))?;
        let for_prefill = candidates[0].prefill_candidates(&device.capabilities);
        let contest = Contest::for_prefill(&model, first.choice, &for_prefill);
        enter(&mut first, contest)?;
        Ok(first)
    }
}

impl TunedOps {
    /// The linear maps of the shape that has most of the model's bytes, up to `most_bytes` and at least one, for so
    /// many rows; `None` for a plan without any.
    fn of(model: &TunedModel<'_>, rows: usize, most_bytes: u64) -> Option<Self> {
        let &TunedModel { plan, layouts, is_apart, .. } = model;
        let mut shapes: Vec<(String, WeightFormat, Vec<usize>)> = Vec::new();
        for (index, op) in plan.ops.iter().enumerate() {
            let Op::Linear { weight, output, .. } = op else { continue };
            if !is_apart(op) {
                continue;
            }
            if rows > 1 && plan.buffer(*output).rows == RowSet::Outputs {
                // Of a prompt's rows hardly any want logits.
                continue;
            }
            let GpuLayout::Matrix(format) = layouts[weight.0] else { continue };
            let spec = plan.tensor(*weight);
            let name = format!("{} {} × {}", format.name(), spec.rows, spec.columns);
            match shapes.iter_mut().find(|(known, ..)| *known == name) {
                Some((.., ops)) => ops.push(index),
                None => shapes.push((name, format, vec![index])),
            }
        }
        let weight_bytes = |op: usize| -> u64 {
            let tensors = plan.ops[op].tensors().map(|id| (plan.tensor(id), layouts[id.0]));
            tensors.map(|(spec, layout)| layout.bytes(spec.rows, spec.columns)).sum()
        };
        let bytes = |ops: &[usize]| ops.iter().map(|&op| weight_bytes(op)).sum::<u64>();
        let (mut name, format, mut ops) = shapes.into_iter().max_by_key(|(.., ops)| bytes(ops))?;
        let each = weight_bytes(ops[0]).max(1);
        ops.truncate((most_bytes / each).max(1) as usize);
        if rows > 1 {
            name += &format!(", {rows} rows");
        }
        Some(Self { ops, format, rows, name })
    }
}
