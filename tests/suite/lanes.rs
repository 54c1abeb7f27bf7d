//! Runs side by side: each is what it would be alone, they take turns, and one that fails fails alone.

use std::time::Duration;

use logitscope::decoding::{
    CacheUse, ContrastiveSettings, DecodingSettings, EosRule, LookaheadSettings, Picking,
    SpeculativeSettings, StageSettings, StrategyKind, begin,
};
use logitscope::model::ModelError;
use logitscope::session::decode::uninterrupted;
use logitscope::session::{
    Command, LanesRequest, LoadError, LoadRequest, Loader, ModelSource, Pace, Progress, Prompt, ReadyModel,
    RunRequest, Status,
};
use logitscope::trace::{AdapterFacts, Counters, Node, NodeTiming, PhaseFigures, Run, StopReason};

use super::counting_model::{Behaviour, Breakage, FakeLoader};
use super::fake_model::{BYTES_PER_POSITION, Chaining, FakeModel};
use super::session::Watched;

const VOCABULARY: usize = 700;
const PROMPT: [u32; 9] = [3, 1, 3, 90, 41, 3, 1, 3, 90];

/// Loads a table-driven model that goes on by itself.
struct Scrambled;

impl Loader for Scrambled {
    fn adapters(&mut self) -> Vec<AdapterFacts> {
        Vec::new()
    }

    fn load(&mut self, request: &LoadRequest, progress: &mut Progress<'_>) -> Result<ReadyModel, LoadError> {
        let mut loader = FakeLoader(Behaviour { textless: true, ..Behaviour::default() });
        let mut model = FakeModel::scrambled(VOCABULARY);
        model.chaining = Chaining::WrongEvery(4);
        Ok(ReadyModel { model: Box::new(model), ..loader.load(request, progress)? })
    }
}

fn settings(strategy: StrategyKind, seed: u64) -> DecodingSettings {
    let stages = StageSettings { temperature: 0.7, top_k: 30, ..StageSettings::default() };
    let mut settings = DecodingSettings { strategy, seed, stages, ..Default::default() };
    settings.speculative = SpeculativeSettings { draft_tokens: 4, ..SpeculativeSettings::default() };
    settings.lookahead = LookaheadSettings { window: 3, ngram: 3, guesses: 2 };
    settings.contrastive = ContrastiveSettings { candidates: 3, penalty_alpha: 0.4 };
    settings.stop.max_tokens = 12;
    settings.stop.eos = EosRule::Ignore;
    settings
}

fn watched(loader: impl Loader + Send + 'static) -> Watched {
    let mut watched = Watched::on(loader);
    watched.send(Command::Load(LoadRequest::of(ModelSource::BuiltIn)));
    watched.until_within(Duration::from_secs(120), "the model is ready", |view| view.status == Status::Ready);
    watched
}

fn lanes(watched: &Watched, prompt: Prompt, lanes: &[DecodingSettings], pace: Pace) {
    watched.send(Command::StartLanes(LanesRequest { prompt, lanes: lanes.to_vec(), pace }));
}

fn ended(watched: &mut Watched, count: usize) -> Vec<Run> {
    watched.until_within(Duration::from_secs(120), "all lanes end", |view| {
        view.lanes.len() == count
            && view.status == Status::Ready
            && (0..count).all(|lane| view.lane(lane).is_some_and(|run| run.stop.is_some()))
    });
    let view = watched.view();
    (0..count).map(|lane| view.lane(lane).expect("a run of each lane").clone()).collect()
}

/// The run that these settings make alone.
fn alone(watched: &mut Watched, prompt: Prompt, settings: &DecodingSettings) -> Run {
    watched.forget_run();
    watched.send(Command::Start(RunRequest { prompt, settings: settings.clone(), pace: Pace::Continuous }));
    watched.until_within(Duration::from_secs(120), "the run ends", |view| {
        view.run.as_ref().is_some_and(|run| run.stop.is_some())
    });
    watched.run().clone()
}

