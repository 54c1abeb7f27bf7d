//! The worker: what it answers to each command, and that nothing takes it down.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use logitscope::decoding::DecodingSettings;
use logitscope::decoding::settings::{CacheUse, EosRule};
use logitscope::model::{ModelError, WeightsChoice};
use logitscope::session::command::{LoadRequest, SpecialTokens};
use logitscope::session::event::BrokenAdapter;
use logitscope::session::{
    Command, Conversation, LoadError, LoadPart, Loader, ModelSource, Pace, Progress, Prompt, ReadyModel,
    RunRequest, Session, Severity, Share, Status, View,
};
use logitscope::trace::{AdapterFacts, ChosenBy, Phase, Run, StepInput, StopReason};

use super::counting_model::{Behaviour, Breakage, CONTEXT, FakeLoader, WORDS};
use super::support;

/// A worker and what it said so far.
pub struct Watched {
    session: Session,
    view: View,
}

impl Watched {
    fn new(behaviour: Behaviour) -> Self {
        Self::on(FakeLoader(behaviour))
    }

    pub fn on(loader: impl Loader + Send + 'static) -> Self {
        let session = Session::with_loader(loader, || {});
        Self { session, view: View::default() }
    }

    pub fn ready(behaviour: Behaviour) -> Self {
        let mut watched = Self::new(behaviour);
        watched.send(load("model"));
        watched.until("the model is ready", |view| view.status == Status::Ready);
        watched
    }

    pub fn send(&self, command: Command) {
        self.session.send(command);
    }

    /// Takes events in until the condition holds; fails the test after ten seconds.
    pub fn until(&mut self, what: &str, holds: impl Fn(&View) -> bool) {
        self.until_within(Duration::from_secs(10), what, holds);
    }

    pub fn until_within(&mut self, patience: Duration, what: &str, holds: impl Fn(&View) -> bool) {
        let start = Instant::now();
        while !holds(&self.view) {
            match self.session.wait(Duration::from_millis(100)) {
                Some(event) => self.view.apply(event),
                None => {
                    let waited = start.elapsed() < patience;
                    assert!(waited, "waited in vain until {what}; the view is {:?}", self.view);
                }
            }
        }
    }

    pub fn finished(&mut self) -> &Run {
        self.until("the run ends", |view| view.run.as_ref().is_some_and(|run| run.stop.is_some()));
        self.run()
    }

    pub fn run(&self) -> &Run {
        self.view.run.as_ref().expect("a run has begun")
    }

    pub fn forget_run(&mut self) {
        self.view.run = None;
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    fn last_notice(&self) -> (Severity, &str) {
        let notice = self.view.notices.last().expect("something was told");
        (notice.severity, &notice.detail)
    }
}

fn load(name: &str) -> Command {
    let source = ModelSource::Path(PathBuf::from("/models").join(name));
    Command::Load(LoadRequest::of(source))
}

/// So many tokens that a run does not end by itself while a test looks on.
const ENDLESS: usize = 50_000;

/// A run of exactly so many tokens.
fn start(text: &str, max_tokens: usize, pace: Pace) -> Command {
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = max_tokens;
    settings.stop.eos = EosRule::Ignore;
    let prompt = Prompt::Text { text: text.to_owned(), special: SpecialTokens::Add };
    Command::Start(RunRequest { prompt, settings, pace })
}

fn slow() -> Behaviour {
    Behaviour { pass: Duration::from_millis(20), ..Behaviour::default() }
}

#[test]
fn loading_tells_progress_warnings_and_facts() {
    let mut watched = Watched::new(Behaviour::default());
    watched.send(Command::ListAdapters);
    watched.until("the adapters are told", |view| !view.adapters.is_empty());
    watched.send(load("counting"));
    watched.until("half is loaded", |view| {
        matches!(
            view.status,
            Status::Loading { part: LoadPart::Uploading, share: Share { done: 5, total: 10 }, .. }
        )
    });
    watched.until("the warning is told", |view| !view.notices.is_empty());
    assert_eq!(watched.view.status, Status::Ready);
    assert_eq!(watched.view.loaded.as_ref().map(|loaded| &*loaded.model.name), Some("counting"));
    assert_eq!(watched.last_notice(), (Severity::Warning, "it only counts"));
}

/// A loader with an adapter that does not work.
struct Passing {
    loader: FakeLoader,
    told: bool,
}

impl Loader for Passing {
    fn adapters(&mut self) -> Vec<AdapterFacts> {
        self.loader.adapters()
    }

