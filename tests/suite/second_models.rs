//! A second model that reads the first lane's text: what it says of each step, in closed form; that the run stays as it is;
//! and what is refused.

use std::fs;
use std::time::Duration;

use logitscope::decoding::{DecodingSettings, EosRule, StrategyKind};
use logitscope::session::reading::{Pair, Reading};
use logitscope::session::{
    Command, LanesRequest, LoadError, LoadRequest, Loader, ModelSource, OpinionSummary, Pace, Progress,
    Prompt, ReadyModel, RunRequest, SecondCommand, SecondOpinion, Status,
};
use logitscope::trace::{AdapterFacts, Node, PromptToken, Run, StopReason};
use serde_json::Value;

use super::counting_model::{Behaviour, FakeLoader};
use super::fake_model::FakeModel;
use super::session::Watched;
use super::support;

const VOCABULARY: usize = 700;
const PROMPT: [u32; 9] = [3, 1, 3, 90, 41, 3, 1, 3, 90];
/// How far the favourite's logit is above all others, by the text's model and by the second one.
const ABOVE: [f32; 2] = [5.0, 7.5];

/// The token that follows, by the text's model.
fn favourite(tokens: &[u32]) -> u32 {
    (tokens[tokens.len() - 1] * 31 + tokens.len() as u32) % VOCABULARY as u32
}

/// By the second one: another token after every third position.
fn other_favourite(tokens: &[u32]) -> u32 {
    let shift = u32::from(tokens.len().is_multiple_of(3));
    (favourite(tokens) + shift) % VOCABULARY as u32
}

fn model(favourite: fn(&[u32]) -> u32, above: f32) -> FakeModel {
    FakeModel::new(VOCABULARY, move |tokens| {
        let mut logits = vec![0.0; VOCABULARY];
        logits[favourite(tokens) as usize] = above;
        logits
    })
}

/// What is given to the favourite, and to each other token.
fn probabilities(above: f32) -> [f64; 2] {
    let weight = f64::from(above).exp();
    let sum = weight + (VOCABULARY - 1) as f64;
    [weight / sum, 1.0 / sum]
}

/// KL(first ‖ second) in closed form, and what both give the first one's favourite.
fn expected(agree: bool) -> (f64, [f64; 2]) {
    let ([p, p_other], [q, q_other]) = (probabilities(ABOVE[0]), probabilities(ABOVE[1]));
    let others = (VOCABULARY - 2) as f64 * p_other * (p_other / q_other).ln();
    if agree {
        (p * (p / q).ln() + others + p_other * (p_other / q_other).ln(), [p, q])
    } else {
        (p * (p / q_other).ln() + others + p_other * (p_other / q).ln(), [p, q_other])
    }
}

/// Loads the text's model, and beside it what the name says.
struct Two;

impl Two {
    fn ready(
        request: &LoadRequest,
        progress: &mut Progress<'_>,
        model: FakeModel,
    ) -> Result<ReadyModel, LoadError> {
        let mut loader = FakeLoader(Behaviour { textless: true, ..Behaviour::default() });
        let ready = loader.load(request, progress)?;
        Ok(ReadyModel { model: Box::new(model), warnings: Vec::new(), ..ready })
    }
}

impl Loader for Two {
    fn adapters(&mut self) -> Vec<AdapterFacts> {
        Vec::new()
    }

    fn load(&mut self, request: &LoadRequest, progress: &mut Progress<'_>) -> Result<ReadyModel, LoadError> {
        Self::ready(request, progress, model(favourite, ABOVE[0]))
    }

    fn load_beside(
        &mut self,
        request: &LoadRequest,
        progress: &mut Progress<'_>,
    ) -> Result<ReadyModel, LoadError> {
        let mut second = model(other_favourite, ABOVE[1]);
        match &*request.source.name() {
            "short" => second.context = PROMPT.len() + 5,
            "unplugged" => second.passes_left = 1,
            "smaller" => second = FakeModel::scrambled(VOCABULARY - 1),
            "damaged" => second = FakeModel::new(VOCABULARY, |_| vec![f32::NAN; VOCABULARY]),
            _ => {}
        }
        Self::ready(request, progress, second)
    }
}

fn settings(tokens: usize) -> DecodingSettings {
    let mut settings = DecodingSettings { strategy: StrategyKind::Greedy, ..Default::default() };
    settings.stop.max_tokens = tokens;
    settings.stop.eos = EosRule::Ignore;
    settings
}

