//! Experts in the computer's memory: what a pass brings of them is what its rows take, and the results are, bit by bit, those
//! of a model that lies on the GPU.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use logitscope::decoding::{Control, DecodingSettings, EosRule, StrategyInputs, StrategyKind, begin_with};
use logitscope::formats;
use logitscope::gpu::{Device, Engine};
use logitscope::model::batch::RowOutput;
use logitscope::model::config::{FeedForwardKind, ModelConfig};
use logitscope::model::probe::ExpertsProbe;
use logitscope::model::weight_format::{BlockFormat, GridFormat};
use logitscope::model::{
    Batch, Fused, LanguageModel, ModelError, ProbeRequest, Row, SequenceId, WeightFormat, plan_decoder,
};
use logitscope::trace::{NodeTiming, Run, StepDetail};

use super::streaming::{CONTEXT, Model, SUMMARY, experts, feed, logits, mixed, tokens};
use super::support::{OUR_STRATEGIES, device, fixture};

/// A tiny checkpoint's configuration, with its layers several times, so that there are more than take turns.
fn family(name: &str) -> ModelConfig {
    let mut config = formats::open(&fixture("families").join(name)).unwrap().config;
    let times = 6_usize.div_ceil(config.layers.len());
    config.layers = vec![&config.layers[..]; times].concat();
    config
}

/// Six layers with so many experts, of which a row takes two.
fn of(count: usize) -> ModelConfig {
    let mut config = experts();
    for layer in &mut config.layers {
        let block = layer.feed_forward.as_mut().unwrap();
        let FeedForwardKind::Experts(experts) = &mut block.kind else { panic!("it has experts") };
        experts.count = count;
    }
    config
}

fn models() -> Vec<(String, Model)> {
    let formats = [
        WeightFormat::F32,
        WeightFormat::Q8_0,
        WeightFormat::Blocks(BlockFormat::Q4K),
        WeightFormat::Blocks(BlockFormat::Mxfp4),
        // With a table before the scales.
        WeightFormat::Grids(GridFormat::Iq3Xxs),
    ];
    let quantised = formats.map(|format| (format.name().to_owned(), Model::new(&experts(), format)));
    // Layers that differ: what lies in a buffer of the ring is of experts and of other matrices in turn.
    let plan = plan_decoder(&experts());
    let weights = mixed(&plan);
    let mixed = ("mixed formats".to_owned(), Model { plan, weights });
    // Routers of every kind; shared experts, biases, shares on inputs, experts apart from the block, states, layers without any.
    let families = [
        "mixtral",
        "olmoe",
        "deepseek_v3",
        "gpt_oss",
        "phimoe",
        "ernie4_5_moe-biases",
        "gemma4_text-experts",
        "llama4_text-two-experts",
        "granitemoehybrid-mamba-experts",
    ];
    let families = families.map(|name| (name.to_owned(), Model::new(&family(name), WeightFormat::F16)));
    quantised.into_iter().chain([mixed]).chain(families).collect()
}

/// With as little memory as it runs in, on a device of its own: other tests would add to its traffic.
fn limited(model: &Model) -> (Arc<Device>, Engine) {
    let device = device();
    let engine = model.load(&device, Some(model.least(&device))).unwrap();
    assert_eq!(engine.streaming().expect("layers are in the computer's memory").resident_layers, 0);
    (device, engine)
}

/// Bit by bit; of thousands of numbers a failure names the first row that differs.
fn assert_same(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
    assert_eq!(differs, None, "{what}: a row differs");
}

/// Bytes that crossed the bus meanwhile, and what it gave.
fn crossed<T>(device: &Device, run: impl FnOnce() -> T) -> (u64, T) {
    let before = device.traffic().bus_bytes;
    let result = run();
    (device.traffic().bus_bytes - before, result)
}