    fn load(&mut self, request: &LoadRequest, progress: &mut Progress<'_>) -> Result<ReadyModel, LoadError> {
        self.loader.load(request, progress)
    }

    fn load_beside(
        &mut self,
        request: &LoadRequest,
        progress: &mut Progress<'_>,
    ) -> Result<ReadyModel, LoadError> {
        self.loader.load_beside(request, progress)
    }

    fn broken_adapters(&mut self) -> Vec<BrokenAdapter> {
        vec![BrokenAdapter { index: 3, problem: "it is lost".to_owned() }]
    }

    fn take_warnings(&mut self) -> Vec<String> {
        if std::mem::replace(&mut self.told, true) { Vec::new() } else { vec!["card 3 is lost".to_owned()] }
    }
}

#[test]
fn adapters_that_were_passed_over_are_told_also_where_loading_fails() {
    let loader = Passing { loader: FakeLoader(Behaviour::default()), told: false };
    let mut watched = Watched::on(loader);
    watched.send(load("missing"));
    watched.until("loading failed", |view| view.notices.len() == 2);
    let notice = &watched.view.notices[0];
    assert_eq!((notice.severity, &*notice.title), (Severity::Warning, "An adapter does not work"));
    assert_eq!(notice.detail, "card 3 is lost");
    assert_eq!(watched.view.notices[1].severity, Severity::Error);
    assert_eq!(watched.view.broken_adapters[0].index, 3);
    watched.send(load("counting"));
    watched.until("a model is loaded", |view| view.status == Status::Ready);
    let warnings = watched.view.notices.iter().filter(|notice| notice.detail == "card 3 is lost");
    assert_eq!(warnings.count(), 1, "it is told once");
}

#[test]
fn a_run_is_told_step_by_step_with_text_and_figures() {
    let mut watched = Watched::ready(slow());
    watched.send(start("zero one two three zero one", 4, Pace::Continuous));
    watched.until("the first chunk is done", |view| view.status == Status::Initiating { done: 4, total: 6 });
    let run = watched.finished();
    assert_eq!(run.prompt_ids(), [0, 1, 2, 3, 0, 1]);
    assert_eq!(run.generated_ids(), [2, 3, 4, 5]);
    assert_eq!(run.text().split_whitespace().collect::<Vec<_>>(), ["two", "three", "four", "five"]);
    assert_eq!(run.stop, Some(StopReason::MaxTokens));
    assert_eq!(run.nodes[1].piece, "three");
    assert_eq!(run.nodes[1].candidates[0].piece, "three");
    assert_eq!(
        run.nodes.iter().map(|node| node.phase).filter(|phase| *phase == Phase::Initiation).count(),
        1
    );
    let phases = run.phases;
    assert_eq!((phases.tokenise.amount, phases.initiation.amount), (6, 6));
    assert_eq!((phases.incremental.amount, phases.incremental_steps, phases.detokenise.amount), (3, 3, 4));
    assert!(phases.initiation.seconds >= 0.040 && phases.detokenise.seconds > 0.0, "{phases:?}");
    assert_eq!(watched.view.status, Status::Ready);
}

#[test]
fn a_prompt_is_counted_without_a_run() {
    let text = |text: &str| Prompt::Text { text: text.to_owned(), special: SpecialTokens::Add };
    let mut watched = Watched::ready(Behaviour::default());
    watched.send(Command::Count(text("zero one two")));
    watched.until("it is counted", |view| view.prompt_tokens == Some(3));
    watched.send(Command::Count(Prompt::Chat(Conversation::asking("zero"))));
    watched.until("it cannot be counted", |view| view.prompt_tokens.is_none());
    assert!(watched.view.run.is_none() && watched.view.status == Status::Ready);
    assert_eq!(watched.view.notices.len(), 1, "why is told when it is run");
}

#[test]
fn a_prompt_is_scored_by_the_rows_before_each_token_while_a_run_waits() {
    let mut watched = Watched::ready(Behaviour::default());
    watched.send(Command::ScorePrompt);
    let prompt = "one two four five six seven zero three";
    watched.send(start(prompt, 6, Pace::SingleStep));
    watched.until("it waits", |view| view.status == Status::Paused);
    assert!(watched.run().prompt.iter().all(|token| token.expectation.is_none()), "nobody asked");
    watched.send(Command::ScorePrompt);
    watched.send(Command::Resume);
    watched.until("it ended", |view| view.run.as_ref().is_some_and(|run| run.stop.is_some()));
    let run = watched.run();
    assert_eq!(run.text(), " four five six seven zero one");
    // The model gives 5 to the number that follows and a tenth of its number to every other one.
    let ids: Vec<u32> = run.prompt_ids();
    assert_eq!(run.prompt[0].expectation, None, "nothing comes before it");
    for (before, token) in ids.iter().zip(&run.prompt[1..]) {
        let next = (before + 1) % 8;
        let logit = |id: u32| if id == next { 5.0 } else { f64::from(id) / 10.0 };
        let sum: f64 = (0..8).map(|id| logit(id).exp()).sum();
        let entropy: f64 =
            (0..8).map(|id| logit(id).exp() / sum).map(|probability| -probability * probability.ln()).sum();
        let expectation = token.expectation.as_ref().expect("it was scored");
        let expected = logit(token.token) - sum.ln();
        assert!((f64::from(expectation.log_probability) - expected).abs() < 1e-6, "{expectation:?}");
        assert!((f64::from(expectation.entropy) - entropy).abs() < 1e-6, "{expectation:?}");
        let rank = 1 + (0..8).filter(|&id| logit(id) > logit(token.token)).count();
        assert_eq!(expectation.rank, rank);
        assert_eq!(expectation.likeliest[0].token.id, next);
        assert!(expectation.likeliest[0].token.piece.ends_with(WORDS[next as usize]));
    }
}

#[test]
fn a_failure_while_a_prompt_is_scored_is_told_and_the_run_goes_on() {
    let failure = ModelError::BeyondContext { position: 9, context: 8 };
    let broken_pass = Some((1, Breakage::Error(failure)));
    let mut watched = Watched::ready(Behaviour { broken_pass, ..Behaviour::default() });
    watched.send(start("one two", 3, Pace::SingleStep));
    watched.until("it waits", |view| view.status == Status::Paused);
    watched.send(Command::ScorePrompt);
    let told = |view: &View| view.notices.last().is_some_and(|notice| notice.severity == Severity::Error);
    watched.until("it is told", told);
    let told = (Severity::Error, "position 9 is beyond the context of 8 positions");
    assert_eq!(watched.last_notice(), told);
    watched.send(Command::Resume);
    watched.until("it ended", |view| view.run.as_ref().is_some_and(|run| run.stop.is_some()));
    assert_eq!(watched.run().text(), " three four five");
}

#[test]
fn a_run_tells_what_its_steps_take() {
    for (cache, takes) in
        [(CacheUse::Reuse, StepInput::NewTokens), (CacheUse::Recompute, StepInput::WholeText)]
    {
        let mut watched = Watched::ready(Behaviour::default());
        let prompt = Prompt::Text { text: "zero".to_owned(), special: SpecialTokens::Add };
        let settings = DecodingSettings { cache, ..DecodingSettings::default() };
        watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
        assert_eq!(watched.finished().step_input, takes);
    }
}

#[test]
fn the_end_of_sequence_and_a_stop_text_end_a_run() {
    let mut watched = Watched::ready(Behaviour::default());
    let prompt = Prompt::Text { text: "five".to_owned(), special: SpecialTokens::Add };
    let settings = DecodingSettings::default();
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
    assert_eq!(watched.finished().generated_ids(), [6, 7]);
    assert_eq!(watched.run().stop, Some(StopReason::Eos));

    let mut settings = DecodingSettings::default();
    settings.stop.texts = vec!["ree fo".to_owned()];
    let prompt = Prompt::Text { text: "zero".to_owned(), special: SpecialTokens::Add };
    watched.view.run = None;
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
    assert_eq!(watched.finished().stop, Some(StopReason::StopText));
    assert_eq!(watched.run().generated_ids(), [1, 2, 3, 4]);
}

#[test]
fn a_stop_text_is_found_with_special_tokens_written_out_and_without_them() {
    let mut watched = Watched::new(Behaviour::default());
    watched.send(load("special"));
    watched.until("the model is ready", |view| view.status == Status::Ready);
    let cases = [("three", 3), ("wothree", 3), ("three fo", 4), ("two four", 4), ("hre", 3), ("fivesix", 7)];
    for (stop_text, tokens) in cases {
        let mut settings = DecodingSettings::default();
        settings.stop.texts = vec![stop_text.to_owned()];
        let prompt = Prompt::Text { text: "zero".to_owned(), special: SpecialTokens::Add };
        watched.view.run = None;
        watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
        let run = watched.finished();
        let stop = if tokens == 7 { StopReason::Eos } else { StopReason::StopText };
        assert_eq!((run.stop, run.generated_ids().len()), (Some(stop), tokens), "{stop_text}");
    }
    let text: String = watched.run().nodes.iter().map(|node| node.text.as_str()).collect();
    assert_eq!(text.trim_start(), "one two four five six seven");
}

#[test]
fn a_single_stepped_run_waits_after_every_token() {
    let mut watched = Watched::ready(Behaviour::default());
    watched.send(start("zero", 3, Pace::SingleStep));
    watched.until("it pauses", |view| view.status == Status::Paused);
    assert_eq!(watched.run().generated_ids(), [1]);
    watched.send(Command::StepOnce);
    watched.until("it made a step", |view| view.run.as_ref().is_some_and(|run| run.nodes.len() == 2));
    assert_eq!(watched.view.status, Status::Paused);
    watched.send(Command::Resume);
    assert_eq!(watched.finished().generated_ids(), [1, 2, 3]);
}

#[test]
fn a_run_goes_on_from_another_token_in_a_branch() {
    let mut watched = Watched::ready(Behaviour::default());
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = 4;
    let prompt = Prompt::Text { text: "zero".to_owned(), special: SpecialTokens::Add };
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
    assert_eq!(watched.finished().generated_ids(), [1, 2, 3, 4]);
    // After its end, at its second step: "one five six seven".
    watched.send(Command::Branch { node: 1, token: 5, pace: Pace::Continuous });
    watched.until("it branches", |view| view.run.as_ref().is_some_and(|run| run.nodes.len() > 4));
    let run = watched.finished();
    assert_eq!((run.generated_ids(), run.stop), (vec![1, 5, 6, 7], Some(StopReason::Eos)));
    assert_eq!(run.text().split_whitespace().collect::<Vec<_>>(), ["one", "five", "six", "seven"]);
    assert_eq!(run.line, [0, 4, 5, 6]);
    let branch = &run.nodes[4];
    assert_eq!((branch.chosen_by, branch.step, branch.counters.rows), (ChosenBy::Hand, 2, 0));
    assert_eq!((branch.rank, branch.logit), (4, 0.5));
    // The token was computed, and what comes before it was not again.
    assert_eq!(run.nodes[5].counters.rows, 1);

    // The first line is still there to branch from, step by step; a token that ends the text ends it.
    watched.send(Command::Branch { node: 3, token: 0, pace: Pace::SingleStep });
    watched.until("it ends at its last token", |view| {
        view.run.as_ref().is_some_and(|run| run.line == [0, 1, 2, 7])
    });
    assert_eq!(watched.finished().stop, Some(StopReason::MaxTokens));
    watched.send(Command::Branch { node: 2, token: 6, pace: Pace::SingleStep });
    watched.until("it waits", |view| view.status == Status::Paused);
    assert_eq!((watched.run().generated_ids(), watched.run().stop), (vec![1, 2, 6], None));
    watched.send(Command::StepOnce);
    assert_eq!(watched.finished().generated_ids(), [1, 2, 6, 7]);
    assert_eq!(watched.run().nodes[9].counters.rows, 1);

    watched.send(Command::Branch { node: 2, token: 99, pace: Pace::Continuous });
    watched.until("it is told", |view| view.notices.len() == 2);
    assert!(
        watched.last_notice().1.contains("step 3 cannot go on with token 99"),
        "{:?}",
        watched.last_notice()
    );
    watched.send(load("other"));
    watched.until("the other model is ready", |view| view.notices.len() == 3);
    watched.send(Command::Branch { node: 0, token: 3, pace: Pace::Continuous });
    watched.until("it is told", |view| view.notices.len() == 4);
    assert!(watched.last_notice().1.contains("newest run"), "{:?}", watched.last_notice());
}

#[test]
fn another_line_is_followed_and_goes_on_from_where_it_ends() {
    let mut watched = Watched::ready(Behaviour::default());
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = 4;
    let prompt = Prompt::Text { text: "zero".to_owned(), special: SpecialTokens::Add };
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
    watched.finished();
    watched.send(Command::Branch { node: 1, token: 5, pace: Pace::Continuous });
    watched.until("it branches", |view| view.run.as_ref().is_some_and(|run| run.nodes.len() > 4));
    assert_eq!(watched.finished().line, [0, 4, 5, 6]);

    // A line that ended is shown with its own reason, and does not move.
    watched.send(Command::Follow { tip: 3 });
    watched.until("the first line is back", |view| {
        view.run.as_ref().is_some_and(|run| run.line == [0, 1, 2, 3])
    });
    assert_eq!(watched.run().stop, Some(StopReason::MaxTokens));
    assert_eq!(watched.view.status, Status::Ready);

    // One that no strategy stands at waits, and then goes on from its last node.
    watched.send(Command::Follow { tip: 4 });
    watched.until("it waits", |view| view.status == Status::Paused);
    assert_eq!((watched.run().generated_ids(), watched.run().stop), (vec![1, 5], None));
    watched.send(Command::Resume);
    watched.until("it goes on", |view| view.run.as_ref().is_some_and(|run| run.nodes.len() > 7));
    let run = watched.finished();
    assert_eq!((run.generated_ids(), run.line.clone()), (vec![1, 5, 6, 7], vec![0, 4, 7, 8]));
    assert_eq!(run.nodes[7].counters.rows, 1, "what both lines have in common is not computed again");

    watched.send(Command::Follow { tip: 99 });
    watched.until("it is told", |view| view.notices.len() == 2);
    assert!(watched.last_notice().1.contains("no node 99"), "{:?}", watched.last_notice());
}

#[test]
fn lines_are_followed_to_and_fro_while_the_gpu_is_a_pass_ahead() {
    let folder = support::fixture("families/gpt2-f32");
    let mut watched = Watched { session: Session::start(|| {}), view: View::default() };
    watched.send(Command::Load(LoadRequest::of(ModelSource::Path(folder))));
    let settled = |view: &View| view.status == Status::Ready || !view.notices.is_empty();
    watched.until_within(Duration::from_secs(120), "it is loaded", settled);
    let steps =
        |count: usize| move |view: &View| view.run.as_ref().is_some_and(|run| run.nodes.len() == count);
    watched.send(start("Once upon", 8, Pace::Continuous));
    let alone = watched.finished().generated_ids();

    // The same run, left after three of its steps for a branch, and taken up again twice.
    watched.send(start("Once upon", 8, Pace::SingleStep));
    watched.until("it waits", |view| view.status == Status::Paused && steps(1)(view));
    for count in 2..=3 {
        watched.send(Command::StepOnce);
        watched.until("it made a step", steps(count));
    }
    let other = watched.run().nodes[1].candidates[3].token;
    watched.send(Command::Branch { node: 1, token: other, pace: Pace::SingleStep });
    watched.until("it branches", steps(4));
    watched.send(Command::StepOnce);
    watched.until("it made a step", steps(5));
    watched.send(Command::Follow { tip: 2 });
    watched.send(Command::StepOnce);
    watched.until("the first line goes on", steps(6));
    watched.send(Command::Follow { tip: 4 });
    watched.send(Command::StepOnce);
    watched.until("the branch goes on", steps(7));
    watched.send(Command::Follow { tip: 5 });
    watched.send(Command::Resume);
    watched.until("the first line is whole", |view| view.run.as_ref().is_some_and(|run| run.stop.is_some()));
    assert_eq!(watched.run().generated_ids(), alone);
    assert_eq!(watched.view.notices, []);
}

#[test]
fn a_paused_run_stands_still_until_it_is_resumed() {
    let mut watched = Watched::ready(slow());
    watched.send(start("zero", ENDLESS, Pace::Continuous));
    watched.until("it runs", |view| view.status == Status::Running);
    watched.send(Command::Pause);
    watched.until("it pauses", |view| view.status == Status::Paused);
    let nodes = watched.run().nodes.len();
    assert!(watched.session.wait(Duration::from_millis(100)).is_none(), "it went on");
    watched.send(Command::Resume);
    watched.until("it goes on", |view| view.run.as_ref().is_some_and(|run| run.nodes.len() > nodes));
}

#[test]
fn a_pause_holds_initiation_between_chunks_and_stop_ends_it_there() {
    let mut watched = Watched::ready(slow());
    let prompt = Prompt::Ids(vec![0; 900]);
    let settings = DecodingSettings::default();
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
    watched.until("initiation moves", |view| matches!(view.status, Status::Initiating { done: 1.., .. }));
    let asked = Instant::now();
    watched.send(Command::Pause);
    watched.until("it pauses", |view| view.status == Status::Paused);
    watched.send(Command::Resume);
    watched.until("initiation goes on", |view| matches!(view.status, Status::Initiating { .. }));
    watched.send(Command::Stop);
    assert_eq!(watched.finished().stop, Some(StopReason::Cancelled));
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());
    assert!(watched.run().nodes.is_empty());
}

