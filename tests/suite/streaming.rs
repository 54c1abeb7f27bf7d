//! Layers in the computer's memory: what they compute is, bit by bit, what they compute on the GPU; how much memory that
//! takes; and what there is to say where it is not enough.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use egui_kittest::kittest::Queryable;
use logitscope::gpu::{self, Device, Engine, KernelChoice, LoadError, Placed};
use logitscope::model::batch::RowOutput;
use logitscope::model::config::{
    Bias, ExpertKind, ExpertsConfig, FeedForwardKind, HeadWeights, ModelConfig, RouterConfig, RouterScores,
    ShareUse,
};
use logitscope::model::selection::SamplingParams;
use logitscope::model::weight_format::BlockFormat;
use logitscope::model::{
    Batch, Fused, LanguageModel, ModelError, Plan, ProbeRequest, SequenceId, WeightFormat, Weights, fuse,
    plan_decoder,
};
use logitscope::session::event::{Event, Loaded};
use logitscope::synthetic::shapes;
use logitscope::trace::ModelFacts;
use logitscope::units::Streaming;

use super::states;
use super::support::{MadeWeights, device, program};
use super::window::{press, sees, sees_part, window, window_on};
use super::window_script::{Scripted, loaded};

pub const CONTEXT: usize = 256;
const VOCABULARY: usize = 512;
pub const SUMMARY: RowOutput = RowOutput::Summary(SamplingParams::GREEDY);

/// Six layers whose rows are whole blocks of every format, with tied embeddings.
fn config(layers: usize) -> ModelConfig {
    let mut config = shapes::config("stories15m").unwrap();
    config.vocabulary = VOCABULARY;
    config.context = CONTEXT;
    config.width = 256;
    config.layers.truncate(1);
    let layer = &mut config.layers[0];
    let attention = layer.attention.as_mut().unwrap();
    (attention.heads, attention.key_value_heads, attention.head_width) = (4, 2, 64);
    attention.rotary.as_mut().unwrap().width = 64;
    layer.feed_forward.as_mut().unwrap().width = 512;
    config.layers = vec![config.layers[0].clone(); layers];
    config
}

pub fn experts() -> ModelConfig {
    let mut config = config(6);
    config.head = HeadWeights::Separate;
    let router =
        RouterConfig { scores: RouterScores::Softmax, groups: None, renormalised: Some(0.0), factor: 1.0 };
    for layer in &mut config.layers {
        let block = layer.feed_forward.as_mut().unwrap();
        block.kind = FeedForwardKind::Experts(ExpertsConfig {
            count: 8,
            active: 2,
            router,
            selection_bias: Bias::Absent,
            kind: ExpertKind::Gated,
            shared: None,
            share_factors: Bias::Absent,
            share_use: ShareUse::OfResults,
            apart: None,
            shared_bias: Bias::Absent,
        });
        block.width = 256;
    }
    config
}

/// Layers of every kind with a state, three times.
fn recurrent() -> ModelConfig {
    let mut config = states::config();
    config.layers = [&config.layers[..]; 3].concat();
    config
}

/// Half of a plan's matrices in one format, half in another, so that its layers differ.
pub fn mixed(plan: &Plan) -> MadeWeights {
    let mut weights = MadeWeights::random(plan, WeightFormat::F16, 5);
    for (index, spec) in plan.tensors.iter().enumerate().filter(|(_, spec)| spec.rows > 1) {
        if index % 3 == 0 && spec.columns.is_multiple_of(32) {
            weights.store(index, WeightFormat::Q8_0);
        }
    }
    weights
}

pub struct Model {
    pub plan: Plan,
    pub weights: MadeWeights,
}

impl Model {
    pub fn new(config: &ModelConfig, format: WeightFormat) -> Self {
        let plan = plan_decoder(config);
        let weights = MadeWeights::random(&plan, format, 7);
        Self { plan, weights }
    }

    pub fn fused(&self) -> Fused<'_> {
        fuse(&self.plan, &self.weights)
    }

    pub fn placed(&self, device: &Device, limit: u64) -> Result<Placed, LoadError> {
        let Fused { plan, weights } = self.fused();
        gpu::place(&plan, weights.tensors(), CONTEXT, &device.info, Some(limit))
    }

    /// The least memory that it runs in.
    pub fn least(&self, device: &Device) -> u64 {
        first(|limit| self.placed(device, limit).is_ok())
    }

    /// The most memory in which some layers have no place.
    pub fn most(&self, device: &Device) -> u64 {
        first(|limit| self.placed(device, limit).is_ok_and(|placed| placed.streaming.is_none())) - 1
    }

    pub fn load(&self, device: &Arc<Device>, limit: Option<u64>) -> Result<Engine, LoadError> {
        device.limit_memory(limit);
        let Fused { plan, weights } = self.fused();
        let progress = &mut |_, _| ControlFlow::Continue(());
        // With passes ahead on software drivers as well.
        let choice = KernelChoice { begins_ahead: true, ..KernelChoice::candidates(&device.capabilities)[0] };
        Engine::load_with(Arc::clone(device), plan, CONTEXT, &weights, progress, choice)
    }
}

