//! Greedy decoding and sampling on a model whose logits are known exactly.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use logitscope::decoding::chain::Chain;
use logitscope::decoding::draw::draw;
use logitscope::decoding::random::uniform;
use logitscope::decoding::row::Row;
use logitscope::decoding::stages::History;
use logitscope::decoding::{
    CacheUse, Control, DecodingError, DecodingSettings, EosRule, StageContext, StopMatch, StopTexts,
    StrategyKind, begin,
};
use logitscope::model::{LanguageModel, ModelError};
use logitscope::trace::{Phase, Run, StopReason};

use super::fake_model::{BYTES_PER_POSITION, FakeModel};
use super::support::OUR_STRATEGIES;

/// A model that goes round in a circle: after token t comes t + 1, with t + 2 second best.
fn circle(vocabulary: u32) -> FakeModel {
    FakeModel::new(vocabulary as usize, move |tokens| {
        let newest = tokens.last().expect("a row has a token");
        let height = |id| match (id + vocabulary - newest) % vocabulary {
            1 => 3.0,
            2 => 2.0,
            _ => 0.0,
        };
        (0..vocabulary).map(height).collect()
    })
}

fn greedy(max_tokens: usize) -> DecodingSettings {
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = max_tokens;
    settings
}

fn sample(max_tokens: usize, seed: u64) -> DecodingSettings {
    DecodingSettings { strategy: StrategyKind::Sample, seed, ..greedy(max_tokens) }
}

/// Runs to the end, and checks that nothing stays in the cache.
fn decode(model: &mut FakeModel, settings: &DecodingSettings, prompt: &[u32]) -> (Run, StopReason) {
    let mut strategy = begin(settings, &[9], prompt, model).unwrap();
    let mut run = Run::default();
    let stop = loop {
        let mut progress = |_, _| {};
        let mut control = Control { interrupt: &false.into(), progress: &mut progress };
        let stepped = strategy.step(model, &mut run, &mut control).unwrap();
        assert_eq!(stepped.nodes, run.nodes.len() - 1..run.nodes.len());
        if let Some(stop) = stepped.stop {
            break stop;
        }
    };
    strategy.release(model);
    assert_eq!(model.live_sequences(), 0);
    (run, stop)
}

#[test]
fn greedy_follows_the_highest_logit_to_each_kind_of_end() {
    let (run, stop) = decode(&mut circle(12), &greedy(4), &[3, 4]);
    assert_eq!((run.generated_ids(), stop), (vec![5, 6, 7, 8], StopReason::MaxTokens));
    let (run, stop) = decode(&mut circle(12), &greedy(100), &[3, 4]);
    assert_eq!((run.generated_ids(), stop), (vec![5, 6, 7, 8, 9], StopReason::Eos));

    let mut settings = greedy(100);
    settings.stop.eos = EosRule::Tokens(vec![6, 11]);
    assert_eq!(decode(&mut circle(12), &settings, &[3]).0.generated_ids(), [4, 5, 6]);
    settings.stop.eos = EosRule::Ignore;
    let mut small = circle(12);
    small.context = 10;
    let (run, stop) = decode(&mut small, &settings, &[3, 4]);
    assert_eq!((run.generated_ids(), stop), (vec![5, 6, 7, 8, 9, 10, 11, 0], StopReason::ContextFull));
    // An end token that comes as the last one allowed is an end token.
    assert_eq!(decode(&mut circle(12), &greedy(1), &[8]).1, StopReason::Eos);
}

#[test]
fn greedy_takes_the_lowest_id_among_equals_and_minds_the_penalties_only() {
    let mut flat = FakeModel::new(5, |_| vec![0.0, 1.0, 1.0, 1.0, 0.5]);
    assert_eq!(decode(&mut flat, &greedy(2), &[0]).0.generated_ids(), [1, 1]);

    let mut settings = greedy(3);
    settings.stages.no_repeat_ngram = 1;
    settings.stages.temperature = 0.1;
    settings.stages.top_k = 1;
    let (run, _) = decode(&mut flat, &settings, &[0]);
    assert_eq!(run.generated_ids(), [1, 2, 3]);
    let names: Vec<_> = run.nodes[0].stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["no-repeat n-gram"]);

    let mut settings = greedy(3);
    settings.stages.presence_penalty = 0.4;
    assert_eq!(decode(&mut flat, &settings, &[1]).0.generated_ids(), [1, 2, 3], "the prompt does not count");
    settings.stages.presence_penalty = 0.0;
    settings.stages.repetition_penalty = 4.0;
    assert_eq!(decode(&mut flat, &settings, &[1]).0.generated_ids(), [2, 3, 4], "the prompt counts");
}

