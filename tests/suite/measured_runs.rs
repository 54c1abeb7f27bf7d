//! The worker's measurements of a run: both ways with and without the KV cache, the ops of its steps, what lies in the
//! cache. They change nothing of it.

use std::time::Duration;

use logitscope::decoding::{DecodingSettings, StrategyKind};
use logitscope::session::command::LoadRequest;
use logitscope::session::{
    CacheMap, Command, Event, ModelSource, Pace, Prompt, RunRequest, Session, Status, StepProfile, View,
};
use logitscope::trace::Run;

use super::engine::tokens;

const PROMPT: usize = 37;

struct Worker {
    session: Session,
    view: View,
}

impl Worker {
    fn start() -> Self {
        let mut worker = Self { session: Session::start(|| {}), view: View::default() };
        worker.session.send(Command::Load(LoadRequest::of(ModelSource::BuiltIn)));
        worker.until(|worker| worker.view.status == Status::Ready);
        worker
    }

    fn take(&mut self) -> Event {
        let event = self.session.wait(Duration::from_secs(120)).expect("the worker answers");
        self.view.apply(event.clone());
        event
    }

    fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            self.take();
        }
    }

    fn run(&self) -> &Run {
        self.view.run.as_ref().expect("a run has begun")
    }

    fn begin(&mut self, max_tokens: usize) {
        let mut settings = DecodingSettings { strategy: StrategyKind::Greedy, ..DecodingSettings::default() };
        settings.stop.max_tokens = max_tokens;
        let (prompt, pace) = (Prompt::Ids(tokens(PROMPT)), Pace::SingleStep);
        self.session.send(Command::Start(RunRequest { prompt, settings, pace }));
        self.until(|worker| worker.view.status == Status::Paused);
    }

    fn step(&mut self) {
        self.session.send(Command::StepOnce);
        while !matches!(self.take(), Event::Paused | Event::Finished { .. }) {}
    }

    fn compare(&mut self) {
        self.session.send(Command::Compare);
        while !matches!(self.take(), Event::ComparisonEnded) {}
    }

    fn profile(&mut self, node: usize) -> Result<StepProfile, String> {
        self.session.send(Command::Profile(node));
        loop {
            if let Event::Profiled(profiled) = self.take() {
                assert_eq!(profiled.node, node);
                return profiled.found;
            }
        }
    }

    fn map(&mut self) -> CacheMap {
        self.session.send(Command::MapCache);
        loop {
            if let Event::CacheMapped(map) = self.take() {
                return CacheMap::clone(&map);
            }
        }
    }
}

/// A run of eight tokens; in the midst of it everything is measured, or nothing.
fn run(measured: bool) -> Run {
    let mut worker = Worker::start();
    worker.begin(8);
    for step in 0..7 {
        if measured && step % 3 == 1 {
            worker.compare();
            let last = worker.run().nodes.len() - 1;
            let _ = worker.profile(last);
            let _ = worker.profile(0);
            worker.map();
        }
        worker.step();
    }
    worker.run().clone()
}

#[test]
fn measuring_changes_nothing_of_the_run() {
    let (with, without) = (run(true), run(false));
    assert_eq!(with.generated_ids(), without.generated_ids());
    let kept = |run: &Run| -> Vec<_> {
        run.nodes.iter().map(|node| (node.counters.rows, node.counters.cached_positions)).collect()
    };
    assert_eq!(kept(&with), kept(&without));
}

#[test]
fn a_comparison_counts_the_rows_of_every_pass() {
    let mut worker = Worker::start();
    worker.begin(6);
    (0..4).for_each(|_| worker.step());
    worker.compare();
    let comparison = worker.view.comparison.clone().expect("it was made");
    assert_eq!((comparison.prompt, comparison.tokens, comparison.tip), (PROMPT, 5, 4));
    let rows = |of: fn(&logitscope::session::ComparedStep) -> usize| -> Vec<usize> {
        comparison.steps.iter().map(of).collect()
    };
    assert_eq!(rows(|step| step.cached.rows), [37, 1, 1, 1, 1]);
    assert_eq!(rows(|step| step.uncached.rows), [37, 38, 39, 40, 41]);
    for step in &comparison.steps {
        let (with, without) = (step.cached, step.uncached);
        assert!(with.seconds > 0.0 && without.seconds > 0.0);
        let (with, without) = (with.work.expect("the engine tells"), without.work.expect("it does"));
        assert!(with.weight_bytes > 1_000_000 && without.multiply_adds >= with.multiply_adds);
    }
    // The LM head runs for one row alone, in the last chunk.
    let first = comparison.steps[0].cached;
    let (weights, one) = (first.work.expect("the engine tells").weight_bytes, comparison.steps[3].cached);
    let one = one.work.expect("the engine tells").weight_bytes;
    assert!(weights >= one && weights <= one * first.chunks as u64, "{weights} {one} {first:?}");
    assert!(first.chunks == 1 || weights < one * first.chunks as u64, "{weights} {one} {first:?}");
    // A multiply-add a weight and row, but for those of the embedding and the vectors: near the model's size.
    let one = comparison.steps[3].cached.work.expect("the engine tells");
    let parameters = worker.view.loaded.as_ref().expect("loaded").model.parameters as f64;
    assert!((0.5..1.2).contains(&(one.multiply_adds / parameters)), "{one:?} of {parameters}");
    let limits = worker.view.limits.clone().expect("the device was measured").expect("it can be");
    assert!(limits.copy_bandwidth > 1e8 && limits.f32_rate > 1e8, "{limits:?}");
    // It is measured once.
    worker.view.limits = None;
    worker.compare();
    assert_eq!(worker.view.limits, None);
}

