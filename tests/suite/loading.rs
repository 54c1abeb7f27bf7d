//! What loading tells while it goes on.

use std::ops::ControlFlow;

use logitscope::gpu::{AdapterClass, Device, Engine};
use logitscope::model::batch::RowOutput;
use logitscope::model::selection::SamplingParams;
use logitscope::model::{Batch, LanguageModel, WeightFormat};
use logitscope::session::{GpuLoader, LoadError, LoadPart, LoadRequest, Loader, ModelSource, Share};

use super::engine::{small_model, tokens};
use super::formats::fixture;
use super::support::MadeWeights;

/// The parts of loading files; a server is connected to instead.
fn parts() -> impl Iterator<Item = LoadPart> {
    LoadPart::ALL.into_iter().filter(|part| *part != LoadPart::Connecting)
}

/// A tiny model's load: every part and share that was told.
fn told() -> Vec<(LoadPart, Share)> {
    let mut told = Vec::new();
    let request = LoadRequest::of(ModelSource::Path(fixture("llama-f32")));
    let mut progress = |part, share| {
        told.push((part, share));
        ControlFlow::Continue(())
    };
    GpuLoader::default().load(&request, &mut progress).expect("it loads");
    told
}

#[test]
fn every_part_of_a_load_is_told_with_its_share() {
    let told = told();
    assert!(told.is_sorted_by_key(|(part, _)| *part), "one part after the other: {told:?}");
    let of = |part: LoadPart| -> Vec<Share> {
        told.iter().filter(|(told, _)| *told == part).map(|(_, share)| *share).collect()
    };
    for part in parts() {
        // Only adapters with several candidates try kernels.
        assert!(part == LoadPart::Trying || !of(part).is_empty(), "{part:?}");
    }
    let uploaded = of(LoadPart::Uploading).last().copied().expect("it was told");
    assert!((1..=uploaded.total).contains(&uploaded.done), "{uploaded:?}");
    let made = of(LoadPart::Making);
    let total = made[0].total;
    assert!(
        made.iter().all(|share| share.total == total) && made.is_sorted_by_key(|share| share.done),
        "{made:?}"
    );
    assert_eq!(made.last(), Some(&Share { done: total, total }));
    for part in [LoadPart::Compiling, LoadPart::WarmingUp] {
        let shares = of(part);
        let total = shares[0].total;
        let expected: Vec<Share> = (0..=total).map(|done| Share { done, total }).collect();
        assert_eq!(shares, expected, "one at a time: {part:?}");
    }
    assert!(of(LoadPart::Compiling)[0].total > 10, "a model takes more than ten kernels");
}

#[test]
fn loading_stops_in_every_part() {
    let request = LoadRequest::of(ModelSource::Path(fixture("llama-f32")));
    for stopping in parts().filter(|part| *part != LoadPart::Trying) {
        let mut last = None;
        let mut progress = |part, _| {
            last = Some(part);
            if part == stopping { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let stopped = GpuLoader::default().load(&request, &mut progress);
        assert!(matches!(stopped, Err(LoadError::Stopped)), "{stopping:?}");
        assert_eq!(last, Some(stopping), "it does not go on");
    }
}

/// Contexts long enough for it are split among workgroups, by kernels of their own: none of them waits for a driver's compiler in
/// the middle of a run.
#[test]
fn kernels_for_long_contexts_are_used_before_they_are_needed() {
    let plan = small_model();
    let weights = MadeWeights::random(&plan, WeightFormat::F32, 3);
    let first_uses = |context| {
        let quiet = &mut |_, _| ControlFlow::Continue(());
        let device = Device::open(None).unwrap();
        let mut engine = Engine::load(device, plan.clone(), context, &weights, quiet).unwrap();
        let mut total = 0;
        let counting = &mut |part, share: Share| {
            if part == LoadPart::Compiling {
                total = share.total;
            }
            ControlFlow::Continue(())
        };
        engine.prepare(counting).unwrap();
        total
    };
    // The first half, and what makes one of all parts.
    assert!(first_uses(1024) >= first_uses(128) + 2);
}

/// Kernels are made on several threads before they are needed: no fewer than passes use, so that none has to wait for one, and no
/// other ones.
#[test]
fn a_load_makes_the_kernels_that_passes_use() {
    let device = Device::open(None).unwrap();
    let before = device.pipelines();
    let plan = small_model();
    let weights = MadeWeights::random(&plan, WeightFormat::Q8_0, 3);
    let mut made = Vec::new();
    let mut progress = |part, share: Share| {
        made.extend((part == LoadPart::Making).then_some(share.done));
        ControlFlow::Continue(())
    };
    let mut engine = Engine::load(device, plan, 320, &weights, &mut progress).unwrap();
    engine.prepare(&mut progress).unwrap();
    let loaded = engine.device.pipelines();
    // Trials make kernels as well.
    let is_gpu = engine.device.capabilities.class == AdapterClass::Gpu;
    assert!(is_gpu || Some(&((loaded - before) as u64)) == made.last(), "{loaded} of {made:?}");
    for rows in [1, 2, 3, 8, 9, 31, 64, 300] {
        let sequence = engine.new_sequence();
        let chain = Batch::chain(sequence, 0, &tokens(rows), RowOutput::Logits);
        engine.forward(&chain).unwrap();
        let summary = RowOutput::Summary(SamplingParams::GREEDY);
        let step = Batch::chain(sequence, rows, &[1], summary);
        engine.forward(&step).unwrap();
        engine.release(sequence);
    }
    assert_eq!(engine.device.pipelines(), loaded);
}