#[test]
fn the_rows_computed_show_what_the_cache_saves() {
    for (prompt, steps) in [(1, 1), (1, 5), (5, 1), (37, 6), (300, 3)] {
        let ids: Vec<u32> = (0..prompt as u32).map(|id| id % 20).collect();
        let mut settings = greedy(steps);
        let mut cached = FakeModel::scrambled(20);
        settings.stop.eos = EosRule::Ignore;
        let (with_cache, _) = decode(&mut cached, &settings, &ids);
        settings.cache = CacheUse::Recompute;
        let mut uncached = FakeModel::scrambled(20);
        let (without, _) = decode(&mut uncached, &settings, &ids);

        assert_eq!(with_cache.generated_ids(), without.generated_ids());
        assert_eq!(cached.rows(), prompt + steps - 1);
        assert_eq!(uncached.rows(), steps * prompt + steps * (steps - 1) / 2);
        for (run, model) in [(&with_cache, &cached), (&without, &uncached)] {
            assert_eq!(run.nodes.iter().map(|node| node.counters.rows).sum::<usize>(), model.rows());
            let phases = run.phases;
            assert_eq!(phases.initiation.amount, prompt as u64);
            assert_eq!(phases.incremental.amount as usize, model.rows() - prompt);
            assert_eq!(phases.incremental_steps, steps - 1);
        }
        for (index, node) in with_cache.nodes.iter().enumerate() {
            let phase = if index == 0 { Phase::Initiation } else { Phase::Incremental };
            assert_eq!((node.step, node.parent, node.phase), (index + 1, index.checked_sub(1), phase));
            assert_eq!(node.counters.cached_positions, prompt + index);
            assert_eq!(node.counters.cache_bytes, (prompt + index) as u64 * BYTES_PER_POSITION);
            let emptied = without.nodes[index].counters;
            assert_eq!((emptied.cached_positions, emptied.cache_bytes), (0, 0));
        }
    }
}

#[test]
fn initiation_goes_in_chunks_that_grow_and_reports_each() {
    let mut model = FakeModel::scrambled(20);
    let prompt = vec![1; 200];
    let mut strategy = begin(&greedy(1), &[], &prompt, &model).unwrap();
    let mut seen = Vec::new();
    let mut progress = |done, total| seen.push((done, total));
    let mut run = Run::default();
    let mut control = Control { interrupt: &false.into(), progress: &mut progress };
    strategy.step(&mut model, &mut run, &mut control).unwrap();
    // 16 rows at first, up to sixteen times as many after a quick chunk, 64 at most for this model.
    assert_eq!(model.passes, [16, 64, 64, 56]);
    assert_eq!(seen, [(16, 200), (80, 200), (144, 200), (200, 200)]);
    let timing = run.nodes[0].timing;
    assert!((timing.encode_seconds - 0.004).abs() < 1e-9, "four passes: {timing:?}");
    assert!((timing.gpu_seconds.unwrap() - 0.008).abs() < 1e-9, "four passes: {timing:?}");
    assert!(timing.total_seconds >= timing.choose_seconds);
}

