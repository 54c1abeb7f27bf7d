//! Models with rotary frequencies of their own for long texts (LongRoPE): the longest text that a run may get decides which it
//! has, and only runs with the same ones share what is cached.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use egui_kittest::kittest::Queryable as _;
use logitscope::decoding::{CacheUse, DecodingSettings, EosRule, StrategyInputs, StrategyKind};
use logitscope::model::batch::RowOutput;
use logitscope::model::{Batch, LanguageModel, SequenceId};
use logitscope::reference::Reference;
use logitscope::session::command::{LoadRequest, SecondCommand};
use logitscope::session::decode::uninterrupted;
use logitscope::session::event::RunStarted;
use logitscope::session::reading::{Pair, Reading};
use logitscope::session::{
    Command, Conversation, Decode, Event, GpuLoader, LanesRequest, Message, ModelSource, Pace, Prompt,
    ReadyModel, RunRequest, Status,
};
use logitscope::trace::strategies::Verdict;
use logitscope::trace::{LongRope, Run, StepDetail};
use serde::Deserialize;

use super::checkpoints;
use super::session::Watched;
use super::support;
use super::window::{running, sees_part};

const PATIENCE: Duration = Duration::from_secs(120);

/// Positions up to which a text is short in the fixture.
const SHORT: usize = 32;

/// What transformers computed.
#[derive(Deserialize)]
struct Expected {
    short: Ids,
    /// With the frequencies of short texts.
    greedy: Vec<u32>,
    /// With those of long ones.
    beyond: Vec<u32>,
}

#[derive(Deserialize)]
struct Ids {
    ids: Vec<u32>,
    /// With the frequencies of short texts, a row for each.
    logits: Vec<Vec<f32>>,
}

fn expected() -> Expected {
    let text = std::fs::read(support::fixture("families/phi3-long/expected.json")).expect("readable");
    serde_json::from_slice(&text).expect("the script's format")
}

fn settings(max_tokens: usize) -> DecodingSettings {
    let mut settings = DecodingSettings::default();
    (settings.stop.max_tokens, settings.stop.eos) = (max_tokens, EosRule::Ignore);
    settings
}

fn generate(ready: &mut ReadyModel, prompt: &[u32], settings: &DecodingSettings) -> Run {
    let mut decode = Decode::begin(ready, &Prompt::Ids(prompt.to_vec()), settings).expect("a good prompt");
    while decode.run.stop.is_none() {
        uninterrupted(|control| decode.advance(ready, control)).expect("a step");
    }
    decode.end(ready)
}

/// The checkpoint as a folder and as a GGUF file, by both interpreters.
fn models() -> Vec<ReadyModel> {
    let paths = ["families/phi3-long", "gguf_families/phi3-long.gguf"].map(support::fixture);
    let both = |path: &std::path::PathBuf| {
        [false, true].map(|on_gpu| {
            let opened = checkpoints::opened(&ModelSource::Path(path.clone()));
            let model: Box<dyn LanguageModel> = if on_gpu {
                Box::new(checkpoints::engine(&opened))
            } else {
                let twin = Reference::new(opened.plan.clone(), opened.context, &*opened.file.weights);
                Box::new(twin.expect("readable weights"))
            };
            checkpoints::with_model(opened, model)
        })
    };
    paths.iter().flat_map(both).collect()
}

#[test]
fn prompt_and_most_new_tokens_decide_before_a_run_begins() {
    let expected = expected();
    let prompt = &expected.short.ids;
    let new = SHORT - prompt.len();
    let strategies = [StrategyKind::Greedy, StrategyKind::Speculative, StrategyKind::Lookahead];
    for mut ready in models() {
        for (max_tokens, right) in
            [(new, &expected.greedy), (new + 1, &expected.beyond), (35, &expected.beyond)]
        {
            for (strategy, cache) in strategies
                .map(|strategy| (strategy, CacheUse::Reuse))
                .into_iter()
                .chain([(StrategyKind::Greedy, CacheUse::Recompute)])
            {
                let settings = DecodingSettings { strategy, cache, ..settings(max_tokens) };
                let run = generate(&mut ready, prompt, &settings);
                let name = format!("{}, {strategy:?}, {cache:?}, {max_tokens}", ready.loaded.model.path);
                let rope = LongRope { short_texts: SHORT, longest: prompt.len() + max_tokens };
                assert_eq!(run.long_rope, Some(rope), "{name}");
                assert_eq!(rope.is_long(), max_tokens > new, "{name}");
                let ids = run.generated_ids();
                let known = right.len().min(ids.len());
                assert_eq!(ids[..known], right[..known], "{name}");
            }
        }
    }
}