#[test]
fn experts_that_come_one_by_one_compute_the_same_bit_by_bit() {
    let device = device();
    let logits = |engine: &mut Engine| {
        // The first pass finds nothing in the ring.
        let sequence = engine.new_sequence();
        let mut all = feed(engine, sequence, &tokens(2));
        engine.release(sequence);
        all.extend(logits(engine));
        all
    };
    for (what, model) in models() {
        let mut whole = model.load(&device, None).unwrap();
        assert!(whole.chained().is_some(), "{what}");
        let expected = logits(&mut whole);
        assert!(expected.iter().flatten().all(|logit| logit.is_finite()), "{what}");
        drop(whole);
        let limit = model.least(&device);
        let mut engine = model.load(&device, Some(limit)).unwrap();
        let streaming = engine.streaming().expect("some layers are not on the GPU");
        assert!(streaming.step_bytes < Some(streaming.bus_bytes), "{what}: {streaming:?}");
        assert!(engine.chained().is_none(), "{what}: no pass is ahead of one that waits for routers");
        assert_same(&logits(&mut engine), &expected, &format!("{what} within {limit}: {streaming:?}"));
    }
}

/// Every pass after one of many rows: what lies in the ring is told by a list of experts and layers.
#[test]
fn a_pass_brings_what_its_rows_take_and_what_is_not_there() {
    const EXPERTS: usize = 8;
    let model = Model::new(&experts(), WeightFormat::F16);
    let (device, mut engine) = limited(&model);
    let mut whole = model.load(&self::device(), None).unwrap();
    let Fused { plan, .. } = model.fused();
    let of_experts = plan.tensors.iter().filter(|tensor| tensor.name.contains(".experts."));
    let all_experts: usize = of_experts.map(|tensor| 2 * tensor.rows * tensor.columns).sum();
    let streaming = engine.streaming().unwrap();
    let (layers, always) = (streaming.layers, streaming.bus_bytes - all_experts as u64);
    let each = (all_experts / layers / EXPERTS) as u64;
    assert_eq!(streaming.step_bytes, Some(always + all_experts as u64 / 4), "two of eight experts");

    let (sequence, of_whole) = (engine.new_sequence(), whole.new_sequence());
    let mut held = [[None; EXPERTS]; 2];
    let (mut taken, mut came) = (0, 0);
    for (pass, rows) in [40, 1, 1, 1, 2, 3, 4, 1, 5, 1, 1, 4].into_iter().enumerate() {
        let start = engine.length(sequence);
        let text: Vec<u32> = (0..rows).map(|row| ((7 * pass + 11 * row) % 100) as u32).collect();
        let (bytes, found) = crossed(&device, || feed(&mut engine, sequence, &text));
        assert_same(&found, &feed(&mut whole, of_whole, &text), &format!("pass {pass}"));
        if rows > 4 {
            // More than three quarters of the experts are expected to be taken: all come.
            (0..layers).for_each(|layer| held[layer % 2] = [Some(layer); EXPERTS]);
            assert_eq!(bytes, streaming.bus_bytes, "pass {pass}");
            continue;
        }
        let mut missing = 0;
        let routes: Vec<Vec<Vec<usize>>> = (text.iter().enumerate())
            .map(|(row, &input)| {
                let position = start + row;
                let request = ProbeRequest { sequence: of_whole, position, input, token: Some(0), top: 1 };
                let probe = whole.probing().unwrap().probe(&request).unwrap();
                let chosen =
                    |experts: ExpertsProbe| experts.chosen.into_iter().map(|(expert, _)| expert).collect();
                probe.layers.into_iter().map(|layer| chosen(layer.inside.experts.unwrap())).collect()
            })
            .collect();
        for layer in 0..layers {
            let chosen: BTreeSet<usize> = routes.iter().flat_map(|row| row[layer].clone()).collect();
            taken += chosen.len();
            for expert in chosen {
                missing += u64::from(held[layer % 2][expert] != Some(layer));
                held[layer % 2][expert] = Some(layer);
            }
        }
        came += missing;
        assert_eq!(bytes, always + missing * each, "pass {pass}: {missing} experts were not there");
        assert!(rows > 1 || Some(bytes) <= streaming.step_bytes, "pass {pass}");
    }
    assert!(came < taken as u64, "some were there still");
}