/// The first number for which something holds, as it does from there on.
pub fn first(holds: impl Fn(u64) -> bool) -> u64 {
    let (mut below, mut holding) = (0, 1 << 34);
    while holding - below > 1 {
        let middle = (below + holding) / 2;
        if holds(middle) {
            holding = middle;
        } else {
            below = middle;
        }
    }
    holding
}

pub fn tokens(count: usize) -> Vec<u32> {
    (0..count).map(|index| (index * 37 % 100) as u32).collect()
}

pub fn feed(model: &mut dyn LanguageModel, sequence: SequenceId, tokens: &[u32]) -> Vec<Vec<f32>> {
    let start = model.length(sequence);
    model.forward(&Batch::chain_of_outputs(sequence, start, tokens, RowOutput::Logits)).unwrap().logits
}

/// Logits of prompts and steps of every kind: many rows, few, one, steps that follow unread ones, and a branch.
pub fn logits(engine: &mut Engine) -> Vec<Vec<f32>> {
    let sequence = engine.new_sequence();
    let mut all = feed(engine, sequence, &tokens(40));
    for count in [1, 1, 3, 8, 1] {
        all.extend(feed(engine, sequence, &tokens(count)));
    }
    let next = engine.length(sequence);
    let step = Batch::chain(sequence, next, &[5], SUMMARY);
    if engine.chained().is_some() {
        let first = engine.chained().unwrap().submit(&step).unwrap();
        let second = engine.chained().unwrap().follow(first, SUMMARY).unwrap();
        for pass in [first, second] {
            let summary = engine.chained().unwrap().collect(pass).unwrap().summaries.remove(0);
            all.push(engine.read_row(summary.row).unwrap().unwrap());
        }
    } else {
        let first = engine.forward(&step).unwrap().summaries.remove(0);
        all.push(engine.read_row(first.row).unwrap().unwrap());
        let step = Batch::chain(sequence, next + 1, &[first.chosen], SUMMARY);
        let second = engine.forward(&step).unwrap().summaries.remove(0);
        all.push(engine.read_row(second.row).unwrap().unwrap());
    }
    let fork = engine.fork(sequence).unwrap();
    engine.truncate(fork, 20);
    all.extend(feed(engine, fork, &tokens(2)));
    engine.release(fork);
    engine.release(sequence);
    all
}

fn models() -> Vec<(&'static str, Model)> {
    let q4_k = WeightFormat::Blocks(BlockFormat::Q4K);
    let plan = plan_decoder(&config(7));
    let weights = mixed(&plan);
    vec![
        ("f16", Model::new(&config(6), WeightFormat::F16)),
        ("q4_0", Model::new(&config(6), WeightFormat::Q4_0)),
        ("q4_k", Model::new(&config(5), q4_k)),
        ("mixed formats", Model { plan, weights }),
        ("experts", Model::new(&experts(), WeightFormat::F16)),
        ("states", Model::new(&recurrent(), WeightFormat::F32)),
    ]
}

#[test]
fn layers_that_cross_the_bus_compute_the_same_bit_by_bit() {
    let device = device();
    for (what, model) in models() {
        let mut whole = model.load(&device, None).unwrap();
        assert_eq!(whole.streaming(), None, "{what}");
        let expected = logits(&mut whole);
        drop(whole);
        let [least, most] = [model.least(&device), model.most(&device)];
        assert!(least < most, "{what}");
        for limit in [least, most] {
            let mut engine = model.load(&device, Some(limit)).unwrap();
            let streaming = engine.streaming().expect("some layers are not on the GPU");
            assert!(streaming.layers - streaming.resident_layers > 2, "{what}: {streaming:?}");
            assert_eq!(logits(&mut engine), expected, "{what} within {limit}: {streaming:?}");
            let memory = engine.memory().total();
            assert!(memory <= limit, "{what}: {memory} of {limit} bytes");
        }
    }
}

#[test]
fn memory_stays_within_the_limit_however_long_texts_get() {
    let device = device();
    let model = Model::new(&config(6), WeightFormat::F16);
    let limit = model.least(&device) + 2_000_000;
    let mut engine = model.load(&device, Some(limit)).unwrap();
    let mut refused = None;
    'sequences: for _ in 0..100 {
        let sequence = engine.new_sequence();
        while engine.length(sequence) + 64 <= engine.context() {
            let start = engine.length(sequence);
            match engine.forward(&Batch::chain(sequence, start, &tokens(64), RowOutput::Nothing)) {
                Ok(_) => {}
                Err(error) => {
                    refused = Some(error);
                    break 'sequences;
                }
            }
            let memory = engine.memory().total();
            assert!(memory <= limit, "{memory} of {limit} bytes");
        }
    }
    assert!(matches!(refused, Some(ModelError::OutOfMemory { .. })), "{refused:?}");
}

