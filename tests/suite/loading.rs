//! What loading tells while it goes on.

use std::ops::ControlFlow;

use logitscope::session::{GpuLoader, LoadError, LoadPart, LoadRequest, Loader, ModelSource, Share};

use super::formats::fixture;

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
    for part in LoadPart::ALL {
        // Only adapters with several candidates try kernels.
        assert!(part == LoadPart::Trying || !of(part).is_empty(), "{part:?}");
    }
    let uploaded = of(LoadPart::Uploading).last().copied().expect("it was told");
    assert!((1..=uploaded.total).contains(&uploaded.done), "{uploaded:?}");
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
    for stopping in LoadPart::ALL.into_iter().filter(|part| *part != LoadPart::Trying) {
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