#[test]
fn rows_of_several_sequences_take_experts_together() {
    let model = Model::new(&of(32), WeightFormat::F16);
    let (device, mut engine) = limited(&model);
    let mut whole = model.load(&self::device(), None).unwrap();
    let run = |engine: &mut Engine| {
        let prompt = engine.new_sequence();
        let mut all = feed(engine, prompt, &tokens(30));
        let beams: Vec<SequenceId> = (0..5).map(|_| engine.fork(prompt).unwrap()).collect();
        for step in 0..4 {
            let row = |(beam, &sequence): (usize, &SequenceId)| Row {
                token: (9 * beam + 31 * step) as u32,
                position: 30 + step,
                sequence,
                parent: None,
                output: RowOutput::Logits,
            };
            let rows = beams.iter().enumerate().map(row).collect();
            all.extend(engine.forward(&Batch { rows, ..Batch::default() }).unwrap().logits);
        }
        all
    };
    let expected = run(&mut whole);
    let (bytes, found) = crossed(&device, || run(&mut engine));
    assert_same(&found, &expected, "beams");
    let all = engine.streaming().unwrap().bus_bytes;
    assert!(bytes > all && bytes < 3 * all, "a prompt and four steps: {bytes} of {all} each");
}

/// Decodes, and tells all that was recorded but for the times.
fn decoded(model: &mut dyn LanguageModel, strategy: StrategyKind, aids: &StrategyInputs) -> Run {
    let mut settings = DecodingSettings { strategy, ..DecodingSettings::default() };
    (settings.stop.max_tokens, settings.stop.eos) = (12, EosRule::Ignore);
    // Text that repeats, for lookup.
    let prompt = tokens(9).repeat(2);
    let mut strategy = begin_with(&settings, &[], &prompt, model, aids).unwrap();
    let mut run = Run::default();
    while run.stop.is_none() {
        let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
        run.stop = strategy.step(model, &mut run, &mut control).unwrap().stop;
    }
    strategy.release(model);
    assert_eq!(model.cache_usage().pages, 0);
    run.nodes.iter_mut().for_each(|node| node.timing = NodeTiming::default());
    run
}

#[test]
fn strategies_decode_the_same() {
    let model = Model::new(&of(32), WeightFormat::F16);
    let mut whole = model.load(&device(), None).unwrap();
    let (_device, mut engine) = limited(&model);
    let decode = |model: &mut dyn LanguageModel, strategy| {
        let run = decoded(model, strategy, &StrategyInputs::default());
        (run.nodes, run.sequences)
    };
    for strategy in OUR_STRATEGIES {
        assert!(decode(&mut engine, strategy) == decode(&mut whole, strategy), "{strategy:?}");
    }
}

#[test]
fn a_draft_model_whose_experts_come_one_by_one_drafts_the_same() {
    let mut model = Model::new(&of(32), WeightFormat::F16).load(&device(), None).unwrap();
    // The same weights, rounded: it guesses right now and then.
    let draft = Model::new(&of(32), WeightFormat::Q8_0);
    let mut decode = |engine: Engine| {
        let engine: Box<dyn LanguageModel> = Box::new(engine);
        let aids = StrategyInputs { draft: Some(Rc::new(engine.into())), ..StrategyInputs::default() };
        let run = decoded(&mut model, StrategyKind::Speculative, &aids);
        let drafts = run.steps.into_iter().filter_map(|step| match step.detail {
            StepDetail::Speculative(step) => Some((step.drafted, step.added, step.draft_passes)),
            _ => None,
        });
        (drafts.collect::<Vec<_>>(), run.nodes)
    };
    let (device, limited) = limited(&draft);
    let step = limited.streaming().unwrap().step_bytes.expect("experts come one by one");
    let (bytes, found) = crossed(&device, || decode(limited));
    let expected = decode(draft.load(&self::device(), None).unwrap());
    assert!(found == expected, "{found:?}\n{expected:?}");
    let tokens: usize = found.0.iter().map(|(drafted, ..)| drafted.len()).sum();
    assert!(found.0.len() < found.1.len(), "some of its {tokens} tokens were right");
    assert!(bytes > step, "{bytes} crossed the bus");
}