/// A checkpoint in the twin.
fn twin(name: &str) -> ReadyModel {
    let opened = checkpoints::opened(&ModelSource::Path(support::fixture("families").join(name)));
    let model = Reference::new(opened.plan.clone(), opened.context, &*opened.file.weights).expect("weights");
    checkpoints::with_model(opened, Box::new(model))
}

/// The tokens that two models hold for the likeliest of a run's steps.
fn likeliest(first: &mut ReadyModel, second: &mut ReadyModel, run: &Run, longest: usize) -> [Vec<u32>; 2] {
    let mut pair = Pair { first: &mut *first.model, second: &mut *second.model };
    let mut reading = Reading::begin(&mut pair, longest);
    reading.take_up(&mut pair, run);
    let mut opinions = Vec::new();
    while !reading.is_over() {
        opinions.extend(reading.advance(&mut pair).expect("it goes on"));
    }
    reading.release(&mut pair);
    [
        opinions.iter().map(|opinion| opinion.first.top.id).collect(),
        opinions.iter().map(|opinion| opinion.second.top.id).collect(),
    ]
}

/// What transformers chose, each of two models says again, whichever of them has such frequencies.
#[test]
fn two_models_read_a_run_with_its_frequencies() {
    let expected = expected();
    let prompt = &expected.short.ids;
    let (mut long_rope, mut same, mut without) = (twin("phi3-long"), twin("phi3-long"), twin("llama-f32"));
    for (max_tokens, right) in [(SHORT - prompt.len(), &expected.greedy), (35, &expected.beyond)] {
        let mut decode = Decode::begin(&long_rope, &Prompt::Ids(prompt.clone()), &settings(max_tokens))
            .expect("a good prompt");
        let longest = decode.longest();
        assert_eq!(longest, prompt.len() + max_tokens);
        for _ in right.iter().take(max_tokens) {
            uninterrupted(|control| decode.advance(&mut long_rope, control)).expect("a step");
        }
        let run = decode.end(&mut long_rope);
        assert_eq!(&run.generated_ids(), right);
        let [first, second] = likeliest(&mut long_rope, &mut same, &run, longest);
        assert_eq!((&first, &second), (right, right), "{max_tokens}");
        let [_, second] = likeliest(&mut without, &mut long_rope, &run, longest);
        assert_eq!(&second, right, "{max_tokens}");
        let [first, _] = likeliest(&mut long_rope, &mut without, &run, longest);
        assert_eq!(&first, right, "{max_tokens}");
    }
}

/// A draft model that is the model itself drafts what it says, whichever frequencies the run has.
#[test]
fn drafts_have_the_frequencies_of_the_run() {
    let expected = expected();
    let prompt = &expected.short.ids;
    for (max_tokens, right) in [(24, &expected.greedy), (35, &expected.beyond)] {
        let (mut ready, draft) = (twin("phi3-long"), twin("phi3-long").model);
        let aids = StrategyInputs { draft: Some(Rc::new(RefCell::new(draft))), ..StrategyInputs::default() };
        let settings = DecodingSettings { strategy: StrategyKind::Speculative, ..settings(max_tokens) };
        let prompt = Prompt::Ids(prompt.clone());
        let mut decode = Decode::begin_with(&ready, aids, &prompt, &settings).expect("a good prompt");
        while decode.run.stop.is_none() {
            uninterrupted(|control| decode.advance(&mut ready, control)).expect("a step");
        }
        let run = decode.end(&mut ready);
        assert_eq!(&run.generated_ids(), right);
        let mut accepted = 0;
        for step in &run.steps {
            let StepDetail::Speculative(step) = &step.detail else { continue };
            assert!(step.drafted.iter().all(|drafted| drafted.verdict != Verdict::Rejected), "{step:?}");
            accepted += step.drafted.len();
        }
        assert!(accepted > max_tokens / 2, "{accepted} drafted tokens of {max_tokens}");
    }
}

/// The greedy token after these, which a sequence goes on with.
fn greedy_after(model: &mut dyn LanguageModel, sequence: SequenceId, start: usize, ids: &[u32]) -> u32 {
    let batch = Batch::chain(sequence, start, ids, RowOutput::Logits);
    let logits = model.forward(&batch).expect("in range").logits.swap_remove(0);
    let best = logits.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1));
    best.map_or(0, |(id, _)| id as u32)
}