fn watched() -> Watched {
    let mut watched = Watched::on(Two);
    watched.send(Command::Load(LoadRequest::of(ModelSource::BuiltIn)));
    watched.until("the model is ready", |view| view.status == Status::Ready);
    watched
}

fn load_second(watched: &Watched, name: &str) {
    let request = LoadRequest::of(ModelSource::Path(name.into()));
    watched.send(Command::Second(SecondCommand::Load(request)));
}

fn lanes(watched: &mut Watched, lanes: &[DecodingSettings], pace: Pace) {
    watched.forget_run();
    let prompt = Prompt::Ids(PROMPT.to_vec());
    watched.send(Command::StartLanes(LanesRequest { prompt, lanes: lanes.to_vec(), pace }));
}

fn read(watched: &mut Watched, steps: usize) -> Vec<SecondOpinion> {
    watched.until_within(Duration::from_secs(60), "so much is read", |view| {
        view.second.opinions.len() == steps
            && !matches!(view.status, Status::Initiating { .. } | Status::Running)
    });
    watched.view().second.opinions.clone()
}

fn notice(watched: &mut Watched, title: &str) -> String {
    watched.until("it is told", |view| view.notices.iter().any(|notice| notice.title == title));
    let notices = &watched.view().notices;
    notices.iter().rev().find(|notice| notice.title == title).expect("it was told").detail.clone()
}

/// What is expected of a text of so many steps: the number of tokens before step n is that of the prompt and n.
fn check(opinions: &[SecondOpinion], run: &Run) {
    for (place, opinion) in opinions.iter().enumerate() {
        let before: Vec<u32> =
            run.prompt_ids().into_iter().chain(run.generated_ids()[..place].iter().copied()).collect();
        let agree = favourite(&before) == other_favourite(&before);
        let node = &run.nodes[run.line[place]];
        assert_eq!(opinion.node, run.line[place]);
        assert_eq!(opinion.first.top.id, favourite(&before));
        assert_eq!(opinion.second.top.id, other_favourite(&before));
        assert_eq!(opinion.agrees(), agree, "step {}", place + 1);
        let (kl, [first, second]) = expected(agree);
        assert!((opinion.kl_nats - kl).abs() < 1e-9, "step {}: {opinion:?}, {kl}", place + 1);
        if node.token == favourite(&before) {
            assert!((opinion.first.log_probability - first.ln()).abs() < 1e-9, "{opinion:?}");
            assert!((opinion.second.log_probability - second.ln()).abs() < 1e-9, "{opinion:?}");
        }
    }
}

#[test]
fn what_both_say_of_each_step_is_as_the_closed_form_has_it_and_the_run_stays_as_it_is() {
    let mut watched = watched();
    lanes(&mut watched, &[settings(40), settings(3)], Pace::Continuous);
    watched.until("they end", |view| view.status == Status::Ready && view.lanes.len() == 2);
    let alone = watched.run().clone();
    load_second(&watched, "other");
    let opinions = read(&mut watched, 40);
    check(&opinions, &alone);
    let sums = OpinionSummary::of(&opinions).expect("there are steps");
    let disagree = (PROMPT.len()..PROMPT.len() + 40).filter(|length| length.is_multiple_of(3)).count();
    assert!((sums.top_agreement - (40 - disagree) as f64 / 40.0).abs() < 1e-12);
    let mean = (disagree as f64 * expected(false).0 + (40 - disagree) as f64 * expected(true).0) / 40.0;
    assert!((sums.mean_kl_nats - mean).abs() < 1e-9);
    assert!((sums.largest_kl_nats - expected(false).0).abs() < 1e-9);
    assert!((PROMPT.len() + sums.largest_at).is_multiple_of(3), "a step at which they do not agree");
    assert!(watched.view().second.model.is_some() && watched.view().second.cache_bytes > 0);
    // Beside it the run makes the same steps, at a rest in between as well.
    lanes(&mut watched, &[settings(40), settings(3)], Pace::SingleStep);
    for steps in 1..=3 {
        let opinions = read(&mut watched, steps);
        check(&opinions, watched.run());
        watched.send(Command::StepOnce);
    }
    watched.send(Command::Resume);
    let opinions = read(&mut watched, 40);
    let run = watched.run();
    check(&opinions, run);
    assert_eq!((run.generated_ids(), &run.line), (alone.generated_ids(), &alone.line));
    let logits = |run: &Run| run.nodes.iter().map(|node| node.logit).collect::<Vec<_>>();
    assert_eq!(logits(run), logits(&alone));
    // It is the first lane's text that is read, whichever is on show.
    watched.send(Command::ShowLane(1));
    watched.until("it is shown", |view| view.lanes.shown() == Some(1));
    assert_eq!(watched.view().second.opinions.len(), 40);
}

