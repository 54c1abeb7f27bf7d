//! What the engine tells of its own work: dispatches, waits, the cost of each op, and the trial of kernels.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use logitscope::gpu::{
    Device, Engine, KernelChoice, LinearKernel, LinearVariant, Matrices, MatrixTile, MatrixUnits, Trial,
    TuningCache,
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
fn each_kind_of_linear_map_gets_the_fastest_kernel_and_computes_the_same() {
    let device = support::device();
    // Kernels that a software driver compiles soon.
    let [lanes, tiles] = [LinearVariant::GemvPerLane, LinearVariant::GemmRegisters]
        .map(|variant| LinearKernel { variant, lanes: 8 });
    let mut chosen = engine(Arc::clone(&device), KernelChoice::CPU_SHUFFLE);
    let mut trials = TuningCache::default();
    chosen.choose(1, &[lanes, tiles], &mut trials).unwrap();
    let made = trials_of(&trials, &chosen);
    let works: HashSet<&str> = made.iter().map(|trial| trial.key.work.as_str()).collect();
    assert_eq!(works.len(), made.len(), "a trial for each kind: {works:?}");
    assert!((3..=6).contains(&made.len()), "{works:?}");
    assert!(works.iter().all(|work| work.starts_with("linear map, one row: ")), "{works:?}");
    assert!(works.iter().any(|work| work.ends_with(", normed, gate")), "{works:?}");
    for trial in &made {
        assert_eq!(trial.seconds.keys().collect::<HashSet<_>>(), HashSet::from([&lanes.id(), &tiles.id()]));
        assert!(trial.seconds.values().all(|seconds| (1e-7..1.0).contains(seconds)), "{trial:?}");
    }
    let before = engine(Arc::clone(&device), KernelChoice::CPU_SHUFFLE);
    assert_eq!(chosen.variants()[1..], before.variants()[1..], "nothing but steps gets other kernels");
    assert_ne!(chosen.variants()[0], before.variants()[0]);

    // What is remembered is not measured again, and gives the same.
    let mut again = engine(Arc::clone(&device), KernelChoice::CPU_SHUFFLE);
    let waits = device.traffic().waits;
    again.choose(1, &[lanes, tiles], &mut trials).unwrap();
    assert_eq!(device.traffic().waits, waits);
    assert_eq!(again.variants(), chosen.variants());

    let mut logits = Vec::new();
    for mut engine in [chosen, again, before] {
        let sequence = engine.new_sequence();
        for (position, token) in [3, 14, 15].into_iter().enumerate() {
            logits.push(
                engine
                    .forward(&Batch::chain(sequence, position, &[token], RowOutput::Logits))
                    .unwrap()
                    .logits
                    .concat(),
            );
        }
    }
    let largest = logits[0].iter().fold(0.0f32, |largest, logit| largest.max(logit.abs()));
    for (place, other) in logits.iter().enumerate() {
        let pairs = logits[place % 3].iter().zip(other);
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
    let [lanes, rounding, tiles] = [LinearVariant::GemvPerLane, rounding, LinearVariant::GemmRegisters]
        .map(|variant| LinearKernel { variant, lanes: 8 });
    let mut trials = TuningCache::default();
    let mut progress = |_, _| ControlFlow::Continue(());
    let mut engine =
        Engine::load_with(device, plan, 64, &weights, &mut progress, KernelChoice::CPU_SHUFFLE).unwrap();
    let before = engine.variants();
    engine.choose(64, &[lanes, rounding, tiles], &mut trials).unwrap();
    let made = trials_of(&trials, &engine);
    assert!(!made.is_empty());
    for trial in made {
        assert!(trial.key.work.starts_with("linear map, more rows: f32 "), "{trial:?}");
        assert_eq!(trial.seconds.len(), 2, "{trial:?}");
    }
    let after = engine.variants();
    assert_ne!(after[2], before[2]);
    assert_eq!(
        (&after[..2], &after[3..]),
        (&before[..2], &before[3..]),
        "nothing but prompts gets other kernels"
    );
    // Asked for, kernels replace what trials found.
    engine.set_prefill_kernels(KernelChoice::CPU_SHUFFLE.many_rows).unwrap();
    assert_eq!(engine.variants(), before);
}

#[test]
fn nothing_to_choose_from_needs_no_trial() {
    let mut engine = engine(support::device(), KernelChoice::CPU);
    let mut trials = TuningCache::default();
    let [lanes, tiles] = [LinearVariant::GemvPerLane, LinearVariant::GemmRegisters]
        .map(|variant| LinearKernel { variant, lanes: 8 });
    let before = engine.variants();
    engine.choose(1, &[tiles], &mut trials).unwrap();
    // These kernels have lanes of their own, so both come down to the same.
    engine.choose(1, &[lanes, LinearKernel { lanes: 16, ..lanes }], &mut trials).unwrap();
    assert_eq!(trials_of(&trials, &engine).len(), 0);
    assert_eq!(engine.variants(), before);
}

/// The trials that were made on an engine's adapter.
fn trials_of<'a>(trials: &'a TuningCache, engine: &Engine) -> Vec<&'a Trial> {
    let info = &engine.device.info;
    trials.about(&info.full_name(), &info.driver).collect()
}