#[test]
fn stop_keeps_what_was_decoded() {
    let mut watched = Watched::ready(slow());
    watched.send(start("zero", ENDLESS, Pace::Continuous));
    watched.until("three tokens are there", |view| view.run.as_ref().is_some_and(|run| run.nodes.len() == 3));
    watched.send(Command::Stop);
    assert_eq!(watched.finished().stop, Some(StopReason::Cancelled));
    assert!((3..100).contains(&watched.run().nodes.len()));
}

#[test]
fn loading_while_running_ends_the_run_and_keeps_its_trace() {
    let mut watched = Watched::ready(slow());
    watched.send(start("zero", ENDLESS, Pace::Continuous));
    watched.until("it runs", |view| view.status == Status::Running);
    watched.send(load("other"));
    let other = |view: &View| view.loaded.as_ref().is_some_and(|loaded| loaded.model.name == "other");
    watched.until("the other model is ready", other);
    assert_eq!(watched.run().stop, Some(StopReason::Cancelled));
    assert_eq!(watched.run().model.name, "model");
    assert!(!watched.run().nodes.is_empty());
}

#[test]
fn a_second_start_replaces_the_first() {
    let mut watched = Watched::ready(slow());
    watched.send(start("zero", ENDLESS, Pace::Continuous));
    watched.until("it runs", |view| view.status == Status::Running);
    watched.send(start("three", 2, Pace::Continuous));
    watched.until("the second ends", |view| {
        view.run.as_ref().is_some_and(|run| run.prompt_ids() == [3] && run.stop.is_some())
    });
    assert_eq!(watched.run().generated_ids(), [4, 5]);
}

