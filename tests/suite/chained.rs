//! Decoding without waiting, and from summaries: what is decided and recorded is what a wait, or the whole
//! row, would have given.

use std::sync::atomic::AtomicBool;

use logitscope::decoding::chain::Chain;
use logitscope::decoding::stages::History;
use logitscope::decoding::{
    CacheUse, Control, DecodingError, DecodingSettings, EosRule, Picking, StageContext, StageSettings,
    StrategyKind, begin,
};
use logitscope::model::selection::{MOST_CANDIDATES, RowHandle, SamplingParams};
use logitscope::reference::selection::summarise;
use logitscope::trace::{Node, NodeTiming, Run, StopReason};

use super::fake_model::{Chaining, FakeModel};
use super::support::Numbers;

const NOTHING: History<'static> = History { tokens: &[], prompt: 0 };

fn decode(model: &mut FakeModel, settings: &DecodingSettings, prompt: &[u32]) -> Run {
    let mut strategy = begin(settings, &[9], prompt, model).unwrap();
    let mut run = Run::default();
    while run.stop.is_none() {
        let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
        run.stop = strategy.step(model, &mut run, &mut control).unwrap().stop;
    }
    strategy.release(model);
    assert_eq!(model.live_sequences(), 0);
    run
}

fn without_times(run: &Run) -> Vec<Node> {
    run.nodes.iter().map(|node| Node { timing: NodeTiming::default(), ..node.clone() }).collect()
}

/// Strategies and chains that summaries serve, and some that they do not.
fn settings() -> Vec<DecodingSettings> {
    let sample = |stages: StageSettings| DecodingSettings {
        strategy: StrategyKind::Sample,
        seed: 5,
        stages,
        ..DecodingSettings::default()
    };
    let plain = StageSettings::default;
    let mut all = vec![
        DecodingSettings::default(),
        sample(plain()),
        sample(StageSettings { temperature: 0.3, ..plain() }),
        sample(StageSettings { temperature: 1.4, top_k: 20, ..plain() }),
        sample(StageSettings { temperature: 0.5, top_p: 0.8, min_p: 0.01, ..plain() }),
        sample(StageSettings { min_p: 0.2, ..plain() }),
        sample(StageSettings { top_k: 400, ..plain() }),
        sample(StageSettings { repetition_penalty: 1.3, ..plain() }),
        DecodingSettings { recorded_candidates: 200, ..DecodingSettings::default() },
    ];
    all.iter_mut().for_each(|settings| {
        settings.stop.max_tokens = 40;
        settings.stop.eos = EosRule::Ignore;
    });
    all
}

#[test]
fn what_is_recorded_without_waiting_is_what_waiting_records() {
    for settings in settings() {
        for vocabulary in [30, 700] {
            let expected = decode(&mut FakeModel::scrambled(vocabulary), &settings, &[3, 1]);
            for chaining in
                [Chaining::WrongEvery(usize::MAX), Chaining::WrongEvery(3), Chaining::WrongEvery(1)]
            {
                let mut model = FakeModel::scrambled(vocabulary);
                model.chaining = chaining;
                let run = decode(&mut model, &settings, &[3, 1]);
                assert_eq!(without_times(&run), without_times(&expected), "{chaining:?} {settings:?}");
                assert_eq!((run.stop, run.phases.incremental.amount), (Some(StopReason::MaxTokens), 39));
                // What was computed in vain was forgotten, and nothing else was computed.
                assert_eq!(model.rows(), 2 + 39 + model.discarded);
            }
        }
    }
}

