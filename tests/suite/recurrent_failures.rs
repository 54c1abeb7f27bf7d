//! Passes on models whose layers keep states that are interrupted, cancelled, or fail: sequences, states and pages are
//! what they were before.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use logitscope::decoding::{Control, DecodingError, DecodingSettings, StrategyInputs};
use logitscope::gpu::Engine;
use logitscope::model::batch::RowOutput;
use logitscope::model::config::{
    Activation, Bias, ConvolutionConfig, GatedDeltaConfig, HeadOrder, RecurrentConfig, StateHeads,
};
use logitscope::model::selection::SamplingParams;
use logitscope::model::{Batch, ChainedModel, LanguageModel, ModelError, Row, SequenceId};
use logitscope::reference::Reference;
use logitscope::session::{Decode, Prompt, ReadyModel, RunError};
use logitscope::trace::Run;

use super::checkpoints;
use super::engine::{assert_close, load, tokens};
use super::recurrent_strategies::{FOLDERS, Pair, advance, settings, whole_run};
use super::same_runs::assert_same;
use super::states::{layer, plan};
use super::support::{OUR_STRATEGIES, device};

/// A step that is interrupted, in initiation after a chunk, otherwise before it begins; whether it was.
fn interrupted(decode: &mut Decode, ready: &mut ReadyModel) -> bool {
    let flag = AtomicBool::new(!decode.run.nodes.is_empty());
    let mut progress = |_, _| flag.store(true, Ordering::Relaxed);
    match decode.advance(ready, &mut Control { interrupt: &flag, progress: &mut progress }) {
        Ok(()) => false,
        Err(RunError::Decoding(DecodingError::Interrupted)) => true,
        Err(error) => panic!("{error}"),
    }
}

/// A run every second step of which is interrupted first.
fn interrupted_run(
    settings: &DecodingSettings,
    prompt: &[u32],
) -> impl Fn(&mut ReadyModel, &StrategyInputs) -> Run {
    move |ready, aids| {
        let prompt = Prompt::Ids(prompt.to_vec());
        let mut decode = Decode::begin_with(ready, aids.clone(), &prompt, settings).expect("a good prompt");
        let mut interruptions = 0;
        while decode.run.stop.is_none() {
            let nodes = decode.run.nodes.len();
            if interrupted(&mut decode, ready) {
                interruptions += 1;
                assert_eq!(decode.run.nodes.len(), nodes, "nothing was appended");
            }
            if nodes > 0 {
                advance(&mut decode, ready);
            }
        }
        assert!(interruptions > 3, "only {interruptions}");
        decode.end(ready)
    }
}

#[test]
fn interrupted_steps_go_on_where_they_stopped() {
    for name in FOLDERS {
        let mut pair = Pair::of(name);
        for strategy in OUR_STRATEGIES {
            let (settings, prompt) = (settings(strategy), tokens(70));
            let aids = StrategyInputs::default();
            let found = interrupted_run(&settings, &prompt)(&mut pair.cached, &aids);
            let expected = whole_run(&settings, &prompt, 0)(&mut pair.uncached, &aids);
            assert_same(&found, &expected, &format!("{name}, {strategy:?}"));
            let usage = pair.cached.model.cache_usage();
            assert_eq!((usage.pages, usage.states), (0, 0), "{name}, {strategy:?}");
        }
    }
}

#[test]
fn a_cancelled_run_leaves_nothing_behind() {
    for name in FOLDERS {
        let mut ready = checkpoints::ready(name);
        for (strategy, steps) in
            OUR_STRATEGIES.into_iter().flat_map(|strategy| [(strategy, 0), (strategy, 3)])
        {
            let prompt = Prompt::Ids(tokens(70));
            let mut decode = Decode::begin(&ready, &prompt, &settings(strategy)).expect("a good prompt");
            (0..steps).for_each(|_| advance(&mut decode, &mut ready));
            assert!(interrupted(&mut decode, &mut ready) && ready.model.cache_usage().states > 0);
            decode.end(&mut ready);
            let usage = ready.model.cache_usage();
            assert_eq!((usage.pages, usage.states), (0, 0), "{name}, {strategy:?}, {steps} steps");
        }
    }
}

