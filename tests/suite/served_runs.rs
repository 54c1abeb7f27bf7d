//! Whole runs on real servers of stories260K, as they were recorded, against float64 arithmetic: `tests/fixtures/servers/runs.py`
//! has the numbers, and the rule of the draws in other words.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use logitscope::decoding::{DecodingSettings, StrategyKind};
use logitscope::session::command::{LoadRequest, Pace, RunRequest};
use logitscope::session::decode::uninterrupted;
use logitscope::session::{
    ApiKey, Command, Decode, GpuLoader, LoadError, LoadPart, Loader, ModelSource, Notice, Prompt, ReadyModel,
    ServerAddress, Share, Status,
};
use logitscope::trace::{Run, StopReason};

use super::http_request::Request;
use super::server_player::{End, Player, Reply};
use super::servers::{Met, always};
use super::session::Watched;

/// How far float32 may lie from float64: both servers were measured at 2e-5 at most.
const TOLERANCE: f64 = 1e-4;

#[derive(serde::Deserialize)]
struct Truth {
    prompt: Vec<u32>,
    greedy: Vec<u32>,
    greedy_log_probabilities: Vec<f64>,
    beams: Vec<u32>,
    plain_draws: Vec<u32>,
    top_k_draws: Vec<u32>,
    top_p_draws: Vec<u32>,
    presence_draws: Vec<u32>,
    twice: Vec<u32>,
    goes_on: Vec<u32>,
}

fn truth() -> Truth {
    serde_json::from_str(include_str!("../fixtures/servers/runs.json")).expect("the truth")
}

fn load(met: &Met) -> ReadyModel {
    let source = ModelSource::Server(met.address.clone());
    let request = LoadRequest { key: ApiKey::new("unused-key").ok(), ..LoadRequest::of(source) };
    GpuLoader::default().load(&request, &mut |_, _| ControlFlow::Continue(())).expect("a server")
}

fn run(ready: &mut ReadyModel, prompt: Prompt, settings: &DecodingSettings) -> Run {
    let mut decode = Decode::begin(ready, &prompt, settings).expect("it begins");
    while decode.run.stop.is_none() {
        uninterrupted(|control| decode.advance(ready, control)).expect("a step");
    }
    decode.end(ready)
}

fn settings(strategy: StrategyKind) -> DecodingSettings {
    let mut settings = DecodingSettings { strategy, recorded_candidates: 5, ..DecodingSettings::default() };
    settings.stop.max_tokens = 12;
    settings
}

fn runs_as_it_should(ready: &mut ReadyModel, engine: &str) {
    let truth = truth();
    let ids = || Prompt::Ids(truth.prompt.clone());

    // The text becomes the same ids there, and the answer the same text.
    let text = Prompt::Text { text: "Tim and Sue went".to_owned(), special: Default::default() };
    assert_eq!(ready.tokenise(&text).unwrap(), truth.prompt);
    let greedy = run(ready, ids(), &settings(StrategyKind::Greedy));
    assert_eq!((greedy.generated_ids(), greedy.stop), (truth.greedy.clone(), Some(StopReason::MaxTokens)));
    assert_eq!(greedy.text(), " to the park. They saw a big bo");
    let served = greedy.model.server.as_ref().expect("it was on a server");
    assert_eq!((served.engine.as_str(), served.most_listed, served.whole_rows), (engine, 512, true));
    for (node, expected) in greedy.nodes.iter().zip(&truth.greedy_log_probabilities) {
        assert!((f64::from(node.log_probability) - expected).abs() < TOLERANCE, "{node:?}");
        assert!((f64::from(node.logit) - expected).abs() < TOLERANCE, "a server tells log-probabilities");
        assert!(node.log_sum_exp.abs() < 1e-5 && node.rank == 1, "{node:?}");
        // 120 of 512 were asked for.
        let most = node.entropy_at_most.unwrap_or(node.entropy);
        assert!((0.0..0.1).contains(&(most - node.entropy)), "{} to {most}", node.entropy);
        assert_eq!((node.candidates.len(), node.others.count), (5, 507));
        assert!(node.candidates.iter().all(|candidate| !candidate.piece.is_empty()));
    }

    let drawn = |ready: &mut ReadyModel, seed, change: fn(&mut DecodingSettings)| {
        let mut settings = DecodingSettings { seed, ..settings(StrategyKind::Sample) };
        change(&mut settings);
        run(ready, ids(), &settings).generated_ids()
    };
    assert_eq!(drawn(ready, 3, |_| {}), truth.plain_draws);
    let of_top_k = |settings: &mut DecodingSettings| {
        (settings.stages.temperature, settings.stages.top_k) = (0.8, 40);
    };
    assert_eq!(drawn(ready, 5, of_top_k), truth.top_k_draws);
    let of_top_p = |settings: &mut DecodingSettings| {
        (settings.stages.temperature, settings.stages.top_p) = (0.7, 0.9);
    };
    assert_eq!(drawn(ready, 9, of_top_p), truth.top_p_draws);

    let beams = run(ready, ids(), &settings(StrategyKind::Beam).with_beams(3));
    assert_eq!(beams.generated_ids(), truth.beams);
    // Penalties take whole rows.
    assert_eq!(drawn(ready, 4, |settings| settings.stages.presence_penalty = 2.0), truth.presence_draws);
    let guessed = run(ready, Prompt::Ids(truth.twice.clone()), &settings(StrategyKind::Speculative));
    assert_eq!(guessed.generated_ids(), truth.goes_on);
    let accepted = (0..guessed.nodes.len()).filter(|&node| guessed.was_guessed(node)).count();
    assert!(accepted > 3, "{accepted} tokens were guessed from what the text has said before");

    // What the server chooses by itself where one token is left.
    let mut theirs = settings(StrategyKind::Server);
    theirs.stages.top_k = 1;
    let theirs = run(ready, ids(), &theirs);
    assert_eq!(theirs.generated_ids(), truth.greedy);
    assert!(theirs.nodes.iter().all(|node| node.stages.is_empty() && node.draw.is_none()));

    // A branch goes on from another token.
    let mut decode = Decode::begin(ready, &ids(), &settings(StrategyKind::Greedy)).unwrap();
    uninterrupted(|control| decode.advance(ready, control)).unwrap();
    let other = decode.run.nodes[0].candidates[1].token;
    decode.branch(ready, 0, other).unwrap();
    uninterrupted(|control| decode.advance(ready, control)).unwrap();
    assert_eq!(decode.run.generated_ids().len(), 2);
    assert_eq!(decode.end(ready).generated_ids()[0], other);
}

