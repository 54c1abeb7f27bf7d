//! What the engine tells of its own work: dispatches, waits, the cost of each op, and the trial of kernels.

use std::ops::ControlFlow;
use std::sync::Arc;

use logitscope::gpu::{
    Device, Engine, KernelChoice, LinearVariant, Matrices, MatrixTile, MatrixUnits, Trial, TuningCache,
};
use logitscope::model::batch::RowOutput;
use logitscope::model::{Batch, Fused, LanguageModel, WeightFormat, plan_decoder};
use logitscope::session::{ModelSource, Opened, WeightsChoice};
use logitscope::synthetic::{SyntheticWeights, shapes};

use super::support;

/// The built-in model, fused, with these kernels.
fn engine(device: Arc<Device>, choice: KernelChoice) -> Engine {
    let opened = Opened::open(&ModelSource::BuiltIn, Some(64), WeightsChoice::Original).unwrap();
    let Fused { plan, weights } = opened.fused();
    let mut progress = |_, _| ControlFlow::Continue(());
    Engine::load_with(device, plan, 64, &weights, &mut progress, choice).unwrap()
}

#[test]
fn a_step_of_a_llama_is_few_dispatches_a_layer_and_one_wait() {
    // With each choice, the most dispatches of a layer: two fewer where the maps normalise their input themselves.
    for (choice, most) in [(KernelChoice::CPU, 7), (KernelChoice::CPU_SHUFFLE, 5), (KernelChoice::GPU, 5)] {
        let mut engine = engine(support::device(), choice);
        let a_layer = engine.layer_dispatches(1);
        assert!((1.0..=most as f64).contains(&a_layer), "{a_layer} with {choice:?}");
        if choice == KernelChoice::GPU {
            // Software drivers take a minute to compile its kernels, and nothing else is to be seen with them.
            continue;
        }
        let sequence = engine.new_sequence();
        engine.forward(&Batch::chain(sequence, 0, &[3, 14, 15], RowOutput::Logits)).unwrap();
        let layers = engine.plan().cache_widths.len();
        let before = engine.device.traffic();
        for position in 3..13 {
            engine.forward(&Batch::chain(sequence, position, &[7], RowOutput::Logits)).unwrap();
        }
        let after = engine.device.traffic();
        assert!(after.waits - before.waits <= 10, "{before:?} {after:?} in ten steps");
        // Embedding, picked rows, final norm and LM head are not in a layer.
        let a_step = (after.dispatches - before.dispatches) as usize / 10;
        assert!(
            (layers..=4 + most * layers).contains(&a_step),
            "{a_step} dispatches a step, {layers} layers, {choice:?}"
        );
    }
}

#[test]
fn a_profile_has_every_op_and_leaves_the_engine_as_a_pass_does() {
    let mut engine = engine(support::device(), KernelChoice::CPU);
    let [profiled, computed] = [engine.new_sequence(), engine.new_sequence()];
    // First, so that what is profiled does not include compiling.
    engine.forward(&Batch::chain(computed, 0, &[3, 14, 15], RowOutput::Logits)).unwrap();
    let costs = engine.profile(&Batch::chain(profiled, 0, &[3, 14, 15], RowOutput::Logits)).unwrap();
    let costs = costs.expect("the software driver has timestamps");
    let ops: Vec<usize> = costs.iter().map(|cost| cost.op).collect();
    assert_eq!(ops, (0..engine.plan().ops.len()).collect::<Vec<_>>());
    assert!(costs.iter().all(|cost| cost.dispatches > 0 && cost.seconds > 0.0), "{costs:?}");
    assert!(costs.iter().map(|cost| cost.seconds).sum::<f64>() < 10.0);

    let mut next =
        |sequence| engine.forward(&Batch::chain(sequence, 3, &[92], RowOutput::Logits)).unwrap().logits;
    assert_eq!(next(profiled), next(computed));
}