#[test]
fn a_run_whose_device_is_lost_keeps_its_text_and_gives_up_its_states() {
    for strategy in OUR_STRATEGIES {
        let opened = checkpoints::opened(&checkpoints::source("lfm2"));
        let device = device();
        let engine =
            opened.engine(Arc::clone(&device), &mut |_, _| ControlFlow::Continue(())).expect("loads");
        let mut ready = checkpoints::with_model(opened, Box::new(engine));
        let mut decode =
            Decode::begin(&ready, &Prompt::Ids(tokens(20)), &settings(strategy)).expect("a good prompt");
        (0..3).for_each(|_| advance(&mut decode, &mut ready));
        let before = decode.run.clone();
        device.destroy();
        let flag = AtomicBool::new(false);
        let error = decode.advance(&mut ready, &mut Control { interrupt: &flag, progress: &mut |_, _| {} });
        match error {
            Err(RunError::Decoding(DecodingError::Model(error))) if is_lost(&error) => {}
            other => panic!("{strategy:?}: {other:?}"),
        }
        assert_eq!(decode.run.nodes, before.nodes, "{strategy:?}");
        decode.end(&mut ready);
        let usage = ready.model.cache_usage();
        assert_eq!((usage.pages, usage.states), (0, 0), "{strategy:?}");
    }
}

fn is_lost(error: &ModelError) -> bool {
    matches!(error, ModelError::DeviceLost { .. })
}

/// Lengths of sequences, pages, states, and positions computed again.
fn held(engine: &Engine, sequences: &[SequenceId]) -> (Vec<usize>, [usize; 2], u64) {
    let usage = engine.cache_usage();
    let lengths = sequences.iter().map(|&sequence| engine.length(sequence)).collect();
    (lengths, [usage.pages, usage.states], usage.recomputed)
}

#[test]
fn passes_of_a_lost_device_leave_sequences_as_they_were() {
    for name in FOLDERS {
        let opened = checkpoints::opened(&checkpoints::source(name));
        let device = device();
        let mut engine =
            opened.engine(Arc::clone(&device), &mut |_, _| ControlFlow::Continue(())).expect("loads");
        let text = engine.new_sequence();
        engine.forward(&Batch::chain(text, 0, &tokens(40), RowOutput::Nothing)).unwrap();
        let cut = engine.fork(text).unwrap();
        engine.truncate(cut, 17);
        let fork = engine.fork(text).unwrap();
        engine.forward(&Batch::chain(fork, 40, &[1], RowOutput::Logits)).unwrap();
        let sequences = [text, cut, fork];
        let before = held(&engine, &sequences);

        let summary = RowOutput::Summary(SamplingParams::GREEDY);
        let first = engine.submit(&Batch::chain(text, 40, &[1], summary)).unwrap();
        let second = engine.follow(first, summary).unwrap();
        device.destroy();
        let collected = engine.collect(first);
        engine.discard(second);
        // Its buffer may be what fails first.
        let failed = matches!(&collected, Err(ModelError::DeviceLost { .. } | ModelError::Device { .. }));
        assert!(failed, "{name}: {collected:?}");
        assert_eq!(held(&engine, &sequences), before, "{name}: passes on their way");

        let row = |token, sequence, position, parent| Row {
            token,
            position,
            sequence,
            parent,
            output: RowOutput::Logits,
        };
        let batches = [
            // A state to compute again, a chain, branches of one sequence and rows of two, and more than keep states.
            Batch::chain(cut, 17, &[1, 2], RowOutput::Logits),
            Batch::chain(text, 40, &tokens(3), RowOutput::Logits),
            vec![
                row(1, text, 40, None),
                row(2, text, 40, None),
                row(3, fork, 41, None),
                row(4, text, 41, Some(1)),
            ]
            .into(),
            Batch::chain(fork, 41, &tokens(30), RowOutput::Logits),
        ];
        for batch in batches {
            let error = engine.forward(&batch).unwrap_err();
            assert!(is_lost(&error), "{name}: {error:?}");
            assert_eq!(held(&engine, &sequences), before, "{name}: a pass of {} rows", batch.rows.len());
        }
        sequences.into_iter().for_each(|sequence| engine.release(sequence));
        assert_eq!(held(&engine, &[]), (vec![], [0, 0], before.2));
    }
}

