//! Runs that pause by themselves: where their conditions say, at the right token of a pass, and the text is that of a
//! run that never paused.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use logitscope::decoding::{
    DecodingSettings, EosRule, LookaheadSettings, Picking, SpeculativeSettings, StageSettings, StrategyKind,
};
use logitscope::session::break_when::Limit;
use logitscope::session::decode::uninterrupted;
use logitscope::session::{
    Break, BreakReason, BreakWhen, Command, Decode, GpuLoader, LoadRequest, Loader, ModelSource, Pace,
    Prompt, ReadyModel, RunRequest, Status,
};
use logitscope::trace::{Node, NodeTiming, Run, StopReason};

use super::counting_model::{Behaviour, FakeLoader};
use super::fake_model::{Chaining, FakeModel, scrambled_logits};
use super::session::Watched;

/// A model that mostly counts, so that drafts and guesses come true, and now and then is undecided.
fn wavering() -> FakeModel {
    const WORDS: u32 = 12;
    let mut model = FakeModel::new(WORDS as usize, |tokens| {
        let mut logits = scrambled_logits(WORDS as usize, &tokens[tokens.len().saturating_sub(3)..]);
        let next = (tokens[tokens.len() - 1] + 1) % WORDS;
        logits[next as usize] += 5.0;
        logits
    });
    model.chaining = Chaining::WrongEvery(5);
    model
}

fn ready(model: FakeModel) -> ReadyModel {
    let request = LoadRequest::of(ModelSource::BuiltIn);
    let mut loader = FakeLoader(Behaviour { textless: true, ..Behaviour::default() });
    let ready = loader.load(&request, &mut |_, _| ControlFlow::Continue(())).expect("it loads");
    ReadyModel { model: Box::new(model), ..ready }
}

/// Every strategy, drawing and taking the highest.
fn settings() -> Vec<DecodingSettings> {
    let stages = StageSettings { temperature: 0.9, top_k: 6, ..StageSettings::default() };
    let of = |strategy, picking| {
        let mut settings =
            DecodingSettings { strategy, picking, seed: 11, stages: stages.clone(), ..Default::default() };
        settings.speculative = SpeculativeSettings { draft_tokens: 5, ..SpeculativeSettings::default() };
        settings.lookahead = LookaheadSettings { window: 3, ngram: 4, guesses: 3 };
        settings.stop.max_tokens = 60;
        settings.stop.eos = EosRule::Ignore;
        settings
    };
    let (highest, draws) = (Picking::Argmax, Picking::Sample);
    vec![
        of(StrategyKind::Greedy, highest),
        of(StrategyKind::Sample, draws),
        of(StrategyKind::Beam, highest),
        of(StrategyKind::Beam, draws),
        of(StrategyKind::Contrastive, highest),
        of(StrategyKind::Speculative, highest),
        of(StrategyKind::Speculative, draws),
        of(StrategyKind::Lookahead, highest),
    ]
}

/// Decodes to the end, going on wherever the run pauses; gives the run and where it paused.
fn decode(ready: &mut ReadyModel, settings: &DecodingSettings, when: &BreakWhen) -> (Run, Vec<Break>) {
    let prompt = Prompt::Ids(vec![0, 1, 2, 3, 0, 1]);
    let mut decode = Decode::begin(ready, &prompt, settings).expect("it begins");
    let mut breaks = Vec::new();
    while decode.run.stop.is_none() {
        let broke = uninterrupted(|control| decode.advance_until(ready, control, when)).expect("it goes on");
        if let Some(broke) = broke {
            assert_eq!(decode.run.tip(), Some(broke.node), "the line ends where the run pauses");
            breaks.push(broke);
        }
        assert!(breaks.len() < 1000, "it comes to an end");
    }
    (decode.end(ready), breaks)
}

fn without_times(run: &Run) -> Vec<Node> {
    run.nodes.iter().map(|node| Node { timing: NodeTiming::default(), ..node.clone() }).collect()
}

/// A condition, and whether it holds at a node.
type Condition = (BreakWhen, fn(&Node) -> bool);

