//! Drafting heads (multi-token prediction): what they compute, held to transformers' modules put together after the
//! published definition, and drafting with them.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use logitscope::decoding::{
    CacheUse, Control, DecodingError, DecodingSettings, Drafter, Picking, SharedModel, Strategy,
    StrategyInputs, StrategyKind, begin_with,
};
use logitscope::formats;
use logitscope::formats::inspect::inspect;
use logitscope::gpu::{LoadPart, Share, SharedTensors};
use logitscope::model::batch::RowOutput;
use logitscope::model::decoder::drafting::SHARED_WITH_HEAD;
use logitscope::model::{Batch, LanguageModel};
use logitscope::reference::Reference;
use logitscope::session::decode::uninterrupted;
use logitscope::session::{
    Command, Decode, DraftingHead, Event, LoadRequest, ModelSource, Opened, Pace, Prompt, ReadyModel,
    RunError, RunRequest, Session, strategy_inputs,
};
use logitscope::trace::strategies::{DraftSource, Verdict};
use logitscope::trace::{Run, StepDetail, StopReason};
use logitscope::verify::{SelfTest, Watcher};
use serde::Deserialize;

use super::checkpoints::{self, source};
use super::fake_head::{FakeHead, fingerprint, target};
use super::gguf_edit::Gguf;
use super::speculative::settings;
use super::support;

const WITH_HEADS: [&str; 3] = ["qwen3_5", "qwen3_5_moe", "qwen3_next"];

/// `head.json` beside a checkpoint.
#[derive(Deserialize)]
struct Expected {
    prompt: Vec<u32>,
    logits: Vec<Vec<f32>>,
    drafts: Vec<ExpectedDraft>,
}

#[derive(Deserialize)]
struct ExpectedDraft {
    token: u32,
    logits: Vec<f32>,
}