#[test]
fn too_little_is_one_error_with_numbers() {
    let device = device();
    let model = Model::new(&config(6), WeightFormat::F16);
    let least = model.least(&device);
    let error = model.load(&device, Some(least - 1)).err().expect("too little").to_string();
    for part in ["at least", "GPU memory", "--gpu-memory", "shorter context"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(model.load(&device, Some(1)).is_err());
    assert!(model.load(&device, Some(least)).is_ok(), "the device goes on");
}

#[test]
fn ops_one_by_one_profiles_and_probes_are_those_of_layers_on_the_gpu() {
    let device = device();
    let model = Model::new(&config(6), WeightFormat::F16);
    let mut whole = model.load(&device, None).unwrap();
    let limited = self::device();
    let mut engine = model.load(&limited, Some(model.least(&limited))).unwrap();
    let values = |engine: &mut Engine| {
        let sequence = engine.new_sequence();
        feed(engine, sequence, &tokens(9));
        let pass = engine.begin(&Batch::chain(sequence, 9, &[3], RowOutput::Logits)).unwrap();
        for op in 0..engine.plan().ops.len() {
            engine.run_op(&pass, op, 1).unwrap();
        }
        let by_ops = engine.read_buffer(engine.plan().logits, 1).unwrap();
        let request = ProbeRequest { sequence, position: 5, input: 3, token: Some(7), top: 5 };
        let probe = engine.probing().unwrap().probe(&request).unwrap();
        let profile =
            engine.profiling().unwrap().op_times(&Batch::chain(sequence, 9, &[3], RowOutput::Logits));
        let kinds: Vec<String> = profile.unwrap().into_iter().flatten().map(|op| op.kind).collect();
        engine.release(sequence);
        (by_ops, format!("{probe:?}"), kinds)
    };
    assert_eq!(values(&mut engine), values(&mut whole));
}

#[test]
fn a_pass_is_interrupted_between_layers_and_nothing_of_it_is_kept() {
    let device = device();
    // Layers of some megabytes each: more than one submission.
    let mut large = config(6);
    large.layers.iter_mut().for_each(|layer| layer.feed_forward.as_mut().unwrap().width = 6144);
    let model = Model::new(&large, WeightFormat::F32);
    let mut engine = model.load(&device, Some(model.least(&device))).unwrap();
    let sequence = engine.new_sequence();
    feed(&mut engine, sequence, &tokens(5));
    let batch = Batch::chain(sequence, 5, &tokens(30), RowOutput::Logits);
    let interrupted = engine.forward_unless(&batch, &AtomicBool::new(true));
    assert_eq!(interrupted, Err(ModelError::Interrupted));
    assert_eq!(engine.length(sequence), 5);
    let flag = AtomicBool::new(false);
    let after = engine.forward_unless(&batch, &flag).unwrap().logits;
    assert!(!flag.load(Ordering::Relaxed));
    let other = engine.new_sequence();
    feed(&mut engine, other, &tokens(5));
    assert_eq!(
        engine.forward(&Batch::chain(other, 5, &tokens(30), RowOutput::Logits)).unwrap().logits,
        after
    );
}

#[test]
fn the_bus_is_timed_where_something_crosses_it() {
    let device = device();
    let model = Model::new(&config(6), WeightFormat::F16);
    let times = |limit: Option<u64>| {
        let mut engine = model.load(&device, limit).unwrap();
        let sequence = engine.new_sequence();
        let outputs = engine.forward(&Batch::chain(sequence, 0, &tokens(3), RowOutput::Logits)).unwrap();
        outputs.timing
    };
    let whole = times(None);
    assert_eq!(whole.bus_seconds, None);
    let streamed = times(Some(model.least(&device)));
    let bus = streamed.bus_seconds.expect("the software driver has timestamps");
    assert!(bus > 0.0 && bus < streamed.total_seconds, "{streamed:?}");
    assert!(streamed.gpu_seconds.unwrap() > 0.0);
}

#[test]
fn a_model_beside_another_gets_what_is_left() {
    let device = device();
    let (model, draft) =
        (Model::new(&config(6), WeightFormat::F16), Model::new(&config(3), WeightFormat::Q4_0));
    let limit = model.least(&device) + draft.least(&device) + 200_000;
    let kept = device.keep_free(draft.least(&device) + 100_000);
    let engine = model.load(&device, Some(limit)).unwrap();
    drop(kept);
    let beside = draft.load(&device, Some(limit)).unwrap();
    let together = engine.memory().total() + beside.memory().total();
    assert!(together <= limit, "{together} of {limit}");
    assert!(draft.load(&device, Some(limit)).is_err(), "nothing is left for a third");
    drop(engine);
    assert!(draft.load(&device, Some(limit)).is_ok(), "what goes gives its memory back");
}

#[test]
fn what_does_not_fit_after_all_is_loaded_again_with_layers_in_the_computers_memory() {
    let device = device();
    let model = Model::new(&config(6), WeightFormat::F16);
    let mut whole = model.load(&device, None).unwrap();
    let (expected, bytes) = (logits(&mut whole), whole.memory().total());
    drop(whole);
    // As a driver does that promised more than there is; staging memory counts as well.
    device.fail_beyond(bytes);
    let Fused { plan, weights } = model.fused();
    let progress = &mut |_, _| ControlFlow::Continue(());
    let mut engine = Engine::load(device, plan, CONTEXT, &weights, progress).unwrap();
    let streaming = engine.streaming().expect("not all of it is on the GPU");
    assert!(streaming.resident_layers < streaming.layers, "{streaming:?}");
    assert_eq!(logits(&mut engine), expected);
}

/// The built-in model as the commands run it.
fn built_in(arguments: &[&str]) -> serde_json::Value {
    let output = program().args(arguments).arg("--json").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {error}"))
}

#[test]
fn the_commands_take_a_limit_and_tell_what_it_means() {
    // The first size in which it runs has all layers in the computer's memory.
    let sizes = (4..64).map(|megabytes| format!("{megabytes}MB"));
    let streamed = |size: String| {
        let card = built_in(&["inspect", "--context", "300", "--gpu-memory", &size]);
        let streamed = card["adapter"]["streamed"].clone();
        streamed.is_object().then_some((size, streamed))
    };
    let (size, streamed) = sizes.filter_map(streamed).next().expect("a size in which layers are streamed");
    assert!(streamed["bus_bytes"].as_u64() > Some(0) && streamed["most_tokens_per_s"].as_f64() > Some(0.0));
    let generate = |more: &[&str]| {
        built_in(&[&["generate", "-p", "Once upon a time", "-n", "12", "--context", "300"], more].concat())
    };
    let (whole, limited) = (generate(&[]), generate(&["--gpu-memory", &size]));
    assert_eq!(limited["ids"], whole["ids"]);
    assert_eq!(limited["steps"], whole["steps"], "to the last digit");
    assert_eq!(limited["model"]["streaming"]["bus_bytes"], streamed["bus_bytes"]);
    for phase in ["initiation", "incremental"] {
        assert!(limited["phases"][phase]["bus_seconds"].as_f64() > Some(0.0), "{phase}");
        assert!(whole["phases"][phase].get("bus_seconds").is_none(), "{phase}");
    }
    let drafted =
        generate(&["--gpu-memory", "90MB", "--strategy", "speculative", "--draft-model", "built-in"]);
    assert_eq!(drafted["ids"], whole["ids"]);
    let refused = program().args(["generate", "-p", "x", "--gpu-memory", "1MB"]).output().unwrap();
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && error.contains("1.00 MB"), "{error}");
    assert_eq!(error.matches("error").count(), 1, "{error}");
}

