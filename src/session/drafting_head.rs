//! The head of a model's files that drafts (multi-token prediction): its files, opened and brought to the model's device.

use std::path::PathBuf;
use std::sync::Arc;

use super::load::LoadError;
use crate::formats;
use crate::gpu::{Device, Engine, Progress, SharedTensors};
use crate::model::decoder::drafting::plan_drafting_head;
use crate::model::{CacheFormat, Fused, ModelConfig, Plan, Weights, WeightsChoice, fuse};

/// Where a head is, and how it is to be computed: as the model that it belongs to.
#[derive(Clone, Debug)]
pub struct HeadFiles {
    pub(super) path: PathBuf,
    pub(super) decoder: ModelConfig,
    pub(super) weights: WeightsChoice,
    pub(super) cache: CacheFormat,
}

impl HeadFiles {
    /// The plain plan and the weights in its order.
    pub fn open(&self) -> Result<(Plan, Box<dyn Weights + Send>), LoadError> {
        let head = formats::open_drafting_head(&self.path, &self.decoder)?;
        let mut plan = plan_drafting_head(&head.config).with_orders(head.weights.tensors());
        let path = self.path.display().to_string();
        let bound = plan.bind(head.weights).map_err(|reason| LoadError::Bind { path, reason })?;
        // A warning of the same widths was told of the model.
        let (weights, _) = self.weights.convert(bound, &plan);
        plan.cache_format = self.cache;
        Ok((plan, weights))
    }

    /// Brings it to the device of its model, whose tensors that it needs too are `shared`.
    pub fn engine(
        &self,
        device: Arc<Device>,
        shared: &SharedTensors,
        progress: &mut Progress<'_>,
    ) -> Result<Engine, LoadError> {
        let (plan, weights) = self.open()?;
        let Fused { plan, weights } = fuse(&plan, &*weights);
        let context = self.decoder.context;
        Ok(Engine::load_beside(device, plan, context, &weights, shared, progress)?)
    }
}
