//! Looks inside the passes of a run, while it goes on: what they find is what the run recorded, and they change nothing of
//! it.

use std::path::Path;
use std::time::Duration;

use logitscope::decoding::{CacheUse, DecodingSettings, StrategyKind};
use logitscope::session::command::LoadRequest;
use logitscope::session::{
    Command, Event, Found, ModelSource, Pace, ProbeTarget, Prompt, RunRequest, Session, Status, View,
};
use logitscope::trace::Run;

use super::checkpoints;
use super::engine::tokens;
use super::recurrent_sessions::Fixtures;
use super::recurrent_strategies::settings;
use super::same_runs::assert_same;
use super::support::OUR_STRATEGIES;

const PROMPT: usize = 37;

struct Worker {
    session: Session,
    view: View,
}

impl Worker {
    /// With a checkpoint of the fixtures.
    fn with(name: &str) -> Self {
        let session = Session::with_loader(Fixtures(checkpoints::ready), || {});
        let mut worker = Self { session, view: View::default() };
        let source = ModelSource::Path(Path::new(name).to_owned());
        worker.session.send(Command::Load(LoadRequest::of(source)));
        while worker.view.status != Status::Ready {
            worker.take();
        }
        worker
    }

    fn take(&mut self) -> Event {
        let event = self.session.wait(Duration::from_secs(120)).expect("the worker answers");
        self.view.apply(event.clone());
        event
    }

    fn run(&self) -> &Run {
        self.view.run.as_ref().expect("a run has begun")
    }

    /// Looks inside the pass that led to a token.
    fn look(&mut self, target: ProbeTarget) -> Result<Found, String> {
        self.session.send(Command::Probe(target));
        loop {
            if let Event::Probed(probed) = self.take() {
                assert_eq!(probed.target, target);
                assert_eq!(self.view.probed.as_ref(), Some(&probed));
                return probed.found;
            }
        }
    }

    fn begin(&mut self, settings: DecodingSettings) {
        let (prompt, pace) = (Prompt::Ids(tokens(PROMPT)), Pace::SingleStep);
        self.session.send(Command::Start(RunRequest { prompt, settings, pace }));
    }

    fn until_held(&mut self) {
        while !matches!(self.take(), Event::Paused | Event::Finished { .. }) {}
    }

    /// Each token of the run and some of the prompt: the last row's log-probability is the recorded one.
    fn look_everywhere(&mut self, what: &str) {
        for index in 0..self.run().nodes.len() {
            let node = &self.run().nodes[index];
            let (token, step, recorded) = (node.token, node.step, node.log_probability);
            let found = self.look(ProbeTarget::Node(index)).expect("a generated token");
            let probe = &found.probe;
            assert_eq!((probe.token, probe.position), (token, PROMPT + step - 2), "{what}: node {index}");
            let off = (probe.last.log_probability - f64::from(recorded)).abs();
            assert!(off < 1e-3, "{what}: node {index}: off by {off}");
            assert!(found.pieces.contains_key(&token), "{what}");
        }
        let found = self.look(ProbeTarget::Prompt(5)).expect("a token of the prompt");
        assert_eq!((found.probe.token, found.probe.position), (tokens(PROMPT)[5], 4), "{what}");
    }
}

/// Some steps, a branch and the line before it again.
fn run(name: &str, settings: &DecodingSettings, looks: bool) -> Run {
    let mut worker = Worker::with(name);
    worker.begin(settings.clone());
    worker.until_held();
    let look = |worker: &mut Worker| {
        if looks {
            worker.look_everywhere(&format!("{name}, {:?}", settings.strategy));
        }
    };
    for _ in 0..3 {
        look(&mut worker);
        worker.session.send(Command::StepOnce);
        worker.until_held();
    }
    if settings.strategy != StrategyKind::Beam {
        let (tip, other) = (worker.run().nodes.len() - 1, worker.run().nodes[1].candidates[2].token);
        worker.session.send(Command::Branch { node: 1, token: other, pace: Pace::SingleStep });
        worker.until_held();
        look(&mut worker);
        worker.session.send(Command::StepOnce);
        worker.until_held();
        worker.session.send(Command::Follow { tip });
        worker.until_held();
        look(&mut worker);
    }
    worker.session.send(Command::Resume);
    while worker.run().stop.is_none() {
        // In the midst of it: between two steps.
        if looks {
            worker.look(ProbeTarget::Prompt(9)).expect("a token of the prompt");
        } else {
            worker.take();
        }
    }
    worker.run().clone()
}

/// With every strategy, and with nothing cached, on attention with windows and caps, and on states.
#[test]
fn looks_find_what_a_run_recorded_and_change_nothing_of_it() {
    for name in ["gemma2", "qwen3_5"] {
        for strategy in OUR_STRATEGIES {
            let mut settings = settings(strategy);
            settings.stop.max_tokens = 9;
            let (looked, alone) = (run(name, &settings, true), run(name, &settings, false));
            assert_same(&looked, &alone, &format!("{name}, {strategy:?}"));
        }
        let cache = CacheUse::Recompute;
        let mut settings = DecodingSettings { cache, ..settings(StrategyKind::Greedy) };
        settings.stop.max_tokens = 6;
        assert_same(&run(name, &settings, true), &run(name, &settings, false), name);
    }
}

#[test]
fn what_cannot_be_looked_into_is_told() {
    let mut worker = Worker::with("llama-f32");
    let without_run = worker.look(ProbeTarget::Node(0)).expect_err("no run");
    assert!(without_run.contains("run the prompt again"), "{without_run}");
    worker.begin(settings(StrategyKind::Greedy));
    worker.until_held();
    let beyond = worker.look(ProbeTarget::Node(7)).expect_err("no such node");
    assert!(beyond.contains("no such token"), "{beyond}");
    let first = worker.look(ProbeTarget::Prompt(0)).expect_err("nothing before it");
    assert!(first.contains("nothing comes before"), "{first}");
    assert_eq!(worker.view.notices, []);
    assert!(worker.look(ProbeTarget::Node(0)).is_ok(), "the run is still there");
}
