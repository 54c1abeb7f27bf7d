//! The program's own [`Loader`]: models go to a GPU.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::command::{LoadRequest, ModelSource};
use super::event::{BrokenAdapter, Loaded};
use super::load::{DraftingHead, LoadError, Loader, ReadyModel};
use super::opened::Opened;
use super::served;
use crate::gpu::{self, AdapterInfo, Device, GpuError, LoadPart, Progress, Share};
use crate::model::decoder::drafting::SHARED_WITH_HEAD;
use crate::model::weights::TensorInfo;
use crate::model::{Fused, LanguageModel, Plan, Weights};
use crate::trace::{AdapterFacts, ModelFacts};

/// The loader of the program: models go to a GPU.
#[derive(Default)]
pub struct GpuLoader {
    /// The device of the model loaded last, as long as somebody holds it.
    device: Weak<Device>,
    /// The adapters, as they were listed last.
    adapters: Vec<AdapterInfo>,
    /// Those that were passed over, by their indices: each is told once.
    passed_over: BTreeSet<usize>,
    /// What is still to be told.
    warnings: Vec<String>,
    /// The context of the model loaded last, in positions.
    context: Option<usize>,
    /// Models that are to be loaded beside it, in their order.
    beside: VecDeque<Beside>,
}

/// What the memory of a model depends on that is to be loaded beside another one.
struct Beside {
    plan: Plan,
    tensors: Vec<TensorInfo>,
    context: usize,
}

impl Beside {
    /// GPU memory that it takes if all of it is there, with texts of so many positions at most, as the other one's are.
    fn bytes(&self, context: usize) -> Result<u64, gpu::LoadError> {
        gpu::usual_memory(&self.plan, &self.tensors, self.context.min(context))
    }
}

impl GpuLoader {
    /// Lets the next model leave room for one that is to be loaded beside it, after those that this was called for before.
    /// One on a server takes none.
    pub fn leave_room_for(&mut self, request: &LoadRequest) -> Result<(), LoadError> {
        if let ModelSource::Server(_) = &request.source {
            return Ok(());
        }
        let opened = Opened::open(&request.source, request.context, request.weights)?;
        let opened = opened.with_cache(request.cache);
        let Fused { plan, weights } = opened.fused();
        let (tensors, context) = (weights.tensors().to_vec(), opened.context);
        self.beside.push_back(Beside { plan, tensors, context });
        Ok(())
    }

    /// Bytes to keep for the models that are still to come beside an opened one. Where there is not enough for all, it goes
    /// first: theirs are layers in the computer's memory then.
    fn kept_bytes(&self, device: &Device, opened: &Opened) -> Result<u64, LoadError> {
        let context = self.context.unwrap_or(opened.context);
        let wanted = self.beside.iter().map(|beside| beside.bytes(context)).sum::<Result<u64, _>>()?;
        let Some(room) = device.room().filter(|_| wanted > 0) else { return Ok(wanted) };
        let Fused { plan, weights } = opened.fused();
        let least = gpu::least_memory(&plan, weights.tensors(), opened.context)?;
        Ok(wanted.min(room.bytes.saturating_sub(least)))
    }

    /// Opens an adapter, as [`Device::open`] does, and notes those that it passed over.
    fn open_device(&mut self, choice: Option<&str>) -> Result<Arc<Device>, GpuError> {
        let device = Device::open(choice)?;
        for failed in &device.passed_over {
            if self.passed_over.insert(failed.info.index) {
                self.warnings.push(failed.passed_over_for(&device.info));
            }
        }
        Ok(Arc::new(device))
    }

    /// Loads a model from a server, or from files to the device that `choose` gives.
    fn load_to(
        &mut self,
        request: &LoadRequest,
        progress: &mut Progress<'_>,
        choose: impl FnOnce(&mut Self) -> Result<Arc<Device>, GpuError>,
    ) -> Result<ReadyModel, LoadError> {
        if let ModelSource::Server(address) = &request.source {
            return served::load(address, request.key.clone(), request.context, progress);
        }
        let start = Instant::now();
        let mut opened = open(request, progress)?;
        opened.context = opened.context.min(self.context.unwrap_or(opened.context));
        announce(progress, LoadPart::Opening)?;
        let device = choose(self)?;
        let _kept = device.keep_free(self.kept_bytes(&device, &opened)?);
        ready(opened, device, start, progress)
    }
}