#[test]
fn a_comparison_can_be_ended_and_frees_what_it_held() {
    let mut worker = Worker::start();
    worker.begin(40);
    (0..20).for_each(|_| worker.step());
    let before = worker.map();
    worker.session.send(Command::Compare);
    worker.until(|worker| worker.view.comparison.as_ref().is_some_and(|found| !found.steps.is_empty()));
    worker.session.send(Command::EndComparison);
    worker.until(|worker| worker.view.comparison.as_ref().is_some_and(|found| found.ended));
    let steps = worker.view.comparison.as_ref().expect("it began").steps.len();
    assert!((1..21).contains(&steps), "{steps}");
    let held = |map: &CacheMap| -> Vec<_> {
        map.sequences.iter().map(|found| (found.sequence, found.pages.clone())).collect()
    };
    assert_eq!(held(&worker.map()), held(&before));
    // The run goes on.
    worker.step();
    assert_eq!(worker.run().line.len(), 22);
}

#[test]
fn the_ops_of_a_step_belong_to_every_layer() {
    let mut worker = Worker::start();
    worker.begin(4);
    worker.step();
    let layers = worker.view.loaded.as_ref().expect("loaded").model.layers;
    for (node, rows) in [(0, PROMPT), (1, 1)] {
        let profile = worker.profile(node).expect("the adapter has timestamps");
        assert_eq!(profile.rows, rows);
        assert!(profile.ops.iter().all(|op| op.seconds >= 0.0) && profile.seconds() > 0.0);
        let mut found: Vec<usize> = profile.ops.iter().filter_map(|op| op.layer).collect();
        found.dedup();
        assert_eq!(found, (0..layers).collect::<Vec<_>>(), "in the order of the layers");
        let outside: Vec<&str> =
            profile.ops.iter().filter(|op| op.layer.is_none()).map(|op| op.kind.as_str()).collect();
        assert!(outside.contains(&"embed"), "{outside:?}");
        assert!(outside.iter().any(|kind| kind.starts_with("linear ")), "the LM head: {outside:?}");
    }
    assert!(worker.profile(99).is_err_and(|reason| reason.contains("run the prompt again")));
}

#[test]
fn branches_share_the_pages_that_their_texts_have_in_common() {
    let mut worker = Worker::start();
    worker.begin(40);
    (0..3).for_each(|_| worker.step());
    let layers = worker.view.loaded.as_ref().expect("loaded").model.layers;
    let map = worker.map();
    assert_eq!(map.layers.len(), layers);
    assert!(map.layers.iter().all(|layer| layer.cache && !layer.state));
    let [only] = &map.sequences[..] else { panic!("one text: {:?}", map.sequences) };
    let cached = worker.run().nodes.last().expect("a step").counters.cached_positions;
    assert_eq!(only.pages.len(), only.positions.div_ceil(map.page_positions));
    assert!((cached..=cached + 1).contains(&only.positions), "{} {cached}", only.positions);
    assert_eq!(map.used_pages as u64 * map.page_bytes, worker.run().nodes[3].counters.cache_bytes);

    let token = worker.run().nodes[2].candidates[1].token;
    worker.session.send(Command::Branch { node: 2, token, pace: Pace::SingleStep });
    while !matches!(worker.take(), Event::Paused) {}
    worker.step();
    let map = worker.map();
    let [first, second] = &map.sequences[..] else { panic!("two texts: {:?}", map.sequences) };
    // 37 tokens of the prompt fill two pages.
    assert_eq!(first.pages[..2], second.pages[..2]);
    assert_ne!(first.pages[2], second.pages[2]);
    assert_eq!((first.pages[0].users, first.pages[2].users), (2, 1));
    assert_eq!((map.used_pages, map.shared_pages), (4, 2));
}