#[test]
fn the_window_tells_which_layers_are_where_and_how_long_the_bus_took() {
    let script = Scripted::default();
    let mut window = window_on(script.clone(), 1800.0, 1800.0);
    window.run();
    let streaming = Streaming {
        layers: 30,
        resident_layers: 9,
        bus_bytes: 46_400_000,
        gpu_bytes: 54_600_000,
        step_bytes: None,
    };
    let model = ModelFacts { streaming: Some(streaming), ..loaded().model };
    script.tell(Event::Loaded(Box::new(Loaded { model, ..loaded() })));
    script.0.borrow_mut().bus_seconds = Some(0.002);
    window.run();
    press(&mut window, "Run");
    script.steps(4);
    window.run();
    assert!(sees(&window, "Wait for the bus: 2.0 ms"));
    window.get_by_label_contains("Load: ").click();
    window.run();
    assert!(sees(&window, "Layers on the GPU: 9 of 30") && sees(&window, "Over the bus: 46.4 MB"));
}

#[test]
fn of_a_model_on_the_gpu_the_window_says_nothing_of_the_bus() {
    let (mut window, script) = window();
    press(&mut window, "Run");
    script.steps(4);
    window.run();
    for part in ["Wait for the bus", "Layers on the GPU", "Over the bus"] {
        assert!(!sees_part(&window, part), "{part}");
    }
}
