//! Looking ahead: the greedy tokens that would follow a candidate, and a run that is as if nobody had looked.

use std::time::Duration;

use logitscope::decoding::{DecodingSettings, EosRule, Picking, StrategyKind};
use logitscope::model::ModelError;
use logitscope::session::{Command, GpuLoader, ModelSource, Pace, Prompt, RunRequest, Severity, Status};
use logitscope::session::{LoadRequest, View};
use logitscope::trace::{Node, NodeTiming};

use super::counting_model::{Behaviour, Breakage};
use super::session::Watched;

fn start(watched: &Watched, settings: &DecodingSettings, pace: Pace, text: &str) {
    let prompt = Prompt::Text { text: text.to_owned(), special: Default::default() };
    watched.send(Command::Start(RunRequest { prompt, settings: settings.clone(), pace }));
}

fn greedy(max_tokens: usize) -> DecodingSettings {
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = max_tokens;
    settings.stop.eos = EosRule::Ignore;
    settings
}

fn peeked(view: &View, node: usize, token: u32) -> Option<Vec<u32>> {
    let peeked = view.peeked.as_ref().filter(|peeked| (peeked.node, peeked.token) == (node, token))?;
    peeked.done.then(|| peeked.tokens.iter().map(|token| token.id).collect())
}

#[test]
fn the_greedy_tokens_behind_a_candidate_are_told_while_the_run_waits() {
    let mut watched = Watched::ready(Behaviour::default());
    start(&watched, &greedy(6), Pace::SingleStep, "zero");
    watched.until("it waits", |view| view.status == Status::Paused);
    // After three comes four, and seven ends the text.
    watched.send(Command::Peek { node: 0, token: 3 });
    watched.until("it is told", |view| peeked(view, 0, 3).is_some());
    assert_eq!(peeked(watched.view(), 0, 3), Some(vec![4, 5, 6, 7]));
    watched.send(Command::Peek { node: 0, token: 7 });
    watched.until("it is told", |view| peeked(view, 0, 7).is_some());
    assert_eq!(peeked(watched.view(), 0, 7), Some((0..8).collect()), "eight tokens and no more");
    assert_eq!(watched.run().nodes.len(), 1, "the run stays where it is");
    watched.send(Command::Resume);
    assert_eq!(watched.finished().generated_ids(), [1, 2, 3, 4, 5, 6]);
    // Also of a run that has ended; of a node that is not there nothing is told.
    watched.send(Command::Peek { node: 99, token: 1 });
    watched.send(Command::Peek { node: 4, token: 0 });
    watched.until("it is told", |view| peeked(view, 4, 0).is_some());
    assert_eq!(peeked(watched.view(), 4, 0), Some(vec![1, 2, 3, 4, 5, 6, 7]));
}

#[test]
fn any_other_command_ends_it_and_a_moving_run_is_left_alone() {
    let slow = Behaviour { pass: Duration::from_millis(25), ..Behaviour::default() };
    let mut watched = Watched::ready(slow);
    start(&watched, &greedy(4), Pace::SingleStep, "zero");
    watched.until("it waits", |view| view.status == Status::Paused);
    watched.send(Command::Peek { node: 0, token: 7 });
    watched.until("it looks", |view| view.peeked.is_some());
    watched.send(Command::EndPeek);
    watched.send(Command::StepOnce);
    watched.until("it makes a step", |view| view.run.as_ref().is_some_and(|run| run.nodes.len() == 2));
    let tokens = watched.view().peeked.as_ref().map_or(0, |peeked| peeked.tokens.len());
    assert!(tokens < 8, "it was given up after {tokens} tokens");
    watched.send(Command::Resume);
    watched.send(Command::Peek { node: 0, token: 2 });
    let run = watched.finished();
    assert_eq!(run.generated_ids(), [1, 2, 3, 4]);
    assert!(watched.view().peeked.as_ref().is_none_or(|peeked| peeked.token == 7), "nothing was looked for");
}