#[test]
fn a_sequence_keeps_its_frequencies_in_forks() {
    let expected = expected();
    for mut ready in models() {
        let model = &mut *ready.model;
        assert_eq!(model.short_texts(), Some(SHORT));
        let path = &ready.loaded.model.path;
        for (longest, right) in [(SHORT, &expected.greedy), (SHORT + 1, &expected.beyond)] {
            let sequence = model.new_sequence_for(longest);
            let next = greedy_after(model, sequence, 0, &expected.short.ids);
            assert_eq!(next, right[0], "{path}");
            let fork = model.fork(sequence).expect("memory");
            for (index, pair) in right.windows(2).take(12).enumerate() {
                let next = greedy_after(model, fork, expected.short.ids.len() + index, &pair[..1]);
                assert_eq!(next, pair[1], "{path}: {longest}, {index}");
            }
            model.release(sequence);
            model.release(fork);
        }
    }
}

/// A worker with the checkpoint, with a tokenizer and a template of plain lines.
fn watched() -> (tempfile::TempDir, Watched) {
    let folder = tempfile::tempdir().expect("a folder");
    for (fixture, file) in [
        ("phi3-long", "config.json"),
        ("phi3-long", "generation_config.json"),
        ("phi3-long", "model.safetensors"),
        ("gpt2-f32", "tokenizer.json"),
        ("gpt2-f32", "tokenizer_config.json"),
    ] {
        let path = support::fixture("families").join(fixture).join(file);
        std::fs::copy(path, folder.path().join(file)).expect("copied");
    }
    let template = "{% for m in messages %}{{ m.role[0] }}{{ m.content }}{% endfor %}a";
    std::fs::write(folder.path().join("chat_template.jinja"), template).expect("written");
    let mut watched = Watched::on(GpuLoader::default());
    watched.send(Command::Load(LoadRequest::of(ModelSource::Path(folder.path().to_owned()))));
    watched.until_within(PATIENCE, "it is loaded", |view| view.status == Status::Ready);
    (folder, watched)
}

fn run(watched: &mut Watched, prompt: Prompt, max_tokens: usize) -> Run {
    let settings = settings(max_tokens);
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
    watched.until_within(PATIENCE, "a run begins", |view| view.status != Status::Ready);
    watched.until_within(PATIENCE, "it ends", |view| {
        view.status == Status::Ready && view.run.as_ref().is_some_and(|run| run.stop.is_some())
    });
    watched.run().clone()
}

fn conversation(said: &[&str]) -> Prompt {
    let roles = ["user", "assistant"].into_iter().cycle();
    let messages = said.iter().zip(roles).map(|(text, role)| Message::new(role, text)).collect();
    Prompt::Chat(Conversation { messages, ..Conversation::default() })
}

#[test]
fn a_conversation_that_becomes_long_is_computed_anew() {
    let (_folder, mut watched) = watched();
    let first = run(&mut watched, conversation(&["Who?"]), 6);
    assert!(!first.long_rope.expect("LongRoPE").is_long(), "{:?}", first.long_rope);
    let answer = first.text();
    let second = run(&mut watched, conversation(&["Who?", &answer, "I?"]), 5);
    assert!(!second.long_rope.expect("LongRoPE").is_long(), "{:?}", second.long_rope);
    assert!(second.continued_positions > 0, "short as before");
    let other = second.text();
    let said = ["Who?", &*answer, "I?", &*other, "And who else is there?"];
    let third = run(&mut watched, conversation(&said), 9);
    assert!(third.long_rope.expect("LongRoPE").is_long(), "{:?}", third.long_rope);
    assert_eq!(third.continued_positions, 0, "what is cached was turned by other frequencies");
    run(&mut watched, Prompt::Ids(vec![7]), 1);
    let alone = run(&mut watched, conversation(&said), 9);
    assert_eq!((alone.continued_positions, alone.generated_ids()), (0, third.generated_ids()));
}

