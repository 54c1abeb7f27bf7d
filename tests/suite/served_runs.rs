//! Whole runs on real servers of stories260K, as they were recorded, against float64 arithmetic: `tests/fixtures/servers/runs.py`
//! has the numbers, and the rule of the draws in other words.

use logitscope::decoding::{DecodingSettings, StrategyKind};
use logitscope::session::command::LoadRequest;
use logitscope::session::decode::uninterrupted;
use logitscope::session::{ApiKey, Decode, GpuLoader, Loader, ModelSource, Prompt, ReadyModel};
use logitscope::trace::{Run, StopReason};

use super::servers::Met;

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
}

fn truth() -> Truth {
    serde_json::from_str(include_str!("../fixtures/servers/runs.json")).expect("the truth")
}

fn load(met: &Met) -> ReadyModel {
    let source = ModelSource::Server(met.address.clone());
    let request = LoadRequest { key: ApiKey::new("unused-key").ok(), ..LoadRequest::of(source) };
    GpuLoader::default().load(&request, &mut |_, _| std::ops::ControlFlow::Continue(())).expect("a server")
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
    let guessed = run(ready, ids(), &settings(StrategyKind::Speculative));
    assert_eq!(guessed.generated_ids(), truth.greedy);

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
        let verified =
            player.seen().iter().filter(|request| request.json()["prompt_logprobs"].is_number()).count();
        assert!(verified > 0, "drafts are verified by the prompt's log-probabilities");
    }
}

#[test]
fn runs_on_llama_server_are_what_float64_says() {
    let met = Met::new("llama_runs");
    runs_as_it_should(&mut load(&met), "llama-server b1-0c1e570");
}