#[test]
fn a_model_gets_the_fastest_candidate_and_computes_the_same_with_each() {
    let device = support::device();
    // Kernels that a software driver compiles soon.
    let candidates = [KernelChoice::CPU, KernelChoice { reduce_lanes: 16, ..KernelChoice::CPU }];
    let mut chosen = engine(Arc::clone(&device), candidates[1]);
    let mut trials = TuningCache::default();
    chosen.choose(&candidates, &mut trials).unwrap();
    let trial = only_trial(&trials, &chosen);
    assert_eq!(trial.seconds.len(), 2);
    assert!(trial.seconds.values().all(|seconds| (1e-6..1.0).contains(seconds)), "{trial:?}");
    let ids = candidates.map(|choice| choice.step_id());
    let fastest =
        ids.iter().position(|id| Some(id.as_str()) == trial.fastest()).expect("one of the candidates");
    assert_eq!(chosen.variants(), candidates[fastest].describe());

    let batch = |sequence| Batch::chain(sequence, 0, &[3, 14, 15], RowOutput::Logits);
    let mut logits = Vec::new();
    for mut engine in [chosen, engine(Arc::clone(&device), candidates[0]), engine(device, candidates[1])] {
        let sequence = engine.new_sequence();
        logits.push(engine.forward(&batch(sequence)).unwrap().logits.concat());
    }
    let largest = logits[0].iter().fold(0.0f32, |largest, logit| largest.max(logit.abs()));
    for other in &logits[1..] {
        let pairs = logits[0].iter().zip(other);
        pairs.for_each(|(one, other)| assert!((one - other).abs() < 1e-4 * largest, "{one} {other}"));
    }
}

#[test]
fn prompts_get_the_fastest_candidate_that_suits_the_weights() {
    let mut config = shapes::config("stories15m").unwrap();
    (config.layers, config.vocabulary) = (config.layers[..1].to_vec(), 64);
    let plan = plan_decoder(&config);
    let weights = SyntheticWeights::new(&plan, WeightFormat::F32).expect("f32 fits every row");
    let device = support::device();
    // Units that round the inputs are not for weights in f32, and this device could not compile them.
    let matrices = Matrices { units: MatrixUnits::Half16, tile: MatrixTile::Small };
    let rounding = LinearVariant::GemmCooperative { matrices, lanes: 32 };
    let [lanes, tiles] = [LinearVariant::GemvPerLane, LinearVariant::GemmRegisters];
    let mut trials = TuningCache::default();
    // One of the two is not the fastest, and has to be replaced.
    for many_rows in [lanes, tiles] {
        let before = KernelChoice { many_rows, ..KernelChoice::CPU };
        let (device, plan) = (Arc::clone(&device), plan.clone());
        let mut progress = |_, _| ControlFlow::Continue(());
        let mut engine = Engine::load_with(device, plan, 64, &weights, &mut progress, before).unwrap();
        engine.choose_for_prefill(&[lanes, rounding, tiles], &mut trials).unwrap();
        let trial = only_trial(&trials, &engine);
        assert!(trial.key.work.starts_with("f32 ") && trial.key.work.ends_with(", 64 rows"));
        assert_eq!(trial.seconds.len(), 2, "{trial:?}");
        let of_id = |variant: &&LinearVariant| Some(variant.id().as_str()) == trial.fastest();
        let &many_rows = [lanes, tiles].iter().find(of_id).expect("one of the candidates");
        let expected = KernelChoice { many_rows, ..before }.describe();
        assert_eq!(engine.variants(), expected, "nothing but prompts gets other kernels");
    }
}

#[test]
fn one_candidate_needs_no_trial() {
    let mut engine = engine(support::device(), KernelChoice::CPU);
    let mut trials = TuningCache::default();
    engine.choose(&[KernelChoice::CPU], &mut trials).unwrap();
    engine.choose_for_prefill(&[LinearVariant::GemmRegisters], &mut trials).unwrap();
    let info = &engine.device.info;
    assert_eq!(trials.about(&info.full_name(), &info.driver).count(), 0);
}

/// The one trial that was made on an engine's adapter.
fn only_trial<'a>(trials: &'a TuningCache, engine: &Engine) -> &'a Trial {
    let info = &engine.device.info;
    let adapter = info.full_name();
    let made: Vec<&Trial> = trials.about(&adapter, &info.driver).collect();
    let [trial] = made[..] else { panic!("one trial was to be made: {made:?}") };
    trial
}