/// Decisions without what they cost.
fn decisions(run: &Run) -> Vec<Node> {
    let bare =
        |node: &Node| Node { timing: NodeTiming::default(), counters: Counters::default(), ..node.clone() };
    run.nodes.iter().map(bare).collect()
}

#[test]
fn each_lane_is_what_it_would_be_alone_and_the_prompt_is_computed_once() {
    let mut watched = watched(Scrambled);
    let prompt = || Prompt::Ids(PROMPT.to_vec());
    let uncached = DecodingSettings { cache: CacheUse::Recompute, ..settings(StrategyKind::Greedy, 1) };
    let draws = DecodingSettings { picking: Picking::Sample, ..settings(StrategyKind::Speculative, 4) };
    let sets = [
        vec![
            settings(StrategyKind::Greedy, 1),
            settings(StrategyKind::Sample, 5),
            settings(StrategyKind::Sample, 6),
            settings(StrategyKind::Beam, 1),
        ],
        vec![settings(StrategyKind::Contrastive, 1), settings(StrategyKind::Lookahead, 1), draws, uncached],
        vec![settings(StrategyKind::Sample, 5), settings(StrategyKind::Sample, 5)],
    ];
    for set in sets {
        watched.forget_run();
        lanes(&watched, prompt(), &set, Pace::Continuous);
        let runs = ended(&mut watched, set.len());
        let shared = watched.view().lanes.shared;
        assert_eq!(shared.amount, PROMPT.len() as u64 - 1, "all but the last token are shared");
        for (settings, run) in set.iter().zip(&runs) {
            let by_itself = alone(&mut watched, prompt(), settings);
            let name = format!("{:?}, seed {}", settings.strategy, settings.seed);
            assert_eq!(decisions(run), decisions(&by_itself), "{name}");
            assert_eq!((&run.line, run.stop), (&by_itself.line, by_itself.stop), "{name}");
            assert_eq!(run.sequences, by_itself.sequences, "{name}");
            let shares = settings.cache == CacheUse::Reuse && settings.strategy != StrategyKind::Contrastive;
            let positions = if shares { PROMPT.len() - 1 } else { 0 };
            assert_eq!(run.continued_positions, positions, "{name}");
            let rows = by_itself.phases.initiation.amount - positions as u64;
            assert_eq!(run.phases.initiation.amount, rows, "{name}");
        }
    }
    // What the lanes held is free again: a run's cache is all that there is.
    let run = alone(&mut watched, prompt(), &settings(StrategyKind::Greedy, 1));
    let counters = run.nodes[0].counters;
    assert_eq!(counters.cache_bytes, counters.cached_positions as u64 * BYTES_PER_POSITION);
}

#[test]
fn a_run_that_takes_turns_begins_no_pass_in_vain() {
    for turns in [false, true] {
        let mut model = FakeModel::scrambled(VOCABULARY);
        model.chaining = Chaining::WrongEvery(1000);
        let mut strategy =
            begin(&settings(StrategyKind::Greedy, 1), &[], &PROMPT, &model).expect("it begins");
        if turns {
            strategy.take_turns();
        }
        let mut run = Run::default();
        for _ in 0..5 {
            uninterrupted(|control| strategy.step(&mut model, &mut run, control)).expect("it goes on");
        }
        assert_eq!(model.passes.len(), if turns { 5 } else { 6 });
        strategy.release(&mut model);
    }
}