#[test]
fn a_pass_that_waits_for_a_router_is_interrupted_there_and_what_lies_in_the_ring_is_known() {
    let model = Model::new(&experts(), WeightFormat::F16);
    let (device, mut engine) = limited(&model);
    let sequence = engine.new_sequence();
    feed(&mut engine, sequence, &tokens(5));
    let batch = Batch::chain(sequence, 5, &tokens(2), RowOutput::Logits);
    let all = engine.streaming().unwrap().step_bytes.unwrap();
    let (bytes, interrupted) = crossed(&device, || engine.forward_unless(&batch, &AtomicBool::new(true)));
    assert_eq!(interrupted, Err(ModelError::Interrupted));
    assert!(bytes < all / 2, "it ends at the first router: {bytes} of {all}");
    assert_eq!(engine.length(sequence), 5, "nothing of it is kept");
    let after = engine.forward_unless(&batch, &AtomicBool::new(false)).unwrap().logits;
    let mut whole = model.load(&self::device(), None).unwrap();
    let other = whole.new_sequence();
    feed(&mut whole, other, &tokens(5));
    let expected = whole.forward(&Batch::chain(other, 5, &tokens(2), RowOutput::Logits)).unwrap().logits;
    assert_same(&after, &expected, "the pass once more");
}

#[test]
fn ops_one_by_one_probes_and_profiles_between_steps_bring_whole_layers() {
    let model = Model::new(&experts(), WeightFormat::F16);
    let (_device, mut engine) = limited(&model);
    let mut whole = model.load(&device(), None).unwrap();
    let values = |engine: &mut Engine| {
        let sequence = engine.new_sequence();
        let mut all = feed(engine, sequence, &tokens(9));
        for step in 0..3 {
            let input = 3 + step as u32;
            let batch = Batch::chain(sequence, 9 + step, &[input], RowOutput::Logits);
            let fork = engine.fork(sequence).unwrap();
            let ops = engine.plan().ops.len();
            let begun = engine.begin(&Batch::chain(fork, 9 + step, &[input], RowOutput::Logits)).unwrap();
            // Not to the end of the plan: the ring is left with other layers in it.
            for op in 0..ops - 11 * step {
                engine.run_op(&begun, op, 1).unwrap();
            }
            all.push(engine.read_buffer(engine.plan().logits, 1).unwrap());
            engine.release(fork);
            all.extend(engine.forward(&batch).unwrap().logits);
            let request = ProbeRequest { sequence, position: 5, input: 3, token: Some(7), top: 5 };
            let probe = engine.probing().unwrap().probe(&request).unwrap();
            all.push(vec![probe.last.logit]);
            all.push(probe.layers.iter().map(|layer| layer.residual_norm as f32).collect());
        }
        let fork = engine.fork(sequence).unwrap();
        let times = engine.profiling().unwrap().op_times(&Batch::chain(fork, 12, &[3], RowOutput::Logits));
        assert_eq!(times.unwrap().map(|times| times.len()), Some(engine.plan().ops.len()));
        engine.release(fork);
        all.extend(feed(engine, sequence, &tokens(1)));
        all
    };
    assert_same(&values(&mut engine), &values(&mut whole), "");
}

#[test]
fn the_wait_for_routers_and_their_experts_is_time_of_the_bus() {
    let model = Model::new(&experts(), WeightFormat::F16);
    let (_device, mut engine) = limited(&model);
    let sequence = engine.new_sequence();
    feed(&mut engine, sequence, &tokens(5));
    let timing = engine.forward(&Batch::chain(sequence, 5, &[3], SUMMARY)).unwrap().timing;
    let bus = timing.bus_seconds.expect("the software driver has timestamps");
    assert!(bus > 0.0 && bus < timing.total_seconds, "{timing:?}");
    let clocked = timing.encode_seconds + timing.wait_seconds;
    assert!(clocked <= 1.01 * timing.total_seconds, "{timing:?}");
}

/// Where a row takes nearly all experts, they come with their layers.
#[test]
fn experts_that_are_nearly_all_taken_come_ahead() {
    let mut config = experts();
    for layer in &mut config.layers {
        let block = layer.feed_forward.as_mut().unwrap();
        let FeedForwardKind::Experts(experts) = &mut block.kind else { panic!("it has experts") };
        experts.active = 7;
    }
    let model = Model::new(&config, WeightFormat::F16);
    let (device, mut engine) = limited(&model);
    let streaming = engine.streaming().unwrap();
    assert_eq!(streaming.step_bytes, None);
    assert!(engine.chained().is_some());
    let sequence = engine.new_sequence();
    let (bytes, _) = crossed(&device, || feed(&mut engine, sequence, &[3]));
    assert_eq!(bytes, streaming.bus_bytes);
    assert!(engine.context() <= CONTEXT);
}