#[test]
fn a_failure_is_told_and_takes_the_model_only_where_the_device_is_gone() {
    for (error, stays) in [
        (ModelError::BeyondContext { position: 9, context: 8 }, true),
        (ModelError::DeviceLost { reason: "unplugged".to_owned() }, false),
    ] {
        let broken_pass = Some((1, Breakage::Error(error)));
        let mut watched = Watched::ready(Behaviour { broken_pass, ..Behaviour::default() });
        start(&watched, &greedy(3), Pace::SingleStep, "zero");
        watched.until("it waits", |view| view.status == Status::Paused);
        watched.send(Command::Peek { node: 0, token: 3 });
        let failed = |view: &View| view.notices.iter().any(|notice| notice.severity == Severity::Error);
        watched.until("it fails", failed);
        if stays {
            watched.send(Command::Resume);
            assert_eq!(watched.finished().generated_ids(), [1, 2, 3]);
        } else {
            watched.until("the model is gone", |view| view.loaded.is_none());
        }
    }
}

/// The built-in model on the adapter, every strategy: looking ahead at every step changes nothing, and what is told is
/// what the greedy branch says.
#[test]
fn a_real_run_is_the_same_however_often_one_looks_ahead() {
    let mut watched = Watched::on(GpuLoader::default());
    watched.send(Command::Load(LoadRequest { context: Some(96), ..LoadRequest::of(ModelSource::BuiltIn) }));
    let minute = Duration::from_secs(60);
    watched.until_within(minute, "the model is ready", |view| view.status == Status::Ready);
    let all = [
        (StrategyKind::Greedy, Picking::Argmax),
        (StrategyKind::Sample, Picking::Sample),
        (StrategyKind::Beam, Picking::Argmax),
        (StrategyKind::Contrastive, Picking::Argmax),
        (StrategyKind::Speculative, Picking::Sample),
        (StrategyKind::Lookahead, Picking::Argmax),
    ];
    for (strategy, picking) in all {
        let settings = DecodingSettings { strategy, picking, seed: 4, ..greedy(8) };
        let nodes = |watched: &Watched| -> Vec<Node> {
            // Counters stay: a fork that was not released would show among what is cached.
            let bare = |node: &Node| Node { timing: NodeTiming::default(), ..node.clone() };
            watched.run().nodes.iter().map(bare).collect()
        };
        watched.forget_run();
        start(&watched, &settings, Pace::Continuous, "Once upon a time");
        watched.finished();
        let (expected, text) = (nodes(&watched), watched.run().generated_ids());
        watched.forget_run();
        start(&watched, &settings, Pace::SingleStep, "Once upon a time");
        loop {
            watched.until_within(minute, "it waits", |view| {
                view.status == Status::Paused || view.run.as_ref().is_some_and(|run| run.stop.is_some())
            });
            let node = watched.run().line.len().saturating_sub(1) / 2;
            let token = watched.run().nodes[node].candidates[1].token;
            watched.send(Command::Peek { node, token });
            watched.until_within(minute, "it is told", |view| peeked(view, node, token).is_some());
            if watched.run().stop.is_some() {
                break;
            }
            let steps = watched.run().phases.incremental_steps;
            watched.send(Command::StepOnce);
            watched.until_within(minute, "it made a step", |view| {
                view.run
                    .as_ref()
                    .is_some_and(|run| run.phases.incremental_steps > steps || run.stop.is_some())
            });
        }
        assert_eq!(nodes(&watched), expected, "{strategy:?}");
        assert_eq!(watched.run().generated_ids(), text, "{strategy:?}");
        if strategy == StrategyKind::Greedy {
            let token = watched.run().nodes[2].candidates[1].token;
            watched.send(Command::Peek { node: 2, token });
            watched.until_within(minute, "it is told", |view| peeked(view, 2, token).is_some());
            let told = peeked(watched.view(), 2, token).expect("it was told");
            watched.send(Command::Branch { node: 2, token, pace: Pace::Continuous });
            watched.until_within(minute, "the branch ends", |view| {
                view.run.as_ref().is_some_and(|run| run.stop.is_some() && run.nodes.len() > 9)
            });
            let branch = watched.run().generated_ids();
            assert_eq!(branch[3..], told[..branch.len() - 3], "a branch goes where one looked");
        }
    }
}