fn expected(name: &str) -> Expected {
    let text = std::fs::read_to_string(support::fixture("families").join(name).join("head.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The folder and the GGUF file of a checkpoint.
fn places(name: &str) -> [PathBuf; 2] {
    let file = support::fixture("gguf_families").join(format!("{name}.gguf"));
    [support::fixture("families").join(name), file]
}

fn opened(path: &Path) -> Opened {
    checkpoints::opened(&ModelSource::Path(path.to_owned()))
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    let scale = expected.iter().fold(1.0_f32, |scale, logit| scale.max(logit.abs()));
    let furthest = found.iter().zip(expected).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
    assert!(found.len() == expected.len() && furthest < 1e-3 * scale, "{what}: off by {furthest} of {scale}");
}

/// Computes the prompt's positions in two chunks, then drafts, and holds all logits to the expected ones.
fn check(decoder: &mut dyn LanguageModel, head: &mut dyn LanguageModel, expected: &Expected, what: &str) {
    let prompt = &expected.prompt;
    let sequence = decoder.new_sequence();
    let batch = Batch::chain(sequence, 0, prompt, RowOutput::Nothing).with_hidden();
    let mut hidden = decoder.forward(&batch).unwrap().hidden;
    decoder.release(sequence);
    hidden.pop();

    let sequence = head.new_sequence();
    let mut found = Vec::new();
    let mut state = Vec::new();
    let after = hidden.split_off(11);
    for (first, states) in [(0, hidden), (11, after)] {
        let tokens = &prompt[first + 1..][..states.len()];
        let batch = Batch::chain_of_outputs(sequence, first, tokens, RowOutput::Logits);
        let outputs = head.forward(&batch.with_carried(states).with_hidden()).unwrap();
        found.extend(outputs.logits);
        state = outputs.hidden.into_iter().next_back().unwrap();
    }
    assert_eq!(found.len(), expected.logits.len());
    for (place, (found, expected)) in found.iter().zip(&expected.logits).enumerate() {
        assert_close(found, expected, &format!("{what}, position {place}"));
    }
    let mut logits = found.pop().unwrap();
    for (place, draft) in expected.drafts.iter().enumerate() {
        assert_close(&logits, &draft.logits, &format!("{what}, draft {place}"));
        let position = prompt.len() - 1 + place;
        let batch = Batch::chain(sequence, position, &[draft.token], RowOutput::Logits);
        let outputs = head.forward(&batch.with_carried(vec![state]).with_hidden()).unwrap();
        logits = outputs.logits.into_iter().next_back().unwrap();
        state = outputs.hidden.into_iter().next_back().unwrap();
    }
    head.release(sequence);
}

#[test]
fn logits_and_drafts_are_the_references_on_gpu_and_twin() {
    for name in WITH_HEADS {
        let expected = expected(name);
        for path in places(name) {
            let opened = opened(&path);
            let files = opened.drafting_head().unwrap_or_else(|| panic!("{path:?} has a head"));
            let (plan, weights) = files.open().unwrap();
            let mut twin = Reference::new(plan, 64, &*weights).unwrap();
            let mut decoder = Reference::new(opened.plan.clone(), 64, &*opened.file.weights).unwrap();
            check(&mut decoder, &mut twin, &expected, &format!("{path:?}, twin"));

            let mut decoder = checkpoints::engine(&opened);
            let shared = decoder.shared(&SHARED_WITH_HEAD);
            for shared in [shared, SharedTensors::default()] {
                let go_on = &mut |_, _| ControlFlow::Continue(());
                let mut head = files.engine(Arc::clone(&decoder.device), &shared, go_on).unwrap();
                check(&mut decoder, &mut head, &expected, &format!("{path:?}, GPU"));
            }
        }
    }
}

#[test]
fn tensors_of_files_are_those_of_folders() {
    for name in WITH_HEADS {
        let [folder, file] = places(name).map(|path| {
            let config = formats::open(&path).unwrap().config;
            formats::open_drafting_head(&path, &config).unwrap()
        });
        assert_eq!(folder.weights.tensors().len(), file.weights.tensors().len());
        for (index, info) in folder.weights.tensors().iter().enumerate() {
            let place = file.weights.tensors().iter().position(|other| other.name == info.name);
            let place = place.unwrap_or_else(|| panic!("{name}: {} is missing", info.name));
            let values = |weights: &dyn logitscope::model::Weights, index: usize| {
                let info = &weights.tensors()[index];
                info.format.decode(&weights.read(index, 0..info.rows).unwrap())
            };
            let (ours, theirs) = (values(&*file.weights, place), values(&*folder.weights, index));
            assert_eq!(ours, theirs, "{name}: {}", info.name);
        }
    }
}

#[test]
fn what_the_decoder_has_is_not_uploaded_again() {
    let opened = opened(&places("qwen3_5")[0]);
    let decoder = checkpoints::engine(&opened);
    let files = opened.drafting_head().unwrap();
    let uploaded = |shared: &SharedTensors| {
        let mut total = 0;
        let mut progress = |part, share: Share| {
            if part == LoadPart::Uploading {
                total = share.total;
            }
            ControlFlow::Continue(())
        };
        files.engine(Arc::clone(&decoder.device), shared, &mut progress).unwrap();
        total
    };
    let (alone, beside) = (uploaded(&SharedTensors::default()), uploaded(&decoder.shared(&SHARED_WITH_HEAD)));
    let ends: usize = ["embed.tokens", "head.weight"]
        .iter()
        .map(|name| opened.plan.tensors.iter().find(|spec| spec.name == *name).unwrap())
        .map(|spec| 4 * spec.rows * spec.columns)
        .sum();
    assert!(
        alone - beside >= ends as u64,
        "{alone} bytes alone, {beside} beside the decoder, {ends} of both"
    );
}

/// Goes on with everything, and notes what is done.
struct Notes(Vec<String>);

impl Watcher for Notes {
    fn loading(&mut self, _: LoadPart, _: Share) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn doing(&mut self, what: &str) {
        self.0.push(what.to_owned());
    }

    fn is_over(&self) -> bool {
        false
    }
}

#[test]
fn the_self_test_and_the_inspection_know_the_head() {
    for (name, has_head) in [("qwen3_5", true), ("qwen3_5-tied", false)] {
        let request = LoadRequest::of(source(name));
        let mut notes = Notes(Vec::new());
        let test = SelfTest { request: &request, device: support::device(), prompt: None };
        let findings = test.run(&mut notes).unwrap();
        assert!(findings.passed, "{:?}", findings.worst);
        let heads = notes.0.iter().filter(|place| place.contains("drafting head, ")).count();
        assert_eq!(heads > 0, has_head, "{name}: {heads} ops of a head");
        assert_eq!(inspect(&support::fixture("families").join(name)).unwrap().drafting_head, has_head);
    }
}

/// A checkpoint on the GPU, with its head.
fn ready(name: &str) -> ReadyModel {
    let opened = checkpoints::opened(&source(name));
    let engine = checkpoints::engine(&opened);
    let files = opened.drafting_head();
    let (device, shared) = (Arc::clone(&engine.device), engine.shared(&SHARED_WITH_HEAD));
    let mut ready = checkpoints::with_model(opened, Box::new(engine));
    ready.drafting_head = files.map(|files| {
        DraftingHead::new(move |progress| {
            let engine = files.engine(Arc::clone(&device), &shared, progress)?;
            Ok(Box::new(engine) as Box<dyn LanguageModel>)
        })
    });
    ready
}

fn inputs(ready: &mut ReadyModel, settings: &DecodingSettings) -> Result<StrategyInputs, RunError> {
    strategy_inputs(settings, ready, None, &mut |_, _| ControlFlow::Continue(()))
}

fn decode(ready: &mut ReadyModel, prompt: &[u32], settings: &DecodingSettings) -> Run {
    let inputs = inputs(ready, settings).unwrap();
    let mut decode =
        Decode::begin_with(ready, inputs.clone(), &Prompt::Ids(prompt.to_vec()), settings).unwrap();
    while decode.run.stop.is_none() {
        uninterrupted(|control| decode.advance(ready, control)).unwrap();
    }
    let run = decode.end(ready);
    assert_eq!(ready.model.cache_usage().bytes, 0, "sequences that nobody released");
    if let Some(head) = &inputs.head {
        assert_eq!(head.borrow().cache_usage().bytes, 0, "sequences of the head that nobody released");
    }
    run
}

fn drafter(run: &Run) -> DraftSource {
    let StepDetail::Speculative(step) = &run.steps[1].detail else { panic!("a step of another strategy") };
    step.drafter
}

#[test]
fn text_is_greedy_decodings_with_a_head_that_drafts() {
    for name in WITH_HEADS {
        let mut ready = ready(name);
        let prompt = expected(name).prompt;
        let greedy = decode(&mut ready, &prompt, &settings(StrategyKind::Greedy, 30));
        let mut drafted = settings(StrategyKind::Speculative, 30);
        for cache in [CacheUse::Reuse, CacheUse::Recompute] {
            drafted.cache = cache;
            let found = decode(&mut ready, &prompt, &drafted);
            assert_eq!(found.generated_ids(), greedy.generated_ids(), "{name}, {cache:?}");
            assert_eq!(drafter(&found), DraftSource::Head, "it drafts unless another is chosen");
        }
        drafted.speculative.drafter = Drafter::Lookup;
        assert_eq!(drafter(&decode(&mut ready, &prompt, &drafted)), DraftSource::PromptLookup);
        drafted.speculative.drafter = Drafter::Model;
        assert!(matches!(inputs(&mut ready, &drafted), Err(RunError::NoDraftModel)));
    }
    let mut without = ready("qwen3_5-tied");
    let mut drafted = settings(StrategyKind::Speculative, 8);
    drafted.speculative.drafter = Drafter::Head;
    let refused = inputs(&mut without, &drafted).err().expect("it has no head").to_string();
    assert!(refused.contains("qwen3_5-tied has no drafting head"), "{refused}");
}

#[test]
fn a_worker_loads_the_head_when_a_run_first_needs_it() {
    let session = Session::start(|| {});
    session.send(Command::Load(LoadRequest::of(source("qwen3_5"))));
    let mut events = Vec::new();
    let mut until = |what: &str, holds: fn(&Event) -> bool| {
        let begin = Instant::now();
        loop {
            if let Some(event) = session.wait(Duration::from_millis(100)) {
                events.push(event);
                if holds(events.last().expect("just pushed")) {
                    return std::mem::take(&mut events);
                }
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain for {what}: {events:?}");
        }
    };
    let loaded = until("the model", |event| matches!(event, Event::Loaded(_)));
    assert!(matches!(loaded.last(), Some(Event::Loaded(loaded)) if loaded.has_drafting_head));
    let mut run = |settings: DecodingSettings| {
        let prompt = Prompt::Ids(expected("qwen3_5").prompt);
        session.send(Command::Start(RunRequest { prompt, settings, pace: Pace::Continuous }));
        let events = until("the end", |event| matches!(event, Event::Finished { .. }));
        let loads = events.iter().filter(|event| matches!(event, Event::HeadLoadStarted)).count();
        let ends = events.iter().filter(|event| matches!(event, Event::HeadLoadEnded)).count();
        assert_eq!(loads, ends);
        loads
    };
    assert_eq!(run(settings(StrategyKind::Greedy, 4)), 0, "greedy decoding needs no head");
    assert_eq!(run(settings(StrategyKind::Speculative, 8)), 1, "the first run that drafts loads it");
    assert_eq!(run(settings(StrategyKind::Speculative, 8)), 0, "the second one has it");
}

#[test]
fn heads_that_cannot_be_run_are_none() {
    let path = &places("qwen3_5")[1];
    assert!(formats::open(path).unwrap().has_drafting_head);
    let own_table =
        Gguf::family("qwen3_5").with_tensor("blk.2.nextn.embed_tokens.weight", &[24, 101], &[0.5; 2424]);
    assert!(!own_table.model().has_drafting_head, "an embedding table of its own");
    let two_blocks = Gguf::family("qwen3_5")
        .without("qwen35.attention.recurrent_layers")
        .with_whole("qwen35.nextn_predict_layers", 2)
        .with_whole("qwen35.block_count", 4)
        .with_tensor("blk.3.attn_norm.weight", &[24], &[1.0; 24]);
    assert!(!two_blocks.model().has_drafting_head, "two blocks");
    for name in ["glm4_moe", "nemotron_h-mtp"] {
        assert!(!formats::open(&places(name)[1]).unwrap().has_drafting_head, "{name}");
    }
}

/// The head as a strategy holds it.
fn shared(head: FakeHead) -> StrategyInputs {
    let head: SharedModel = Rc::new(RefCell::new(Box::new(head)));
    StrategyInputs { head: Some(head), ..StrategyInputs::default() }
}

/// Steps until the text ends; interrupted steps and failed ones are tried again.
fn run_on(strategy: &mut dyn Strategy, model: &mut dyn LanguageModel, run: &mut Run, flag: &AtomicBool) {
    let mut tries = 0;
    while run.stop.is_none() {
        tries += 1;
        assert!(tries < 1000, "it never goes on: {} nodes", run.nodes.len());
        let mut control = Control { interrupt: flag, progress: &mut |_, _| {} };
        match strategy.step(model, run, &mut control) {
            Ok(stepped) => run.stop = stepped.stop,
            Err(DecodingError::Interrupted) => flag.store(false, Ordering::Relaxed),
            Err(DecodingError::Model(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn text(prompt: &[u32], settings: &DecodingSettings, inputs: &StrategyInputs, flag: &AtomicBool) -> Run {
    let mut model = target(30);
    let mut strategy = begin_with(settings, &[], prompt, &model, inputs).unwrap();
    let mut run = Run::default();
    run_on(&mut *strategy, &mut model, &mut run, flag);
    strategy.release(&mut model);
    assert_eq!(model.live_sequences(), 0);
    let head = inputs.head.as_ref().map(|head| head.borrow().cache_usage().pages);
    assert!(head.is_none_or(|pages| pages == 0), "the head keeps positions");
    run
}

#[test]
fn a_head_gets_the_states_of_its_text_and_of_no_other() {
    let calm = Arc::new(AtomicBool::new(false));
    for prompt_tokens in [1, 2, 40] {
        let prompt: Vec<u32> = (0..prompt_tokens).map(|index| index * 7 % 30).collect();
        let greedy = text(&prompt, &settings(StrategyKind::Greedy, 60), &StrategyInputs::default(), &calm);
        for (max_rows, wrong_every, cache) in [
            (64, u64::MAX, CacheUse::Reuse),
            (64, 3, CacheUse::Reuse),
            (3, 5, CacheUse::Reuse),
            (1, 2, CacheUse::Reuse),
            (8, 4, CacheUse::Recompute),
        ] {
            let what =
                format!("{prompt_tokens} tokens, {max_rows} rows, wrong every {wrong_every}, {cache:?}");
            let mut settings = settings(StrategyKind::Speculative, 60);
            settings.cache = cache;
            let inputs = shared(FakeHead::new(30, max_rows).wrong_every(wrong_every));
            let run = text(&prompt, &settings, &inputs, &calm);
            assert_eq!(run.generated_ids(), greedy.generated_ids(), "{what}");
            assert_verdicts(&prompt, &run, wrong_every, &what);
        }
    }
}

/// Asserts that each draft was accepted up to where the head is wrong.
fn assert_verdicts(prompt: &[u32], run: &Run, wrong_every: u64, what: &str) {
    let ids: Vec<u32> = prompt.iter().copied().chain(run.generated_ids()).collect();
    let print = |tokens: &[u32]| tokens.iter().fold(0.0, |before, &token| fingerprint(before, token));
    let mut drafted = 0;
    for step in &run.steps[1..] {
        let StepDetail::Speculative(detail) = &step.detail else { panic!("a step of another strategy") };
        let begin = prompt.len() + step.nodes.start;
        for (place, token) in detail.drafted.iter().enumerate() {
            let is_wrong = FakeHead::is_wrong(wrong_every, print(&ids[..begin + place]));
            let verdict = if is_wrong { Verdict::Rejected } else { Verdict::Accepted };
            assert_eq!(token.verdict, verdict, "{what}: token {place} of the draft at {begin}");
            drafted += 1;
            if is_wrong {
                break;
            }
        }
    }
    assert!(drafted > 20, "{what}: {drafted} drafted tokens");
}

#[test]
fn interruptions_and_failed_passes_of_the_head_change_nothing() {
    let calm = Arc::new(AtomicBool::new(false));
    let prompt: Vec<u32> = (0..40).map(|index| index * 11 % 30).collect();
    let greedy = text(&prompt, &settings(StrategyKind::Greedy, 80), &StrategyInputs::default(), &calm);
    for (max_rows, interrupts, fails_every) in [
        (64, Some(7), None),
        (4, Some(9), None),
        (64, None, Some(7)),
        (4, None, Some(9)),
        (5, Some(9), Some(14)),
    ] {
        let flag = Arc::new(AtomicBool::new(false));
        let interrupts = interrupts.map(|every| (Arc::clone(&flag), every));
        let mut head = FakeHead::new(30, max_rows).wrong_every(6);
        (head.interrupts, head.fails_every) = (interrupts, fails_every);
        let run = text(&prompt, &settings(StrategyKind::Speculative, 80), &shared(head), &flag);
        let what = format!("{max_rows} rows, fails every {fails_every:?}");
        assert_eq!(run.generated_ids(), greedy.generated_ids(), "{what}");
        assert_verdicts(&prompt, &run, 6, &what);
    }
}

#[test]
fn branches_take_the_head_along() {
    let calm = AtomicBool::new(false);
    let prompt: Vec<u32> = (0..20).map(|index| index * 13 % 30).collect();
    let mut model = target(30);
    let inputs = shared(FakeHead::new(30, 4).wrong_every(5));
    let settings = settings(StrategyKind::Speculative, 40);
    let mut strategy = begin_with(&settings, &[], &prompt, &model, &inputs).unwrap();
    let mut run = Run::default();
    run_on(&mut *strategy, &mut model, &mut run, &calm);
    assert_eq!(run.stop, Some(StopReason::MaxTokens));
    let whole: Vec<u32> = prompt.iter().copied().chain(run.generated_ids()).collect();
    for kept in [0, 1, 2, 17, 38, 39] {
        let mut tokens = whole[..prompt.len() + kept].to_vec();
        tokens.push((whole[prompt.len() + kept] + 1) % 30);
        let mut branched = strategy.branch(&mut model, &tokens).unwrap().strategy;
        let mut branch = Run::default();
        let left = 40 - kept - 1;
        while branch.nodes.len() < left {
            let mut control = Control { interrupt: &calm, progress: &mut |_, _| {} };
            branched.step(&mut model, &mut branch, &mut control).unwrap();
        }
        // Greedy decoding after the same tokens.
        let greedy = super::speculative::settings(StrategyKind::Greedy, left);
        let expected = if left == 0 {
            Vec::new()
        } else {
            text(&tokens, &greedy, &StrategyInputs::default(), &calm).generated_ids()
        };
        let found: Vec<u32> = branch.nodes.iter().map(|node| node.token).collect();
        assert_eq!(found, expected, "{kept} tokens kept");
        branched.release(&mut model);
    }
    strategy.release(&mut model);
    assert_eq!((model.live_sequences(), inputs.head.unwrap().borrow().cache_usage().pages), (0, 0));
}

#[test]
fn drafts_that_are_drawn_are_judged_by_their_distribution() {
    let calm = AtomicBool::new(false);
    let prompt: Vec<u32> = (0..20).map(|index| index * 13 % 30).collect();
    let mut settings = settings(StrategyKind::Speculative, 60);
    settings.picking = Picking::Sample;
    settings.stages.temperature = 0.7;
    settings.stages.top_k = 12;
    let inputs = shared(FakeHead::new(30, 64));
    let run = text(&prompt, &settings, &inputs, &calm);
    // A head with the target's own distribution is always right: p / q is 1.
    let verdicts = run.steps[1..].iter().flat_map(|step| match &step.detail {
        StepDetail::Speculative(detail) => &detail.drafted[..],
        _ => &[],
    });
    let mut drafted = 0;
    for token in verdicts {
        assert_eq!(token.verdict, Verdict::Accepted);
        assert!((token.draft_probability - token.target_probability).abs() < 1e-6);
        drafted += 1;
    }
    assert!(drafted > 40, "{drafted} drafted tokens");
}