#[test]
fn a_right_forecast_wastes_nothing_and_an_end_wastes_one_pass() {
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = 30;
    let circle = || {
        FakeModel::new(12, |tokens| {
            let next = (tokens[tokens.len() - 1] + 1) % 12;
            (0..12).map(|id| if id == next { 3.0 } else { 0.0 }).collect()
        })
    };
    for (eos, generated, wasted) in [(EosRule::Ignore, 30, 0), (EosRule::Tokens(vec![8]), 5, 1)] {
        let mut model = circle();
        model.chaining = Chaining::WrongEvery(usize::MAX);
        settings.stop.eos = eos;
        let run = decode(&mut model, &settings, &[3]);
        assert_eq!((run.nodes.len(), model.discarded), (generated, wasted));
        // Nothing was waited for but what another pass followed already; a last one has no successor.
        assert_eq!(model.collected_alone, 1 - wasted);
    }
    // A context that is full ends it before a pass would go beyond.
    let mut model = circle();
    (model.context, model.chaining) = (10, Chaining::WrongEvery(usize::MAX));
    settings.stop.eos = EosRule::Ignore;
    let run = decode(&mut model, &settings, &[3]);
    assert_eq!((run.nodes.len(), run.stop, model.discarded), (9, Some(StopReason::ContextFull), 0));
}

#[test]
fn an_interrupt_between_steps_loses_nothing() {
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = 12;
    let expected = decode(&mut FakeModel::scrambled(50), &settings, &[4]);
    let mut model = FakeModel::scrambled(50);
    model.chaining = Chaining::WrongEvery(5);
    let mut strategy = begin(&settings, &[9], &[4], &model).unwrap();
    let mut run = Run::default();
    for call in 0.. {
        let interrupt = AtomicBool::new(call % 2 == 1);
        let mut control = Control { interrupt: &interrupt, progress: &mut |_, _| {} };
        match strategy.step(&mut model, &mut run, &mut control) {
            Ok(stepped) if stepped.stop.is_some() => break,
            Ok(_) => assert_eq!(call % 2, 0),
            Err(error) => assert_eq!((error, call % 2), (DecodingError::Interrupted, 1)),
        }
    }
    assert_eq!(without_times(&run), without_times(&expected));
    strategy.release(&mut model);
    assert_eq!(model.live_sequences(), 0);
}

#[test]
fn a_run_that_is_given_up_leaves_no_pass_behind() {
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = 12;
    let mut model = FakeModel::scrambled(50);
    model.chaining = Chaining::WrongEvery(usize::MAX);
    let mut strategy = begin(&settings, &[], &[4], &model).unwrap();
    let mut run = Run::default();
    for _ in 0..4 {
        let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
        strategy.step(&mut model, &mut run, &mut control).unwrap();
    }
    assert_eq!(run.nodes[3].counters.cached_positions, 4, "the pass under way does not count");
    strategy.release(&mut model);
    assert_eq!((model.live_sequences(), model.discarded), (0, 1));
}

#[test]
fn without_a_cache_there_is_nothing_to_chain() {
    let settings = DecodingSettings { cache: CacheUse::Recompute, ..settings().remove(0) };
    let mut model = FakeModel::scrambled(30);
    model.chaining = Chaining::WrongEvery(usize::MAX);
    let run = decode(&mut model, &settings, &[3, 1]);
    assert_eq!((run.nodes.len(), model.discarded), (40, 0));
}

#[test]
fn a_summary_records_what_the_whole_row_records() {
    let mut numbers = Numbers::new(3);
    let mut decided = 0;
    for round in 0..200 {
        let vocabulary = [40, MOST_CANDIDATES, 121, 900][round % 4];
        let height = [2.0, 9.0, 25.0][round % 3];
        let mut logits: Vec<f32> = numbers.take(vocabulary).iter().map(|number| height * number).collect();
        // Ties, and zeros: a temperature leaves them as they are.
        logits.iter_mut().step_by(7).for_each(|logit| *logit = logit.round());
        let stages = StageSettings {
            temperature: [1.0, 0.6, 1.7][round / 4 % 3],
            top_k: [0, 1, 17, 119, 1000][round / 3 % 5],
            top_p: [1.0, 0.9][round / 5 % 2],
            min_p: [0.0, 0.02][round / 7 % 2],
            ..StageSettings::default()
        };
        let chain = Chain::new(&stages, Picking::Sample, &StageContext::default(), 35);
        let Some(sampling) = chain.sampling_params(vocabulary, 0.5) else { continue };
        let whole = chain.run(&logits, NOTHING).unwrap();
        let Some(short) = chain.run_summary(&summarise(RowHandle(0), &logits, &sampling)) else { continue };
        decided += 1;
        let place = round as u32 % short.row.kept.len() as u32;
        let token = short.token(short.row.kept[place as usize]);
        let (short, whole) = (
            chain.record(short.clone(), short.row.kept[place as usize], NOTHING),
            chain.record(whole, token, NOTHING),
        );
        assert_same(&short, &whole, &format!("round {round}: {stages:?} over {vocabulary}"));
    }
    assert!(decided > 100, "only {decided} summaries decided");
}