#[test]
fn lanes_step_pause_and_stop_together() {
    let mut watched = watched(Scrambled);
    let set = [
        settings(StrategyKind::Greedy, 1),
        settings(StrategyKind::Sample, 5),
        settings(StrategyKind::Contrastive, 1),
    ];
    lanes(&watched, Prompt::Ids(PROMPT.to_vec()), &set, Pace::SingleStep);
    let lengths = |view: &logitscope::session::View| -> Vec<usize> {
        (0..view.lanes.len()).filter_map(|lane| view.lane(lane)).map(|run| run.line.len()).collect()
    };
    for steps in 1..=3 {
        watched.until("each lane made a step", |view| {
            view.status == Status::Paused && lengths(view) == [steps; 3]
        });
        if steps < 3 {
            watched.send(Command::StepOnce);
        }
    }
    watched.send(Command::Stop);
    let runs = ended(&mut watched, 3);
    assert!(runs.iter().all(|run| run.stop == Some(StopReason::Cancelled) && run.line.len() == 3));
    assert!(!watched.view().has_live_run());

    // One that ends early waits for nobody, and nobody for it.
    watched.forget_run();
    let mut short = settings(StrategyKind::Greedy, 1);
    short.stop.max_tokens = 2;
    lanes(&watched, Prompt::Ids(PROMPT.to_vec()), &[short, set[1].clone()], Pace::SingleStep);
    watched.until("they wait", |view| view.status == Status::Paused && lengths(view) == [1, 1]);
    watched.send(Command::StepOnce);
    watched.until("they wait", |view| view.status == Status::Paused && lengths(view) == [2, 2]);
    assert_eq!(watched.run().stop, Some(StopReason::MaxTokens));
    watched.send(Command::Resume);
    let runs = ended(&mut watched, 2);
    assert_eq!((runs[0].line.len(), runs[1].line.len()), (2, 12));
}

#[test]
fn another_lane_becomes_the_newest_run_also_while_they_go_on() {
    let slow = Behaviour { pass: Duration::from_millis(4), ..Behaviour::default() };
    let mut watched = watched(FakeLoader(slow));
    let text = || Prompt::Text { text: "zero one two".to_owned(), special: Default::default() };
    let mut two = settings(StrategyKind::Sample, 5);
    two.stages = StageSettings { temperature: 4.0, ..StageSettings::default() };
    let set = [settings(StrategyKind::Greedy, 1), two];
    lanes(&watched, text(), &set, Pace::Continuous);
    watched.until("both have begun", |view| {
        (0..2).all(|lane| view.lane(lane).is_some_and(|run| run.line.len() > 2))
    });
    watched.send(Command::ShowLane(1));
    watched.until("it is shown", |view| view.lanes.shown() == Some(1));
    assert_eq!(watched.run().strategy, StrategyKind::Sample);
    let runs = ended(&mut watched, 2);
    assert_eq!(runs[0].generated_ids(), [3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6]);
    // Commands are about the lane on show: it branches, and the other one stays.
    let before = runs[1].clone();
    let other = before.nodes[4].candidates.iter().find(|one| one.token != before.nodes[4].token);
    let token = other.expect("another candidate").token;
    watched.send(Command::Branch { node: 4, token, pace: Pace::Continuous });
    watched.until("it branches", |view| view.has_live_run());
    let runs = ended(&mut watched, 2);
    assert!(runs[1].nodes.len() > before.nodes.len());
    assert_eq!(runs[1].generated_ids()[4], token);
    assert_eq!(runs[0].line.len(), 12);
    // Back again, and one that is not there.
    watched.send(Command::ShowLane(0));
    watched.until("it is shown", |view| view.lanes.shown() == Some(0));
    assert_eq!(watched.run().strategy, StrategyKind::Greedy);
    watched.send(Command::ShowLane(2));
    watched.until("it is refused", |view| {
        view.notices.last().is_some_and(|notice| notice.title == "There is no such lane")
    });
    // A run of its own ends the lanes.
    let alone = alone(&mut watched, text(), &set[0]);
    assert!(watched.view().lanes.is_empty());
    assert_eq!(alone.generated_ids(), runs[0].generated_ids());
}

