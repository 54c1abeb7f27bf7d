//! Models beside a model under a limit of GPU memory: as much is kept for them as they take, and no more.

use std::ops::ControlFlow;

use logitscope::gpu::{self, Device};
use logitscope::model::{Fused, Weights, WeightsChoice};
use logitscope::session::{GpuLoader, LoadRequest, Loader, ModelSource, Opened, Progress, ReadyModel};

use super::streaming::first;
use super::support::device;

/// Positions of the model's texts: fewer than the draft model's own.
const CONTEXT: usize = 64;

fn going(_: logitscope::session::LoadPart, _: logitscope::session::Share) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The least memory in which a model with texts so long is wholly on the GPU, and in which it runs at all.
fn sizes(source: &ModelSource, device: &Device) -> [u64; 2] {
    let opened = Opened::open(source, None, WeightsChoice::Original).unwrap();
    let Fused { plan, weights } = opened.fused();
    let placed = |limit| gpu::place(&plan, weights.tensors(), CONTEXT, &device.info, Some(limit));
    let whole = first(|limit| placed(limit).is_ok_and(|placed| placed.streaming.is_none()));
    [whole, first(|limit| placed(limit).is_ok())]
}

/// The built-in model and others beside it, within so much memory.
fn load(beside: &[ModelSource], limit: u64) -> Vec<ReadyModel> {
    let mut loader = GpuLoader::default();
    let beside: Vec<LoadRequest> = beside.iter().cloned().map(LoadRequest::of).collect();
    beside.iter().for_each(|request| loader.leave_room_for(request).unwrap());
    let request = LoadRequest {
        context: Some(CONTEXT),
        gpu_memory: Some(limit),
        ..LoadRequest::of(ModelSource::BuiltIn)
    };
    let progress: &mut Progress<'_> = &mut going;
    let mut models = vec![loader.load(&request, progress).unwrap()];
    models.extend(beside.iter().map(|request| loader.load_beside(request, progress).unwrap()));
    models
}

fn streamed(models: &[ReadyModel]) -> Vec<bool> {
    models.iter().map(|model| model.loaded.model.streaming.is_some()).collect()
}

#[test]
fn what_holds_each_of_them_alone_holds_them_together() {
    let device = device();
    let [[model, _], [draft, _]] =
        [ModelSource::BuiltIn, ModelSource::BuiltInDraft].map(|source| sizes(&source, &device));
    for drafts in [1, 2] {
        let beside = vec![ModelSource::BuiltInDraft; drafts];
        let models = load(&beside, model + drafts as u64 * draft);
        assert_eq!(streamed(&models), vec![false; 1 + drafts], "{drafts} beside it");
        assert!(models[1..].iter().all(|model| model.loaded.model.context == CONTEXT));
    }
    assert_eq!(
        streamed(&load(&[ModelSource::BuiltInDraft], model + draft - 1)),
        [true, false],
        "the model gives way to what drafts for it"
    );
}

#[test]
fn where_little_is_left_both_have_layers_in_the_computers_memory() {
    // As much as the same model takes beside itself.
    let [whole, least] = sizes(&ModelSource::BuiltIn, &device());
    assert!(least < whole);
    assert_eq!(streamed(&load(&[ModelSource::BuiltIn], 2 * least)), [true, true]);
}