#[test]
fn an_interrupted_initiation_stops_within_a_chunk_and_goes_on_where_it_was() {
    let mut model = FakeModel::scrambled(20);
    let prompt: Vec<u32> = (0..150).map(|id| id % 20).collect();
    let expected = decode(&mut FakeModel::scrambled(20), &greedy(3), &prompt).0.generated_ids();

    let interrupt = AtomicBool::new(false);
    let mut strategy = begin(&greedy(3), &[], &prompt, &model).unwrap();
    let mut run = Run::default();
    let mut stop_after_80 = |done, _| interrupt.store(done >= 80, Ordering::Relaxed);
    let mut control = Control { interrupt: &interrupt, progress: &mut stop_after_80 };
    let error = strategy.step(&mut model, &mut run, &mut control).unwrap_err();
    assert_eq!((error, model.rows(), run.nodes.len()), (DecodingError::Interrupted, 80, 0));

    interrupt.store(false, Ordering::Relaxed);
    let mut progress = |_, _| {};
    for _ in 0..3 {
        let mut control = Control { interrupt: &interrupt, progress: &mut progress };
        strategy.step(&mut model, &mut run, &mut control).unwrap();
    }
    assert_eq!(run.generated_ids(), expected);
    assert_eq!(run.nodes[0].counters.rows, 150, "the first attempt's rows belong to the step");
    assert_eq!(model.rows(), 152);
}

#[test]
fn runs_held_between_steps_are_those_that_went_on() {
    // Two runs take turns on one model; each pauses after every step while the other moves the cache.
    let mut settings = [sample(30, 1), DecodingSettings { cache: CacheUse::Recompute, ..sample(30, 2) }];
    settings.iter_mut().for_each(|settings| settings.stop.eos = EosRule::Ignore);
    let prompts = [vec![1, 2, 3], vec![7; 40]];
    let mut model = FakeModel::scrambled(50);
    let mut strategies = [0, 1].map(|i| begin(&settings[i], &[], &prompts[i], &model).unwrap());
    let mut runs = [Run::default(), Run::default()];
    for step in 0..60 {
        let mut progress = |_, _| {};
        let mut control = Control { interrupt: &false.into(), progress: &mut progress };
        strategies[step % 2].step(&mut model, &mut runs[step % 2], &mut control).unwrap();
    }
    for i in [0, 1] {
        let (alone, _) = decode(&mut FakeModel::scrambled(50), &settings[i], &prompts[i]);
        assert_eq!(runs[i].generated_ids(), alone.generated_ids());
    }
}

#[test]
fn a_lost_device_is_told_and_the_run_stays_as_it_was() {
    let mut model = FakeModel::scrambled(20);
    model.passes_left = 3;
    let mut strategy = begin(&greedy(10), &[], &[1, 2], &model).unwrap();
    let mut run = Run::default();
    let mut progress = |_, _| {};
    let error = loop {
        let mut control = Control { interrupt: &false.into(), progress: &mut progress };
        if let Err(error) = strategy.step(&mut model, &mut run, &mut control) {
            break error;
        }
    };
    assert!(matches!(error, DecodingError::Model(ModelError::DeviceLost { .. })));
    assert_eq!(run.nodes.len(), 3);
}

#[test]
fn broken_logits_are_an_error_that_names_step_and_token() {
    for (broken, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let mut model = FakeModel::new(4, move |tokens| {
            if tokens.len() == 4 { vec![0.0, 1.0, broken, 0.0] } else { vec![0.0, 1.0, 0.5, 0.0] }
        });
        let mut strategy = begin(&greedy(10), &[], &[1, 2], &model).unwrap();
        let mut run = Run::default();
        let mut progress = |_, _| {};
        let error = loop {
            let mut control = Control { interrupt: &false.into(), progress: &mut progress };
            if let Err(error) = strategy.step(&mut model, &mut run, &mut control) {
                break error.to_string();
            }
        };
        assert!(
            error.starts_with(&format!("step 3: the model gave the logit {name} for token 2")),
            "{error}"
        );
        let mut control = Control { interrupt: &false.into(), progress: &mut progress };
        let again = strategy.step(&mut model, &mut run, &mut control).unwrap_err();
        assert_eq!(again.to_string(), error, "trying again computes the row again");
        assert_eq!(run.nodes.len(), 2);
    }
}

