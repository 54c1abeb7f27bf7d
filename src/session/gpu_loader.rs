//! The program's own [`Loader`]: models go to a GPU.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::{ControlFlow, Range};
use std::time::Instant;

use super::command::LoadRequest;
use super::event::Loaded;
use super::load::{LoadError, Loader, Opened, ReadyModel};
use crate::gpu::{self, Device, Engine};
use crate::model::weights::TensorInfo;
use crate::model::{LanguageModel, Weights, WeightsError};
use crate::trace::{AdapterFacts, ModelFacts};

/// The loader of the program: models go to a GPU.
#[derive(Clone, Copy, Debug, Default)]
pub struct GpuLoader;

impl Loader for GpuLoader {
    fn adapters(&mut self) -> Vec<AdapterFacts> {
        gpu::adapters().iter().map(AdapterFacts::from).collect()
    }

    fn load(
        &mut self,
        request: &LoadRequest,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<ReadyModel, LoadError> {
        let start = Instant::now();
        let opened = Opened::open(&request.source, request.context)?;
        let device = Device::open(request.adapter.as_deref())?;
        let adapter = AdapterFacts::from(&device.info);
        let engine = opened.engine(device, progress)?;

        let memory = engine.memory();
        // The adapter may have shortened the context.
        let (context, weight_bytes) = (engine.context(), memory.weight_bytes);
        let model = ModelFacts { context, weight_bytes, ..opened.facts() };
        let loaded = Loaded {
            model,
            adapter,
            seconds: start.elapsed().as_secs_f64(),
            scratch_bytes: memory.scratch_bytes,
            variants: engine.variants(),
            eos: opened.file.special.eos,
        };
        let (tokenizer, warnings) = (opened.tokenizer, opened.file.warnings);
        Ok(ReadyModel { model: Box::new(engine), tokenizer, loaded, warnings })
    }
}

impl Opened {
    /// Brings the weights to a device. `progress` is as [`Loader::load`] has it.
    pub fn engine(
        &self,
        device: Device,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Engine, LoadError> {
        let stopped = Cell::new(false);
        let weights = Stoppable { weights: &*self.file.weights, stopped: &stopped };
        let mut watch = |done, total| stopped.set(stopped.get() || progress(done, total).is_break());
        let loaded = Engine::load(device, self.plan.clone(), self.context, &weights, &self.bound, &mut watch);
        match loaded {
            Err(_) if stopped.get() => Err(LoadError::Stopped),
            other => Ok(other?),
        }
    }
}

impl From<&gpu::AdapterInfo> for AdapterFacts {
    fn from(info: &gpu::AdapterInfo) -> Self {
        Self {
            index: info.index,
            name: info.name.clone(),
            backend: info.backend.clone(),
            kind: info.kind.clone(),
            driver: info.driver.clone(),
        }
    }
}

/// Weights whose next slice fails once the user has ended the loading.
struct Stoppable<'a> {
    weights: &'a dyn Weights,
    stopped: &'a Cell<bool>,
}

impl Weights for Stoppable<'_> {
    fn tensors(&self) -> &[TensorInfo] {
        self.weights.tensors()
    }

    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError> {
        if self.stopped.get() {
            let tensor = self.tensors()[index].name.clone();
            return Err(WeightsError { tensor, reason: LoadError::Stopped.to_string() });
        }
        self.weights.read(index, rows)
    }
}