/// Conditions of one kind each, and whether a node meets them, told another way.
fn conditions() -> Vec<Condition> {
    let off = BreakWhen::default;
    vec![
        (BreakWhen { entropy: Limit { on: true, at: 1.0 }, ..off() }, |node| node.entropy > 1.0),
        (BreakWhen { probability: Limit { on: true, at: 0.5 }, ..off() }, |node| {
            (node.logit - node.log_sum_exp).exp() < 0.5
        }),
        (BreakWhen { rank: Limit { on: true, at: 1 }, ..off() }, |node| node.rank >= 2),
        (BreakWhen { tokens: BTreeSet::from([4, 9]), ..off() }, |node| [4, 9].contains(&node.token)),
        (BreakWhen { passed_over: true, ..off() }, |node| {
            // Temperature and top-k keep the order: the likeliest is the one with the highest logit.
            node.candidates.iter().any(|candidate| candidate.logit > node.logit)
        }),
    ]
}

#[test]
fn a_run_pauses_at_every_token_that_meets_a_condition_and_its_text_stays_the_same() {
    let mut paused_within_a_pass = 0;
    for settings in settings() {
        let name = format!("{:?}, {:?}", settings.strategy, settings.picking);
        let mut ready = ready(wavering());
        let (expected, breaks) = decode(&mut ready, &settings, &BreakWhen::default());
        assert!(breaks.is_empty());
        for (when, meets) in conditions() {
            let (run, breaks) = decode(&mut ready, &settings, &when);
            assert_eq!(without_times(&run), without_times(&expected), "{name}: {when:?}");
            assert_eq!((&run.line, run.stop), (&expected.line, Some(StopReason::MaxTokens)), "{name}");
            let paused: Vec<usize> = breaks.iter().map(|broke| broke.node).collect();
            if settings.strategy != StrategyKind::Beam {
                // The last token ends the run: it does not pause there, but the condition is met.
                let all: Vec<usize> = run.line.iter().copied().filter(|&at| meets(&run.nodes[at])).collect();
                assert_eq!(paused, all, "{name}: {when:?}");
            }
            assert!(paused.iter().all(|&node| meets(&run.nodes[node])), "{name}: {when:?}");
            let ends_pass = |node| run.step_of(node).is_none_or(|step| step.nodes.end == node + 1);
            paused_within_a_pass += paused.iter().filter(|&&node| !ends_pass(node)).count();
        }
    }
    assert!(
        paused_within_a_pass > 20,
        "passes with several tokens paused among them: {paused_within_a_pass}"
    );
}

#[test]
fn the_reasons_come_with_their_numbers() {
    // Two equal logits, and a chosen token far down: log-softmax by hand.
    let mut ready = ready(FakeModel::new(4, |_| vec![2.0, 1.0, 2.0, 0.0]));
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = 2;
    settings.stages.forced_tokens.insert(1, 3);
    let when = BreakWhen {
        entropy: Limit { on: true, at: 1.0 },
        probability: Limit { on: true, at: 0.06 },
        rank: Limit { on: true, at: 3 },
        tokens: BTreeSet::from([3]),
        tie: true,
        passed_over: true,
        ..BreakWhen::default()
    };
    let (run, breaks) = decode(&mut ready, &settings, &when);
    let sum = 2.0 * 2.0_f64.exp() + 1.0_f64.exp() + 1.0;
    let shares = [2.0_f64.exp() / sum, 1.0_f64.exp() / sum, 2.0_f64.exp() / sum, 1.0 / sum];
    let expected_nats: f64 = shares.iter().map(|p| -p * p.ln()).sum();
    assert_eq!(run.generated_ids(), [3, 0]);
    let reasons = &breaks[0].reasons;
    // Forced tokens cut all others: nothing more probable was left to pass over.
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    let BreakReason::Entropy { nats, limit: 1.0 } = reasons[0] else { panic!("{reasons:?}") };
    assert!((f64::from(nats) - expected_nats).abs() < 1e-5, "{nats}, not {expected_nats}");
    let BreakReason::Probability { probability, limit: 0.06 } = reasons[1] else { panic!("{reasons:?}") };
    assert!((f64::from(probability) - shares[3]).abs() < 1e-6);
    assert_eq!(reasons[2], BreakReason::Rank { rank: 4, limit: 3 });
    assert_eq!(reasons[3], BreakReason::Token(3.into()));
    assert_eq!(reasons[4], BreakReason::Tie { tokens: [0.into(), 2.into()], logit: 2.0 });

    // By a penalty the highest raw logit loses: what is passed over is what the stages leave highest.
    settings.stages.forced_tokens.clear();
    let passed_over = BreakWhen { passed_over: true, ..BreakWhen::default() };
    settings.stages.logit_bias.insert(1, 5.0);
    let (run, breaks) = decode(&mut ready, &settings, &passed_over);
    assert_eq!((run.generated_ids(), breaks), (vec![1, 1], vec![]), "greedy decoding passes nothing over");
}