#[test]
fn a_load_is_stopped_between_slices() {
    let behaviour = Behaviour { load_slice: Duration::from_millis(50), ..Behaviour::default() };
    let mut watched = Watched::new(behaviour);
    watched.send(load("model"));
    watched.until("it loads", |view| {
        matches!(view.status, Status::Loading { share: Share { done: 1.., .. }, .. })
    });
    watched.send(Command::Stop);
    watched.until("it is stopped", |view| view.status == Status::Empty);
    assert_eq!(watched.last_notice().0, Severity::Information);
}

#[test]
fn what_cannot_be_done_is_told_and_harms_nothing() {
    let mut watched = Watched::new(Behaviour { textless: true, ..Behaviour::default() });
    watched.send(start("zero", 1, Pace::Continuous));
    watched.until("it is told", |view| view.notices.len() == 1);
    assert_eq!(watched.last_notice(), (Severity::Error, "Open a model first."));

    watched.send(load("missing"));
    watched.until("it is told", |view| view.notices.len() == 2 && view.status == Status::Empty);
    assert!(watched.last_notice().1.contains("missing has 1 to 1000"), "{:?}", watched.last_notice());

    watched.send(load("model"));
    watched.until("it is ready", |view| view.status == Status::Ready && view.notices.len() == 3);
    watched.send(start("zero", 1, Pace::Continuous));
    watched.until("it is told", |view| view.notices.len() == 4);
    assert!(watched.last_notice().1.contains("no tokenizer"), "{:?}", watched.last_notice());

    let request = |ids| {
        let settings = DecodingSettings::default();
        Command::Start(RunRequest { prompt: Prompt::Ids(ids), settings, pace: Pace::Continuous })
    };
    for (count, (ids, complaint)) in (5..).zip([
        (vec![], "no tokens"),
        (vec![0, 8], "id 8"),
        (vec![0; CONTEXT + 1], "100\u{2009}001 tokens, but the context has 100\u{2009}000"),
    ]) {
        watched.send(request(ids));
        watched.until("it is told", |view| view.notices.len() == count);
        assert!(watched.last_notice().1.contains(complaint), "{:?}", watched.last_notice());
    }
    watched.send(request(vec![5]));
    assert_eq!(watched.finished().generated_ids(), [6, 7]);
    assert_eq!(watched.run().text(), "");
}

