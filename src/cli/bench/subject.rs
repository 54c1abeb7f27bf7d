//! What `bench` measures: a model, or random weights of a real model's shape.

use crate::cli::arguments::{Bench, ModelOptions};
use crate::cli::error::CliError;
use crate::cli::named::source;
use crate::model::conversion::Converted;
use crate::model::weights::TensorInfo;
use crate::model::{CacheFormat, Op, Plan, Weights, plan_decoder};
use crate::session::Opened;
use crate::synthetic::{SyntheticWeights, shapes};

/// What is measured.
pub(super) struct Subject {
    pub name: String,
    pub plan: Plan,
    pub context: usize,
    pub weights: Box<dyn Weights>,
}

/// Prompt lengths that are measured where none are asked for, as far as the context reaches.
pub(super) const USUAL_PROMPTS: [usize; 2] = [128, 512];
/// Likewise, numbers of incremental steps.
pub(super) const USUAL_STEPS: [usize; 1] = [64];

impl Subject {
    /// The model or the shape that was asked for.
    pub(super) fn new(arguments: &Bench) -> Result<Self, CliError> {
        let shape = arguments
            .shape
            .as_deref()
            .and_then(|name| Some((name, shapes::config(name)?, shapes::format(name)?)));
        if let Some((name, mut config, format)) = shape {
            config.layers.truncate(arguments.layers.unwrap_or(usize::MAX));
            let format = arguments.stored.unwrap_or(format);
            let mut plan = plan_decoder(&config);
            let weights = SyntheticWeights::new(&plan, format).map_err(CliError::BenchFormat)?;
            let weights = Converted::new(weights, &plan, arguments.model.weights);
            let prompts = arguments.pp.as_deref().unwrap_or(&USUAL_PROMPTS);
            let steps = arguments.tg.as_deref().unwrap_or(&USUAL_STEPS);
            let depth = arguments.depth().iter().max().copied().unwrap_or_default();
            let steps = steps.iter().max().map_or(0, |steps| depth + steps);
            let needed = prompts.iter().copied().max().unwrap_or_default().max(steps) + 1;
            plan.cache_format = match arguments.model.kv {
                Some(format) => format,
                None => CacheFormat::for_weights(weights.tensors()),
            };
            return Ok(Self {
                name: name.to_owned(),
                context: arguments.model.context.unwrap_or(needed).min(config.context),
                weights: Box::new(weights),
                plan,
            });
        }
        let ModelOptions { model, context, weights, .. } = &arguments.model;
        let opened =
            Opened::open(&source(model.as_ref())?, *context, *weights)?.with_cache(arguments.model.kv);
        let Opened { file, plan, context, .. } = opened;
        Ok(Self { name: file.name, plan, context, weights: file.weights })
    }

    /// Bytes of weights that an incremental step reads: all but the rows of embedding tables that it skips.
    pub(super) fn bytes_a_step(&self) -> usize {
        let tensors = self.weights.tensors();
        let info = |id: usize| -> &TensorInfo { &tensors[id] };
        let mut whole = vec![false; self.plan.tensors.len()];
        let mut rows = 0;
        for op in &self.plan.ops {
            match op {
                Op::Embed { table, positions, .. } => {
                    rows += info(table.0).row_bytes() + positions.map_or(0, |id| info(id.0).row_bytes());
                }
                Op::ExpertLinear { weight, experts, routes, .. } => {
                    let active = self.plan.buffer(*routes).columns / 2;
                    rows += active * (info(weight.0).rows / experts) * info(weight.0).row_bytes();
                }
                _ => op.tensors().for_each(|id| whole[id.0] = true),
            }
        }
        let whole = (0..whole.len()).filter(|&id| whole[id]);
        rows + whole.map(|id| info(id).rows * info(id).row_bytes()).sum::<usize>()
    }
}