#[test]
fn a_lane_that_fails_fails_alone_and_one_that_cannot_begin_lets_none_begin() {
    let mut watched = watched(Scrambled);
    let prompt = || Prompt::Ids(PROMPT.to_vec());
    let greedy = settings(StrategyKind::Greedy, 1);
    // Nothing is left to choose from at its third step.
    let mut nothing = greedy.clone();
    nothing.stages.suppress_tokens = (0..VOCABULARY as u32).collect();
    lanes(&watched, prompt(), &[greedy.clone(), nothing.clone()], Pace::Continuous);
    let runs = ended(&mut watched, 2);
    assert_eq!(runs[0].stop, Some(StopReason::MaxTokens));
    assert_eq!((runs[1].stop, runs[1].line.len()), (Some(StopReason::Failed), 0));
    let notice = watched.view().notices.last().expect("it is told");
    assert_eq!(notice.title, "Lane B could not go on");
    // The same where it is the one on show.
    watched.forget_run();
    lanes(&watched, prompt(), &[nothing, greedy.clone()], Pace::Continuous);
    let runs = ended(&mut watched, 2);
    assert_eq!((runs[0].stop, runs[1].stop), (Some(StopReason::Failed), Some(StopReason::MaxTokens)));
    assert_eq!(watched.view().notices.last().expect("it is told").title, "Lane A could not go on");

    let mut wrong = greedy.clone();
    wrong.stages.repetition_penalty = -1.0;
    lanes(&watched, prompt(), &[greedy.clone(), greedy.clone(), wrong], Pace::Continuous);
    watched.until("it is refused", |view| {
        view.notices.last().is_some_and(|notice| notice.title == "Lane C cannot begin")
    });
    assert_eq!(watched.view().status, Status::Ready);
    lanes(&watched, Prompt::Ids(Vec::new()), &[greedy.clone(), greedy], Pace::Continuous);
    watched.until("it is refused", |view| {
        view.notices.last().is_some_and(|notice| notice.title == "Lane A cannot begin")
    });
}

#[test]
fn a_device_that_is_lost_ends_all_lanes_and_what_they_have_stays() {
    for pass in [0, 9] {
        let lost = ModelError::DeviceLost { reason: "unplugged".to_owned() };
        let broken_pass = Some((pass, Breakage::Error(lost)));
        let mut watched = watched(FakeLoader(Behaviour { broken_pass, ..Behaviour::default() }));
        let text = Prompt::Text { text: "zero one two".to_owned(), special: Default::default() };
        let set = [settings(StrategyKind::Greedy, 1), settings(StrategyKind::Sample, 5)];
        lanes(&watched, text, &set, Pace::Continuous);
        watched.until("the model is gone", |view| {
            view.status == Status::Empty
                && view.lanes.len() == 2
                && (0..2).all(|lane| view.lane(lane).is_some_and(|run| run.stop == Some(StopReason::Failed)))
        });
        let lengths = [0, 1].map(|lane| watched.view().lane(lane).map_or(0, |run| run.line.len()));
        assert!(pass == 0 || lengths.iter().all(|length| *length > 2), "{lengths:?}");
        // What is there is looked at without the worker.
        watched.send(Command::ShowLane(1));
        watched.until("it is told", |view| {
            view.notices.last().is_some_and(|notice| notice.title == "There is no such lane")
        });
    }
}

/// The built-in model on the adapter: the texts of separate runs.
#[test]
fn lanes_of_a_real_model_have_the_texts_of_separate_runs() {
    let mut watched = watched(logitscope::session::GpuLoader::default());
    let text =
        || Prompt::Text { text: "The old king had three sons".to_owned(), special: Default::default() };
    let set = [
        settings(StrategyKind::Greedy, 1),
        settings(StrategyKind::Sample, 5),
        settings(StrategyKind::Lookahead, 1),
        settings(StrategyKind::Contrastive, 1),
    ];
    lanes(&watched, text(), &set, Pace::Continuous);
    let runs = ended(&mut watched, set.len());
    let PhaseFigures { seconds, amount } = watched.view().lanes.shared;
    assert!(seconds > 0.0 && amount as usize == runs[0].prompt.len() - 1);
    for (settings, run) in set.iter().zip(&runs) {
        let by_itself = alone(&mut watched, text(), settings);
        assert_eq!(run.generated_ids(), by_itself.generated_ids(), "{:?}", settings.strategy);
        assert_eq!(run.text(), by_itself.text());
    }
    assert_eq!(runs[0].generated_ids(), runs[2].generated_ids(), "lookahead gives the greedy text");
}