#[test]
fn a_ban_that_leaves_nothing_fails_the_run_and_keeps_text_and_model() {
    let mut watched = Watched::ready(Behaviour::default());
    let mut settings = DecodingSettings::default();
    settings.stages.no_repeat_ngram = 1;
    settings.stop.eos = EosRule::Ignore;
    let prompt = Prompt::Text { text: "zero".to_owned(), special: SpecialTokens::Add };
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
    assert_eq!(watched.finished().stop, Some(StopReason::Failed));
    assert_eq!(watched.run().generated_ids(), [1, 2, 3, 4, 5, 6, 7]);
    assert!(watched.run().text().ends_with("seven"), "{}", watched.run().text());
    let (severity, detail) = watched.last_notice();
    assert_eq!(severity, Severity::Error);
    assert!(detail.starts_with("step 8: the stage `no-repeat n-gram` leaves no token to choose"), "{detail}");
    watched.send(start("zero", 2, Pace::Continuous));
    watched.until("another run goes well", |view| {
        view.run.as_ref().is_some_and(|run| run.stop == Some(StopReason::MaxTokens))
    });
}

#[test]
fn a_lost_device_fails_the_run_keeps_the_text_and_unloads_the_model() {
    let lost = ModelError::DeviceLost { reason: "the test pulled the plug".to_owned() };
    let broken_pass = Some((3, Breakage::Error(lost)));
    let mut watched = Watched::ready(Behaviour { broken_pass, ..Behaviour::default() });
    watched.send(start("zero", ENDLESS, Pace::Continuous));
    assert_eq!(watched.finished().stop, Some(StopReason::Failed));
    assert_eq!(watched.run().generated_ids(), [1, 2, 3]);
    assert!(watched.run().text().contains("three"));
    assert!(watched.last_notice().1.contains("pulled the plug"), "{:?}", watched.last_notice());
    assert_eq!((watched.view.status.clone(), watched.view.loaded.is_none()), (Status::Empty, true));
    watched.send(load("again"));
    watched.until("it loads again", |view| view.status == Status::Ready);
}