impl Loader for GpuLoader {
    fn adapters(&mut self) -> Vec<AdapterFacts> {
        self.adapters = gpu::adapters();
        self.adapters.iter().map(AdapterFacts::from).collect()
    }

    fn describe_adapters(&mut self) -> String {
        let text = |info: &AdapterInfo| {
            let kernels = gpu::variants_on(info.index);
            info.text(kernels.as_deref().map_err(String::as_str))
        };
        gpu::adapters().iter().map(text).collect()
    }

    fn broken_adapters(&mut self) -> Vec<BrokenAdapter> {
        let broken = |info: &AdapterInfo| {
            let problem = gpu::known_problem(info)?.to_string();
            Some(BrokenAdapter { index: info.index, problem })
        };
        self.adapters.iter().filter_map(broken).collect()
    }

    fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn load(&mut self, request: &LoadRequest, progress: &mut Progress<'_>) -> Result<ReadyModel, LoadError> {
        self.context = None;
        let ready = self.load_to(request, progress, |loader| {
            let device = loader.open_device(request.adapter.as_deref())?;
            device.limit_memory(request.gpu_memory);
            loader.device = Arc::downgrade(&device);
            Ok(device)
        })?;
        self.context = Some(ready.loaded.model.context);
        Ok(ready)
    }

    fn load_beside(
        &mut self,
        request: &LoadRequest,
        progress: &mut Progress<'_>,
    ) -> Result<ReadyModel, LoadError> {
        if !matches!(request.source, ModelSource::Server(_)) {
            self.beside.pop_front();
        }
        self.load_to(request, progress, |loader| match loader.device.upgrade() {
            Some(device) => Ok(device),
            None => loader.open_device(request.adapter.as_deref()),
        })
    }
}

fn open(request: &LoadRequest, progress: &mut Progress<'_>) -> Result<Opened, LoadError> {
    announce(progress, LoadPart::Reading)?;
    let opened = Opened::open(&request.source, request.context, request.weights)?;
    Ok(opened.with_cache(request.cache))
}

/// Tells that a part begins of which no share is known.
fn announce(progress: &mut Progress<'_>, part: LoadPart) -> Result<(), LoadError> {
    match progress(part, Share::default()) {
        ControlFlow::Break(()) => Err(LoadError::Stopped),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Brings an opened model to a device; `start` is when that was asked for.
fn ready(
    opened: Opened,
    device: Arc<Device>,
    start: Instant,
    progress: &mut Progress<'_>,
) -> Result<ReadyModel, LoadError> {
    let adapter = AdapterFacts::from(&device.info);
    let mut engine = opened.engine(Arc::clone(&device), progress)?;
    engine.prepare(progress)?;
    let head = opened.drafting_head().map(|files| {
        let shared = engine.shared(&SHARED_WITH_HEAD);
        DraftingHead::new(move |progress| {
            let mut engine = files.engine(Arc::clone(&device), &shared, progress)?;
            engine.prepare(progress)?;
            Ok(Box::new(engine) as Box<dyn LanguageModel>)
        })
    });

    let memory = engine.memory();
    // The adapter may have shortened the context.
    let (context, weight_bytes) = (engine.context(), memory.weight_bytes);
    let streaming = engine.streaming();
    let model = ModelFacts { context, weight_bytes, streaming, ..opened.facts() };
    let (chat_problem, chat_switches) = (opened.chat_problem(), opened.chat_switches());
    let loaded = Loaded {
        model,
        adapter,
        seconds: start.elapsed().as_secs_f64(),
        scratch_bytes: memory.scratch_bytes,
        variants: engine.variants(),
        eos: opened.file.special.eos,
        tokenizer_problem: opened.tokenizer_problem,
        defaults: opened.file.generation,
        chat_problem,
        chat_switches,
        has_drafting_head: head.is_some(),
        server: None,
    };
    let (tokenizer, mut warnings) = (opened.tokenizer, opened.file.warnings);
    warnings.extend(engine.non_finite.iter().map(|(tensor, count)| {
            format!("tensor {tensor}: {count} of its elements are not finite numbers, so what the model says will make no sense")
        }));
    Ok(ReadyModel { model: Box::new(engine), tokenizer, drafting_head: head, loaded, warnings })
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