#[test]
fn a_second_model_reads_each_run_with_its_frequencies() {
    let (folder, mut watched) = watched();
    let expected = expected();
    let request = LoadRequest::of(ModelSource::Path(folder.path().to_owned()));
    watched.send(Command::Second(SecondCommand::Load(request)));
    watched.until_within(PATIENCE, "it is loaded", |view| view.second.model.is_some());
    for (max_tokens, right) in [(24, &expected.greedy), (35, &expected.beyond), (24, &expected.greedy)] {
        let prompt = Prompt::Ids(expected.short.ids.clone());
        let lanes = [max_tokens, 1].map(settings).to_vec();
        watched.forget_run();
        watched.send(Command::StartLanes(LanesRequest { prompt, lanes, pace: Pace::Continuous }));
        watched.until_within(PATIENCE, "all is read", |view| {
            view.second.opinions.len() == max_tokens && view.run.is_some()
        });
        let opinions = &watched.view().second.opinions;
        let likeliest: Vec<[u32; 2]> =
            opinions.iter().map(|opinion| [opinion.first.top.id, opinion.second.top.id]).collect();
        let known = right.len().min(max_tokens);
        let expected: Vec<[u32; 2]> = right[..known].iter().map(|&token| [token, token]).collect();
        assert_eq!(likeliest[..known], expected, "{max_tokens}");
    }
}

#[test]
fn a_prompt_is_scored_with_the_frequencies_of_its_run() {
    let (_folder, mut watched) = watched();
    let Ids { ids, logits } = expected().short;
    run(&mut watched, Prompt::Ids(ids.clone()), SHORT - ids.len());
    watched.send(Command::ScorePrompt);
    watched.until_within(PATIENCE, "it is scored", |view| {
        let prompt = view.run.as_ref().map_or(&[][..], |run| &run.prompt);
        prompt.iter().skip(1).all(|token| token.expectation.is_some())
    });
    for (row, token) in logits.iter().zip(&watched.run().prompt[1..]) {
        let sum: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
        let right = f64::from(row[token.token as usize]) - sum.ln();
        let told =
            token.expectation.as_ref().map_or(0.0, |expectation| f64::from(expectation.log_probability));
        assert!((told - right).abs() < 0.01 * right.abs().max(1.0), "{told} in the place of {right}");
    }
}

#[test]
fn lanes_share_the_prompt_with_those_that_compute_it_the_same() {
    let (_folder, mut watched) = watched();
    let expected = expected();
    let prompt = Prompt::Ids(expected.short.ids.clone());
    let lanes = [24, 35, 20].map(settings).to_vec();
    watched.send(Command::StartLanes(LanesRequest { prompt, lanes, pace: Pace::Continuous }));
    watched.until_within(PATIENCE, "all lanes end", |view| {
        view.status == Status::Ready
            && (0..3).all(|lane| view.lane(lane).is_some_and(|run| run.stop.is_some()))
    });
    let runs: Vec<&Run> = (0..3).filter_map(|lane| watched.view().lane(lane)).collect();
    let continued: Vec<usize> = runs.iter().map(|run| run.continued_positions).collect();
    assert_eq!(continued, [4, 0, 4]);
    assert_eq!(runs[0].generated_ids(), expected.greedy);
    assert_eq!(runs[1].generated_ids(), expected.beyond);
    assert_eq!(runs[2].generated_ids(), expected.greedy[..20]);
}

#[test]
fn looks_ahead_end_where_other_frequencies_would_begin() {
    let (_folder, mut watched) = watched();
    let prompt = expected().short.ids;
    for (max_tokens, most) in [(SHORT - prompt.len(), 4), (SHORT - prompt.len() + 1, 8)] {
        let run = run(&mut watched, Prompt::Ids(prompt.clone()), max_tokens);
        // With the token in its place the text has 28 of them.
        let node = SHORT - prompt.len() - 5;
        watched.send(Command::Peek { node, token: run.nodes[node].token });
        watched.until_within(PATIENCE, "it has looked ahead", |view| {
            view.peeked.as_ref().is_some_and(|peeked| peeked.done && peeked.node == node)
        });
        let seen = watched.view().peeked.as_ref().map_or(0, |peeked| peeked.tokens.len());
        assert_eq!(seen, most, "{max_tokens}");
    }
}

#[test]
fn the_window_says_which_frequencies_a_run_has() {
    for (longest, words) in
        [(40, "for long texts: up to 40 positions, more than 32"), (30, "for short texts")]
    {
        let (mut window, script) = running(0);
        let run = window.state().view().run.clone().expect("a run");
        script.tell(Event::RunStarted(Box::new(RunStarted {
            prompt: run.prompt.clone(),
            strategy: run.strategy,
            seed: run.seed,
            step_input: run.step_input,
            continued_positions: 0,
            long_rope: Some(LongRope { short_texts: SHORT, longest }),
            phases: run.phases,
        })));
        script.steps(1);
        window.run();
        window.get_by_label_contains("Initiation: ").click();
        window.run();
        assert!(sees_part(&window, words), "{longest}");
    }
}