trait WithBeams {
    fn with_beams(self, beams: usize) -> Self;
}

impl WithBeams for DecodingSettings {
    fn with_beams(mut self, beams: usize) -> Self {
        (self.beam.beams, self.beam.returned) = (beams, 1);
        self
    }
}

#[test]
fn runs_on_vllm_are_what_float64_says() {
    let met = Met::new("vllm_runs");
    let mut ready = load(&met);
    runs_as_it_should(&mut ready, "vLLM 0.32.0");
    if let Some(player) = &met.player {
        let has_rows = |request: &&Request| request.json()["prompt_logprobs"].as_u64() > Some(1);
        let verified = player.seen().iter().filter(has_rows).count();
        assert!(verified > 0, "drafts are verified by the prompt's log-probabilities");
    }
}

#[test]
fn runs_on_llama_server_are_what_float64_says() {
    let met = Met::new("llama_runs");
    let mut ready = load(&met);
    runs_as_it_should(&mut ready, "llama-server b1-0c1e570");
    // It tells what it took itself, in a stream as well.
    let greedy = run(&mut ready, Prompt::Ids(truth().prompt), &settings(StrategyKind::Greedy));
    let told: Vec<f64> = greedy.nodes.iter().filter_map(|node| node.timing.server_seconds).collect();
    assert_eq!(told.len(), greedy.nodes.len());
    assert!(told.iter().all(|seconds| (0.0..0.05).contains(seconds)), "{told:?}");
}

#[test]
fn a_run_waits_while_its_server_fails_and_goes_on() {
    let truth = truth();
    let failures = AtomicUsize::new(0);
    let is_stream = |request: &Request| request.json()["stream"] == true;
    // Whoever asks for a stream meets an error first, and an answer then.
    let player = Player::recorded("vllm_runs.json", move |request| {
        let fails = is_stream(request) && failures.fetch_add(1, Ordering::Relaxed) == 0;
        fails.then(|| Reply::error(500, "EngineCore encountered an issue"))
    });
    let address = ServerAddress::parse(&player.address()).unwrap();
    let mut watched = Watched::on(GpuLoader::default());
    watched.send(Command::Load(LoadRequest::of(ModelSource::Server(address))));
    watched.until("it is connected", |view| view.status == Status::Ready);
    let (prompt, settings) = (Prompt::Ids(truth.prompt.clone()), settings(StrategyKind::Greedy));
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
    watched.until("it waits", |view| view.status == Status::Paused);
    watched.until("it says why", |view| {
        let told = |notice: &&Notice| {
            notice.title == "The run waits" && notice.detail.contains("EngineCore encountered an issue")
        };
        view.notices.iter().filter(told).count() == 1
    });
    watched.until("nothing is lost", |view| {
        view.run.as_ref().is_some_and(|run| run.generated_ids() == truth.greedy[..1] && run.stop.is_none())
    });
    watched.send(Command::Resume);
    watched.until("it has ended", |view| {
        view.run.as_ref().is_some_and(|run| run.generated_ids() == truth.greedy && run.stop.is_some())
    });
}

#[test]
fn connecting_can_be_stopped() {
    let player = always(Reply::text(200, "application/json", "{").ending(End::Silence));
    let address = ServerAddress::parse(&player.address()).unwrap();
    let begun = Instant::now();
    let mut told = Vec::new();
    let mut progress = |part, share| {
        told.push((part, share));
        if told.len() > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let request = LoadRequest::of(ModelSource::Server(address));
    let stopped = GpuLoader::default().load(&request, &mut progress);
    assert!(matches!(stopped, Err(LoadError::Stopped)), "{:?}", stopped.map(drop));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(told.iter().all(|told| *told == (LoadPart::Connecting, Share::default())));
}