#[test]
fn a_branch_is_read_from_where_it_leaves() {
    let mut watched = watched();
    load_second(&watched, "other");
    watched.until("it is ready", |view| view.second.model.is_some());
    lanes(&mut watched, &[settings(20)], Pace::Continuous);
    read(&mut watched, 20);
    let other =
        watched.run().nodes[7].candidates.iter().find(|one| one.token != watched.run().nodes[7].token);
    let token = other.expect("another candidate").token;
    watched.send(Command::Branch { node: 7, token, pace: Pace::Continuous });
    watched.until("it branches", |view| view.second.opinions.get(7).is_some_and(|opinion| opinion.node != 7));
    watched.until("all is read", |view| {
        let line = view.run.as_ref().map_or(0, |run| run.line.len());
        view.status == Status::Ready && view.second.opinions.len() == line
    });
    let opinions = watched.view().second.opinions.clone();
    assert_eq!(opinions.len(), 20);
    check(&opinions, watched.run());
    let [_, p_other] = probabilities(ABOVE[0]);
    assert!((opinions[7].first.log_probability - p_other.ln()).abs() < 1e-9);
}

#[test]
fn it_reads_no_more_when_told_so_and_not_beside_a_run_that_is_no_lane() {
    let mut watched = watched();
    load_second(&watched, "other");
    watched.until("it is ready", |view| view.second.reads);
    lanes(&mut watched, &[settings(5)], Pace::SingleStep);
    read(&mut watched, 1);
    watched.send(Command::Second(SecondCommand::EndReading));
    watched.until("it rests", |view| !view.second.reads);
    watched.send(Command::Resume);
    watched.until("the run ends", |view| view.status == Status::Ready);
    assert_eq!(watched.view().second.opinions.len(), 1);
    watched.send(Command::Second(SecondCommand::Read));
    read(&mut watched, 5);
    watched.forget_run();
    let prompt = Prompt::Ids(PROMPT.to_vec());
    watched.send(Command::Start(RunRequest { prompt, settings: settings(5), pace: Pace::Continuous }));
    watched.finished();
    // Had it begun to read, that would have come before the answer to this.
    watched.send(Command::ListAdapters);
    watched.send(Command::Second(SecondCommand::Drop));
    watched.until("it is dropped", |view| view.second.model.is_none());
    assert!(watched.view().second.opinions.is_empty());
}

#[test]
fn what_does_not_fit_or_breaks_is_told_and_leaves_the_run() {
    let mut early = Watched::on(Two);
    load_second(&early, "other");
    assert!(notice(&mut early, "The other model could not be loaded").contains("open that one first"));
    let mut watched = watched();
    lanes(&mut watched, &[settings(30)], Pace::SingleStep);
    watched.until("it waits", |view| view.status == Status::Paused);
    load_second(&watched, "smaller");
    let words = notice(&mut watched, "The other model could not be loaded");
    let expected = "smaller has 699 ids, but built-in model has 700, and both have to have the same tokens: choose a \
                    model of the same family, or the same model in another precision";
    assert_eq!(words, expected);
    watched.until("there is none", |view| view.second.model.is_none() && view.second.loading.is_none());
    load_second(&watched, "missing");
    watched.until("it is told", |view| view.notices.iter().any(|one| one.detail.contains("a context of 0")));
    load_second(&watched, "damaged");
    let words = notice(&mut watched, "The other model could not read the text");
    assert!(words.starts_with("at step 1 some of the logits are not finite numbers"), "{words}");
    watched.until("it rests", |view| !view.second.reads && view.second.model.is_some());
    load_second(&watched, "unplugged");
    watched.until("it is lost", |view| {
        view.second.model.is_none() && view.notices.iter().any(|one| one.detail.contains("unplugged it"))
    });
    // The run goes on.
    watched.send(Command::Resume);
    watched.until("it ends", |view| view.run.as_ref().is_some_and(|run| run.stop.is_some()));
    assert_eq!((watched.run().line.len(), watched.run().stop), (30, Some(StopReason::MaxTokens)));
    // A short context: the last token needs no position.
    load_second(&watched, "short");
    let words = notice(&mut watched, "The other model cannot read all of the text");
    assert!(words.starts_with("It can read 6 of 30 steps: short has a context of 14 positions"), "{words}");
    check(&read(&mut watched, 6), &watched.run().clone());
    // It goes with its model.
    watched.send(Command::Load(LoadRequest::of(ModelSource::BuiltIn)));
    watched.until("it is gone", |view| view.status == Status::Ready && view.second.model.is_none());
}