#[test]
fn a_seed_replays_exactly_and_any_step_replays_alone() {
    let mut settings = sample(60, 42);
    settings.stop.eos = EosRule::Ignore;
    settings.stages.temperature = 1.5;
    settings.stages.top_k = 12;
    settings.stages.repetition_penalty = 1.2;
    let prompt = [3, 1, 4];
    let once = decode(&mut FakeModel::scrambled(50), &settings, &prompt).0;
    let again = decode(&mut FakeModel::scrambled(50), &settings, &prompt).0;
    assert_eq!(once.generated_ids(), again.generated_ids());
    assert_ne!(
        once.generated_ids(),
        decode(&mut FakeModel::scrambled(50), &DecodingSettings { seed: 43, ..settings.clone() }, &prompt)
            .0
            .generated_ids()
    );

    let chain = Chain::new(&settings.stages, settings.picks(), &StageContext::default(), 5);
    let tokens = [prompt.as_slice(), &once.generated_ids()].concat();
    for node in &once.nodes {
        let before = &tokens[..prompt.len() + node.step - 1];
        let logits = logits_after(before);
        let filtered = chain.run(&logits, History { tokens: before, prompt: prompt.len() }).unwrap();
        let (token, drawn) = draw(&filtered.row, &filtered.after, 42, node.step as u64);
        assert_eq!((token, Some(drawn)), (node.token, node.draw));
        assert_eq!(drawn.value, uniform(42, node.step as u64));
        assert!(drawn.from <= drawn.value && drawn.value < drawn.to);
    }
}

/// The scrambled model's logits for a whole text.
pub fn logits_after(tokens: &[u32]) -> Vec<f32> {
    let mut model = FakeModel::scrambled(50);
    let sequence = model.new_sequence();
    let output = logitscope::model::batch::RowOutput::Logits;
    let batch = logitscope::model::Batch::chain(sequence, 0, tokens, output);
    model.max_rows = tokens.len();
    model.forward(&batch).unwrap().logits.remove(0)
}

#[test]
fn draws_have_the_frequencies_of_the_softmax() {
    let logits = [1.0, 0.0, -1.0, 2.0, 0.5, f32::NEG_INFINITY, 1.0, -4.0];
    let row = Row::new(&logits);
    let softmax = row.softmax();
    const DRAWS: u64 = 40_000;
    let mut counts = [0u64; 8];
    for step in 1..=DRAWS {
        counts[draw(&row, &softmax, 7, step).0 as usize] += 1;
    }
    assert_eq!(counts[5], 0);
    let chi_squared: f64 = (0..8)
        .filter(|&id| id != 5)
        .map(|id| {
            let expected = row.probability(&softmax, id) * DRAWS as f64;
            (counts[id as usize] as f64 - expected).powi(2) / expected
        })
        .sum();
    // Six degrees of freedom: beyond 22.5 with a probability of 0.001. The seed is fixed, so it never flickers.
    assert!(chi_squared < 22.5, "{chi_squared} {counts:?}");
}

#[test]
fn a_node_tells_what_the_chain_did_to_its_candidates() {
    let logits = [0.0, 3.0, 1.0, 2.0, -1.0, 2.5];
    let mut model = FakeModel::new(6, move |_| logits.to_vec());
    let mut settings = sample(1, 0);
    settings.recorded_candidates = 3;
    settings.stages.logit_bias = BTreeMap::from([(1, -10.0), (0, 4.0)]);
    settings.stages.temperature = 0.5;
    settings.stages.top_k = 2;
    let (run, _) = decode(&mut model, &settings, &[2]);
    let node = &run.nodes[0];

    let listed: Vec<_> =
        node.stages.iter().map(|s| (s.name.as_str(), &*s.setting, s.kept, s.changed)).collect();
    assert_eq!(
        listed,
        [("logit bias", "2 tokens", 6, 2), ("temperature", "0.5", 6, 6), ("top-k", "2", 2, 0)]
    );
    let top: Vec<_> = node.candidates.iter().take(3).map(|c| (c.token, c.logit, c.cut_by)).collect();
    assert_eq!(top, [(1, 3.0, Some(2)), (5, 2.5, None), (3, 2.0, Some(2))]);
    assert_eq!(node.candidates[0].after, [-7.0, -14.0]);
    assert_eq!(node.candidates[1].after, [2.5, 5.0, 5.0]);
    assert_eq!(node.candidates[0].probability, 0.0);

    // Left are id 0 (0 + 4, over 0.5 = 8) and id 5 (5): their softmax decides.
    let highest = 1.0 / (1.0 + (-3f64).exp());
    let chosen = node.chosen().unwrap();
    assert_eq!(chosen.cut_by, None);
    let expected = if node.token == 0 { highest } else { 1.0 - highest };
    assert!((f64::from(chosen.probability) - expected).abs() < 1e-6);
    let drawn = node.draw.unwrap();
    let segment = if node.token == 0 { (0.0, highest) } else { (highest, 1.0) };
    assert!((drawn.from - segment.0).abs() < 1e-12 && (drawn.to - segment.1).abs() < 1e-12, "{drawn:?}");

    let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
    let probability = |logit: f32| f64::from(logit).exp() / sum;
    let entropy: f64 = logits.iter().map(|&l| -probability(l) * probability(l).ln()).sum();
    assert!((f64::from(node.log_sum_exp) - sum.ln()).abs() < 1e-6);
    assert!((f64::from(node.entropy) - entropy).abs() < 1e-6);
    assert!((f64::from(node.log_probability) - probability(node.logit).ln()).abs() < 1e-6);
    assert_eq!(node.rank, if node.token == 0 { 5 } else { 2 });
    let count = node.candidates.len();
    assert_eq!((node.others.count, node.others.kept), (6 - count, if node.token == 0 { 0 } else { 1 }));
    let total = |list: &dyn Fn(&logitscope::trace::Candidate) -> f32, rest: f32| {
        node.candidates.iter().map(list).sum::<f32>() + rest
    };
    assert!((total(&|c| c.probability, node.others.probability) - 1.0).abs() < 1e-6);
    assert!((total(&|c| c.raw_probability, node.others.raw_probability) - 1.0).abs() < 1e-6);
}