fn begin(text: &str, when: BreakWhen, max_tokens: usize) -> Watched {
    let watched = Watched::ready(Behaviour::default());
    watched.send(Command::BreakWhen(when));
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = max_tokens;
    settings.stop.eos = EosRule::Ignore;
    let prompt = Prompt::Text { text: text.to_owned(), special: Default::default() };
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
    watched
}

#[test]
fn the_worker_pauses_says_why_and_goes_on() {
    let text = BreakWhen { text: "ree fo".to_owned(), ..BreakWhen::default() };
    let mut watched = begin("zero", text, 14);
    watched.until("it pauses", |view| view.status == Status::Paused);
    assert_eq!(watched.run().generated_ids(), [1, 2, 3, 4], "the text ends within the fourth token");
    let broke = watched.view().broke.clone().expect("it says why");
    assert_eq!(broke, Break { node: 3, reasons: vec![BreakReason::Text("ree fo".to_owned())] });
    watched.send(Command::Resume);
    watched.until("it goes on", |view| view.broke.is_none());
    watched.until("it pauses again", |view| view.status == Status::Paused);
    assert_eq!(watched.run().generated_ids().len(), 12, "eight words later the text appears again");
    // Conditions may change while the run waits.
    watched.send(Command::BreakWhen(BreakWhen::default()));
    watched.send(Command::Resume);
    let run = watched.finished();
    assert_eq!((run.generated_ids().len(), run.stop), (14, Some(StopReason::MaxTokens)));
    assert_eq!(watched.view().broke, None);
}

#[test]
fn a_text_that_appeared_counts_once() {
    let text = BreakWhen { text: "four".to_owned(), ..BreakWhen::default() };
    let mut watched = begin("zero", text, 13);
    for tokens in [4, 12] {
        watched.until("it pauses", |view| view.status == Status::Paused);
        assert_eq!(watched.run().generated_ids().len(), tokens);
        watched.send(Command::Resume);
        watched.until("it goes on", |view| view.status != Status::Paused);
    }
    assert_eq!(watched.finished().generated_ids().len(), 13);
}

#[test]
fn a_single_step_pauses_once_and_the_end_of_a_run_is_no_pause() {
    let when = BreakWhen { tokens: BTreeSet::from([3]), ..BreakWhen::default() };
    let mut watched = begin("zero", when, 3);
    assert_eq!(watched.finished().generated_ids(), [1, 2, 3]);
    assert_eq!((&watched.view().status, &watched.view().broke), (&Status::Ready, &None));
}

/// The built-in model on the adapter: paused and continued runs say what uninterrupted ones say.
#[test]
fn a_real_model_says_the_same_with_and_without_pauses() {
    let request = LoadRequest { context: Some(128), ..LoadRequest::of(ModelSource::BuiltIn) };
    let mut ready =
        GpuLoader::default().load(&request, &mut |_, _| ControlFlow::Continue(())).expect("it loads");
    let when = BreakWhen {
        entropy: Limit { on: true, at: 3.5 },
        passed_over: true,
        text: "the ".to_owned(),
        ..BreakWhen::default()
    };
    for mut settings in settings() {
        settings.stop.max_tokens = 16;
        let name = format!("{:?}, {:?}", settings.strategy, settings.picking);
        let (expected, _) = decode(&mut ready, &settings, &BreakWhen::default());
        let (run, breaks) = decode(&mut ready, &settings, &when);
        assert_eq!(run.text(), expected.text(), "{name}");
        assert_eq!(run.generated_ids(), expected.generated_ids(), "{name}");
        assert!(!breaks.is_empty(), "{name} paused");
    }
}