#[test]
fn a_panic_is_reported_and_survived() {
    let broken_pass = Some((2, Breakage::Panic));
    let mut watched = Watched::ready(Behaviour { broken_pass, ..Behaviour::default() });
    watched.send(start("zero", ENDLESS, Pace::Continuous));
    assert_eq!(watched.finished().stop, Some(StopReason::Failed));
    assert_eq!(watched.run().generated_ids(), [1, 2]);
    assert!(watched.last_notice().1.contains("as the test asked"), "{:?}", watched.last_notice());
    watched.send(load("again"));
    watched.until("it loads again", |view| view.status == Status::Ready);
}

#[test]
fn a_draft_model_is_loaded_checked_replaced_and_dropped() {
    let draft = |name: &str| Command::LoadDraft(ModelSource::Path(PathBuf::from(name)));
    let mut watched = Watched::new(Behaviour::default());
    watched.send(draft("draft"));
    watched.until("it is refused without a model", |view| view.notices.len() == 1);
    assert!(watched.last_notice().1.contains("open that one first"), "{:?}", watched.last_notice());

    let mut watched = Watched::ready(Behaviour::default());
    watched.send(draft("draft"));
    watched.until("half is loaded", |view| {
        view.draft_loading.as_ref().is_some_and(|draft| draft.share.done == 5)
    });
    watched.until("it is ready", |view| view.draft.is_some());
    assert_eq!(watched.view.draft.as_ref().map(|draft| &*draft.name), Some("draft"));
    assert_eq!((watched.view.draft_loading.clone(), watched.view.status.clone()), (None, Status::Ready));
    for (count, (name, complaint)) in (2..).zip([
        ("shorter", "shorter has 7 ids, but model has 8"),
        ("backwards", "id 0 is `seven` in backwards, but `zero` in model"),
        ("missing", "a context of 0"),
        ("wordless", "Only the sizes"),
    ]) {
        watched.send(draft(name));
        watched.until("it is told", |view| view.notices.len() == count && view.draft_loading.is_none());
        assert!(watched.last_notice().1.contains(complaint), "{:?}", watched.last_notice());
        assert_eq!(watched.view.draft.is_some(), name == "wordless");
    }
    watched.send(Command::DropDraft);
    watched.until("it is dropped", |view| view.draft.is_none());
    watched.send(draft("draft"));
    watched.until("it is ready", |view| view.draft.is_some());
    watched.send(load("other"));
    watched.until("the draft goes with its model", |view| view.draft.is_none());
}