#[test]
fn the_chosen_token_is_recorded_even_when_its_logit_is_low() {
    let mut model = FakeModel::new(300, |_| (0..300).map(|id| -(id as f32) / 100.0).collect());
    let mut settings = greedy(1);
    settings.recorded_candidates = 4;
    settings.stages.logit_bias = BTreeMap::from([(250, 50.0)]);
    let node = decode(&mut model, &settings, &[0]).0.nodes.remove(0);
    assert_eq!((node.token, node.rank, node.candidates.len(), node.others.count), (250, 251, 5, 295));
    assert_eq!(node.chosen().unwrap().after, [47.5]);
}

#[test]
fn prompts_that_cannot_be_continued_are_refused_with_the_reason() {
    let mut model = FakeModel::scrambled(20);
    model.context = 5;
    let message = |prompt: &[u32]| begin(&greedy(1), &[], prompt, &model).err().unwrap().to_string();
    assert!(message(&[]).starts_with("the prompt has no tokens"));
    assert!(
        message(&[1, 20]).starts_with("token 1 of the prompt has id 20, but the model's ids go from 0 to 19")
    );
    assert!(
        message(&[1; 6]).starts_with("the prompt has 6 tokens, but the context has 5, new tokens included")
    );
    assert!(
        message(&[1; 5]).starts_with("the prompt has 5 tokens, but the context has 5, new tokens included")
    );
}

/// The context counts prompt and text together, as the maximum length of transformers' `generate` and llama.cpp's
/// context do; both refuse a prompt that leaves no room.
#[test]
fn every_strategy_fills_the_context_with_prompt_and_text_together() {
    for strategy in OUR_STRATEGIES {
        let mut settings = DecodingSettings { strategy, ..greedy(100) };
        settings.stop.eos = EosRule::Ignore;
        for context in 5..12 {
            let mut model = FakeModel::scrambled(20);
            model.context = context;
            let mut strategy = match begin(&settings, &[], &[1, 2, 1, 2, 1], &model) {
                Ok(strategy) => strategy,
                Err(error) => {
                    assert_eq!((error, context), (DecodingError::PromptTooLong { tokens: 5, context }, 5));
                    continue;
                }
            };
            let mut run = Run::default();
            while run.stop.is_none() {
                let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
                run.stop = strategy.step(&mut model, &mut run, &mut control).unwrap().stop;
            }
            let what = format!("{} in {context}", settings.strategy.name());
            assert_eq!(
                (5 + run.generated_ids().len(), run.stop),
                (context, Some(StopReason::ContextFull)),
                "{what}"
            );
        }
    }
}