fn assert_same(short: &Node, whole: &Node, what: &str) {
    let exact = |node: &Node| {
        let mut node = node.clone();
        (node.entropy, node.log_sum_exp, node.log_probability) = (0.0, 0.0, 0.0);
        (node.others.probability, node.others.raw_probability) = (0.0, 0.0);
        node.candidates.iter_mut().for_each(|c| (c.probability, c.raw_probability) = (0.0, 0.0));
        node
    };
    assert_eq!(exact(short), exact(whole), "{what}");
    let numbers = |node: &Node| {
        let mut numbers = vec![node.entropy, node.log_sum_exp, node.log_probability];
        numbers.extend([node.others.probability, node.others.raw_probability]);
        numbers.extend(node.candidates.iter().flat_map(|c| [c.probability, c.raw_probability]));
        numbers
    };
    for (short, whole) in numbers(short).into_iter().zip(numbers(whole)) {
        assert!((short - whole).abs() <= 2e-6 * whole.abs().max(1.0), "{what}: {short}, not {whole}");
    }
}

#[test]
fn what_a_summary_cannot_decide_is_left_to_the_whole_row() {
    let run = |stages: StageSettings, logits: &[f32]| {
        let chain = Chain::new(&stages, Picking::Sample, &StageContext::default(), 40);
        let sampling = chain.sampling_params(logits.len(), 0.5)?;
        chain.run_summary(&summarise(RowHandle(0), logits, &sampling))
    };
    let plain = StageSettings::default;
    let flat = vec![1.5; 300];
    let steep: Vec<f32> = (0..300).map(|id| -(id as f32)).collect();
    // Ties, shares and thresholds that go on beyond the candidates.
    assert!(run(StageSettings { top_k: 5, ..plain() }, &flat).is_none());
    assert!(run(StageSettings { top_p: 0.9, ..plain() }, &flat).is_none());
    assert!(run(StageSettings { min_p: 0.5, ..plain() }, &flat).is_none());
    assert!(run(StageSettings { top_k: 120, ..plain() }, &steep).is_none());
    assert!(run(StageSettings { temperature: 1e-6, ..plain() }, &steep).is_none());
    assert!(run(StageSettings { presence_penalty: 0.1, ..plain() }, &steep).is_none());
    let with_infinity = [&steep[..], &[f32::NEG_INFINITY]].concat();
    assert!(run(StageSettings { temperature: 0.5, ..plain() }, &with_infinity).is_none());
    // The same stages where nothing of it matters.
    for stages in [
        StageSettings { top_k: 5, ..plain() },
        StageSettings { top_p: 0.9, ..plain() },
        StageSettings { min_p: 0.5, ..plain() },
        StageSettings { temperature: 0.5, ..plain() },
        StageSettings { top_k: 300, ..plain() },
    ] {
        assert!(run(stages.clone(), &steep).is_some(), "{stages:?}");
    }
    assert_eq!(
        Chain::new(&plain(), Picking::Sample, &StageContext::default(), 121).sampling_params(300, 0.0),
        None
    );
    let expected = SamplingParams { top_k: 0, uniform: 0.25, ..SamplingParams::GREEDY };
    assert_eq!(
        Chain::new(&plain(), Picking::Sample, &StageContext::default(), 40).sampling_params(300, 0.25),
        Some(expected)
    );
}