/// A layer of the delta rule whose states take this many times 64 KiB, beside those of its convolution.
fn heavy(heads: usize) -> RecurrentConfig {
    RecurrentConfig::GatedDelta(GatedDeltaConfig {
        heads: StateHeads {
            heads,
            groups: 1,
            order: HeadOrder::Neighbours,
            key_width: 128,
            value_width: 128,
        },
        convolution: ConvolutionConfig { kernel: 4, bias: Bias::Absent },
        strength_range: 1.0,
        gate: Activation::Silu,
        norm_epsilon: 1e-6,
    })
}

/// Both sides of a model of which twelve states fit into a binding, whatever the adapter's limit.
fn of_few_states() -> (Engine, Reference) {
    let device = device();
    let heads = (device.info.binding_bytes / 12 / (64 << 10)) as usize;
    load(&plan(vec![layer(None, Some(heavy(heads)), None)]), device)
}

#[test]
fn checkpoints_make_way_where_a_binding_is_full() {
    let (mut engine, mut twin) = of_few_states();
    let (on_gpu, on_cpu) = (engine.new_sequence(), twin.new_sequence());
    for (position, token) in tokens(18).into_iter().enumerate() {
        let batch = |sequence| Batch::chain(sequence, position, &[token], RowOutput::Logits);
        let found = engine.forward(&batch(on_gpu)).unwrap().logits;
        let expected = twin.forward(&batch(on_cpu)).unwrap().logits;
        assert_close(&found[0], &expected[0], &format!("position {position}"));
    }
    assert_eq!(engine.cache_usage().states, 11, "all but the empty one");
    // Rows that go on from several states that are gone.
    let rows = |sequence| {
        let output = RowOutput::Logits;
        let row = |(token, position)| Row { token, position, sequence, parent: None, output };
        Batch::from([(3, 4), (9, 7), (8, 12), (7, 7)].map(row).to_vec())
    };
    let found = engine.forward(&rows(on_gpu)).unwrap().logits;
    let expected = twin.forward(&rows(on_cpu)).unwrap().logits;
    for (found, expected) in found.iter().zip(&expected) {
        assert_close(found, expected, "a row at a position before");
    }
    assert!(engine.cache_usage().recomputed > 0);
    engine.release(on_gpu);
    assert_eq!(held(&engine, &[]).1, [0, 0]);
}

#[test]
fn a_pass_for_which_there_is_no_memory_leaves_sequences_as_they_were() {
    let (mut engine, mut twin) = of_few_states();
    let mut sequences = Vec::new();
    let error = loop {
        let sequence = engine.new_sequence();
        sequences.push(sequence);
        let before = held(&engine, &sequences);
        if let Err(error) = engine.forward(&Batch::chain(sequence, 0, &[5], RowOutput::Logits)) {
            assert_eq!(held(&engine, &sequences), before);
            break error;
        }
    };
    assert!(matches!(error, ModelError::OutOfMemory { .. }), "{error:?}");
    assert_eq!(sequences.len(), 12, "eleven states beside the empty one");
    // With one sequence less there is room again, and no state was harmed.
    let last = sequences.pop().expect("many");
    engine.release(sequences.pop().expect("many"));
    engine.release(last);
    let on_cpu = twin.new_sequence();
    let expected = twin.forward(&Batch::chain(on_cpu, 0, &[5, 6], RowOutput::Logits)).unwrap().logits;
    for &sequence in &sequences[..2] {
        let found = engine.forward(&Batch::chain(sequence, 1, &[6], RowOutput::Logits)).unwrap().logits;
        assert_close(&found[0], &expected[0], "after a pass without memory");
    }
}