#[test]
fn settings_outside_their_range_are_refused_by_name() {
    type Change = fn(&mut DecodingSettings);
    let cases: [(Change, &str); 17] = [
        (|s| s.stages.temperature = 0.0, "the temperature is 0, but"),
        (|s| s.stages.temperature = -1.0, "the temperature is -1, but"),
        (|s| s.stages.temperature = f32::NAN, "the temperature is NaN, but"),
        (|s| s.stages.top_p = 0.0, "top-p is 0, but"),
        (|s| s.stages.top_p = 1.01, "top-p is 1.01, but"),
        (|s| s.stages.top_p = f32::NAN, "top-p is NaN, but"),
        (|s| s.stages.min_p = -0.1, "min-p is -0.1, but"),
        (|s| s.stages.min_p = 1.1, "min-p is 1.1, but"),
        (|s| s.stages.repetition_penalty = 0.0, "the repetition penalty is 0, but"),
        (|s| s.stages.repetition_penalty = f32::INFINITY, "the repetition penalty is inf, but"),
        (|s| s.stages.presence_penalty = f32::NAN, "the presence penalty is NaN, but"),
        (|s| s.stages.frequency_penalty = f32::NAN, "the frequency penalty is NaN, but"),
        (
            |s| s.stages.logit_bias = [(20, 1.0)].into(),
            "an id with a logit bias is 20, but the model's ids go from 0 to 19",
        ),
        (|s| s.stages.logit_bias = [(2, f32::NAN)].into(), "a logit bias is NaN, but"),
        (|s| s.stop.max_tokens = 0, "the number of new tokens is 0, but"),
        (|s| s.stop.texts = vec!["a".into(), String::new()], "a stop text is empty, but"),
        (
            |s| s.stop.eos = EosRule::Tokens(vec![1, 20]),
            "an end-of-text id is 20, but the model's ids go from 0 to 19",
        ),
    ];
    for (change, expected) in cases {
        let mut settings = DecodingSettings::default();
        assert_eq!(settings.check(20), Ok(()));
        change(&mut settings);
        let message = settings.check(20).expect_err(expected).to_string();
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn stop_texts_are_found_across_pieces() {
    let texts = |list: &[&str]| StopTexts::new(&list.iter().map(|t| t.to_string()).collect::<Vec<_>>());
    let mut stop = texts(&["\n\nThe end", "aab"]);
    assert_eq!(stop.push("x\n"), None);
    assert_eq!(stop.matched(), [1, 0]);
    assert_eq!(stop.push("\n\nThe "), None);
    assert_eq!(stop.matched(), [6, 0]);
    assert_eq!(stop.push(""), None);
    assert_eq!(stop.push("end of it"), Some(StopMatch { text: 0, end: 3 }));

    // A beginning inside a beginning: after "aa", one more "a" still leaves "aa" matched.
    let mut stop = texts(&["aab"]);
    assert_eq!(stop.push("aaa"), None);
    assert_eq!(stop.matched(), [2]);
    assert_eq!(stop.push("b"), Some(StopMatch { text: 0, end: 1 }));
    // The one that ends first wins, then the one listed first; bytes of one character may be split.
    assert_eq!(texts(&["abcd", "bc"]).push("abcd"), Some(StopMatch { text: 1, end: 3 }));
    assert_eq!(texts(&["bc", "abc"]).push("abc"), Some(StopMatch { text: 0, end: 3 }));
    assert_eq!(texts(&["é"]).push("eé"), Some(StopMatch { text: 0, end: 3 }));
}

proptest::proptest! {
    #[test]
    fn a_stop_text_is_found_where_a_plain_search_finds_it(
        text in "[ab]{0,40}", stop in "[ab]{1,6}", cuts in proptest::collection::vec(0usize..40, 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        let mut matcher = StopTexts::new(std::slice::from_ref(&stop));
        let mut start = 0;
        let mut found = None;
        for end in cuts {
            if found.is_none() {
                found = matcher.push(&text[start..end]).map(|hit| start + hit.end);
            }
            start = end;
        }
        proptest::prop_assert_eq!(found, text.find(&stop).map(|at| at + stop.len()));
    }
}