#[test]
fn reading_computes_each_row_once_and_frees_what_it_took() {
    let (mut first, mut second) = (model(favourite, ABOVE[0]), model(other_favourite, ABOVE[1]));
    second.max_rows = 5;
    let prompt = PROMPT.iter().map(|&token| PromptToken { token, ..PromptToken::default() }).collect();
    let mut run = Run { prompt, ..Run::default() };
    let push = |run: &mut Run| {
        let text: Vec<u32> = run.prompt_ids().into_iter().chain(run.generated_ids()).collect();
        run.push(Node { token: favourite(&text), ..Node::default() });
    };
    (0..23).for_each(|_| push(&mut run));
    let mut pair = Pair { first: &mut first, second: &mut second };
    let mut reading = Reading::begin(&mut pair, PROMPT.len() + 24);
    let mut opinions = Vec::new();
    assert_eq!(reading.take_up(&mut pair, &run), 23);
    while !reading.is_over() {
        opinions.extend(reading.advance(&mut pair).expect("it goes on"));
    }
    check(&opinions, &run);
    push(&mut run);
    reading.take_up(&mut pair, &run);
    while !reading.is_over() {
        opinions.extend(reading.advance(&mut pair).expect("it goes on"));
    }
    assert_eq!(opinions.len(), 24);
    reading.release(&mut pair);
    assert_eq!((first.rows(), second.rows()), (PROMPT.len() + 23, PROMPT.len() + 23));
    assert_eq!((first.live_sequences(), second.live_sequences()), (0, 0));
    assert!(second.passes.iter().all(|rows| *rows <= 5));
}

/// What transformers says of the same texts, of another checkpoint and of the same one with weights that gguf rounded.
#[test]
fn the_command_line_tells_what_transformers_does() {
    let families = support::fixture("families");
    let pairs: Value = serde_json::from_slice(&fs::read(families.join("second.json")).expect("it is there"))
        .expect("it is JSON");
    for pair in pairs.as_array().expect("pairs") {
        let folder = |key: &str| families.join(pair[key].as_str().expect("a folder"));
        let ids: Vec<String> =
            pair["prompt_ids"].as_array().expect("ids").iter().map(Value::to_string).collect();
        let mut program = support::program();
        program.args(["generate", "--json", "--ignore-eos", "--kv", "f32", "-n", "40", "--model"]);
        program.arg(folder("first")).args(["--prompt-ids", &ids.join(",")]);
        program.args(["--compare-weights", pair["weights"].as_str().expect("a precision")]);
        program.arg("--compare-with").arg(folder("second"));
        let output = program.output().expect("the program starts");
        let found: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(found["ids"], pair["ids"]);
        let comparison = &found["comparison"];
        let steps = comparison["steps"].as_array().expect("steps");
        assert_eq!(steps.len(), 40);
        let mut sum = 0.0;
        for (place, step) in steps.iter().enumerate() {
            for key in ["top", "other_top"] {
                assert_eq!(step[key], pair[key][place], "{key} of step {}", place + 1);
            }
            for key in ["kl_nats", "logprob", "other_logprob"] {
                let expected = pair[key][place].as_f64().expect("a number");
                let difference = (step[key].as_f64().expect("a number") - expected).abs();
                assert!(difference < 1e-4 * expected.abs().max(1.0), "{key} of step {}", place + 1);
            }
            sum += pair["kl_nats"][place].as_f64().expect("a number");
        }
        assert!((comparison["mean_kl_nats"].as_f64().expect("a number") - sum / 40.0).abs() < 1e-4);
        let same = (0..40).filter(|&place| pair["top"][place] == pair["other_top"][place]).count();
        assert_eq!(comparison["top_agreement"].as_f64(), Some(same as f64 / 40.0));
    }
    let mut program = support::program();
    program.args(["generate", "-n", "1", "--prompt-ids", "3", "--compare-with", "built-in", "--model"]);
    let output = program.arg(families.join("llama-f32")).output().expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the models cannot be compared: ") && error.contains("has 4096 ids"), "{error}");
}