#[test]
fn loading_a_draft_model_can_be_stopped_and_leaves_the_model() {
    let load_slice = Duration::from_millis(30);
    let mut watched = Watched::ready(Behaviour { load_slice, ..Behaviour::default() });
    watched.send(Command::LoadDraft(ModelSource::BuiltIn));
    watched
        .until("it has begun", |view| view.draft_loading.as_ref().is_some_and(|draft| draft.share.done > 0));
    watched.send(Command::DropDraft);
    watched.until("it is stopped", |view| view.draft_loading.is_none());
    assert!(watched.view.draft.is_none() && watched.view.notices.len() == 2, "{:?}", watched.view);
    watched.send(start("zero", 3, Pace::Continuous));
    assert_eq!(watched.finished().generated_ids(), [1, 2, 3]);
}

#[test]
fn dropping_a_session_ends_its_thread_soon() {
    let mut watched = Watched::ready(slow());
    let prompt = Prompt::Ids(vec![0; 900]);
    let settings = DecodingSettings::default();
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
    watched.until("initiation moves", |view| matches!(view.status, Status::Initiating { done: 1.., .. }));
    let start = Instant::now();
    drop(watched);
    assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
}

#[test]
fn a_checkpoint_goes_through_files_tokenizer_and_gpu_to_text() {
    let folder = support::fixture("families/gpt2-f32");
    let mut watched = Watched { session: Session::start(|| {}), view: View::default() };
    let source = ModelSource::Path(folder);
    watched.send(Command::Load(LoadRequest {
        source,
        adapter: None,
        context: Some(64),
        weights: WeightsChoice::Original,
        cache: None,
        gpu_memory: None,
        key: None,
    }));
    let settled = |view: &View| view.status == Status::Ready || !view.notices.is_empty();
    // Compiling its kernels for the first time takes a software driver a while.
    watched.until_within(Duration::from_secs(120), "it is loaded", settled);
    assert_eq!(watched.view.notices, []);
    let loaded = watched.view.loaded.clone().expect("it is ready");
    assert_eq!((&*loaded.model.family, loaded.model.context), ("gpt2", 64));
    assert!(loaded.model.weight_bytes > 10_000 && !loaded.adapter.name.is_empty());

    watched.send(start("Once upon", 12, Pace::Continuous));
    let run = watched.finished();
    assert!(!run.prompt.is_empty() && run.prompt.iter().all(|token| !token.piece.is_empty()));
    assert!(run.nodes.iter().all(|node| !node.piece.is_empty() && node.counters.cache_bytes > 0));
    assert_eq!(run.phases.load.amount, loaded.model.weight_bytes);
    let missing = ModelSource::Path(PathBuf::from("/no/such/model"));
    watched.send(Command::Load(LoadRequest {
        source: missing,
        adapter: None,
        context: None,
        weights: WeightsChoice::Original,
        cache: None,
        gpu_memory: None,
        key: None,
    }));
    watched.until("the failure is told", |view| view.status == Status::Empty && !view.notices.is_empty());
    assert!(watched.last_notice().1.contains("/no/such/model"), "{:?}", watched.last_notice());
}
