//! Speculative decoding on models whose logits are known exactly: the text is the target's own, whatever is drafted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use logitscope::decoding::random::{Purpose, uniform, uniform_for};
use logitscope::decoding::{
    CacheUse, Control, DecodingError, DecodingSettings, EosRule, Picking, Strategy, StrategyInputs,
    StrategyKind, begin_with,
};
use logitscope::trace::strategies::{Added, DraftSource, SpeculativeStep, Verdict};
use logitscope::trace::{NodeTiming, Phase, Run, StepDetail, StopReason};

use super::fake_model::{FakeModel, scrambled_logits};

/// What a run came to.
pub struct Outcome {
    pub run: Run,
    pub stop: StopReason,
    /// Passes of the model.
    pub passes: usize,
}

/// Runs to the end, and checks that the nodes tell every row and that nothing stays in a cache.
pub fn decode(
    model: &mut FakeModel,
    settings: &DecodingSettings,
    prompt: &[u32],
    aids: &StrategyInputs,
) -> Outcome {
    let mut strategy = begin_with(settings, &[9], prompt, model, aids).unwrap();
    let (rows, passes) = (model.rows(), model.passes.len());
    let mut run = Run::default();
    let stop = loop {
        let stepped = step(&mut *strategy, model, &mut run).unwrap();
        if let Some(draft) = &aids.draft {
            let text = prompt.len() + run.nodes.len();
            assert!(draft.borrow().cache_usage().pages <= text, "rejected tokens stay in the draft's cache");
        }
        if let Some(stop) = stepped {
            break stop;
        }
    };
    let (rows, passes) = (model.rows() - rows, model.passes.len() - passes);
    assert_eq!(run.nodes.iter().map(|node| node.counters.rows).sum::<usize>(), rows);
    assert_eq!((run.phases.initiation.amount + run.phases.incremental.amount) as usize, rows);
    assert_eq!(run.line, (0..run.nodes.len()).collect::<Vec<_>>());
    strategy.release(model);
    assert_eq!(model.live_sequences(), 0);
    if let Some(draft) = &aids.draft {
        assert_eq!(draft.borrow().cache_usage().pages, 0);
    }
    Outcome { run, stop, passes }
}

/// Makes a step; why the text ends, if it does.
pub fn step(
    strategy: &mut dyn Strategy,
    model: &mut FakeModel,
    run: &mut Run,
) -> Result<Option<StopReason>, DecodingError> {
    let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
    let first = run.nodes.len();
    let stepped = strategy.step(model, run, &mut control)?;
    assert_eq!(stepped.nodes, first..run.nodes.len());
    assert!(run.nodes[first + 1..].iter().all(|node| node.counters.rows == 0), "the pass is the first one's");
    let records = run.steps.iter().filter(|step| step.nodes == stepped.nodes).count();
    assert_eq!(records, usize::from(!run.steps.is_empty()));
    Ok(stepped.stop)
}

/// Greedy settings for so many tokens, with a strategy of this choice.
pub fn settings(strategy: StrategyKind, max_tokens: usize) -> DecodingSettings {
    let mut settings = DecodingSettings { strategy, ..DecodingSettings::default() };
    (settings.stop.max_tokens, settings.stop.eos) = (max_tokens, EosRule::Ignore);
    settings
}

/// Asserts that a run is greedy decoding's, node by node, but for what it cost.
pub fn assert_is_greedy(found: &Run, greedy: &Run, what: &str) {
    assert_eq!(found.generated_ids(), greedy.generated_ids(), "{what}");
    for (found, greedy) in found.nodes.iter().zip(&greedy.nodes) {
        let mut found = found.clone();
        (found.counters, found.timing) = (greedy.counters, NodeTiming::default());
        let mut greedy = greedy.clone();
        greedy.timing = NodeTiming::default();
        assert_eq!(found, greedy, "{what}");
    }
}

/// Stage settings that leave a row alone, and that look at the text.
pub fn with_and_without_penalties(settings: DecodingSettings) -> [DecodingSettings; 2] {
    let mut penalised = settings.clone();
    penalised.stages.repetition_penalty = 1.3;
    penalised.stages.frequency_penalty = 0.2;
    penalised.stages.no_repeat_ngram = 4;
    [settings, penalised]
}

/// A text that turns in a circle of seven, with second thoughts here and there.
pub fn circle(vocabulary: usize) -> FakeModel {
    FakeModel::new(vocabulary, move |tokens| {
        let newest = *tokens.last().expect("a row has a token") as usize;
        let next = if tokens.len().is_multiple_of(23) { newest + 3 } else { newest + 1 } % 7;
        (0..vocabulary).map(|id| if id == next { 4.0 } else { (id * 7 % 5) as f32 / 4.0 }).collect()
    })
}

fn shared(model: FakeModel) -> StrategyInputs {
    StrategyInputs { draft: Some(Rc::new(RefCell::new(Box::new(model)))), ..StrategyInputs::default() }
}

/// Another model's logits turned upside down.
fn wrong(vocabulary: usize) -> FakeModel {
    FakeModel::new(vocabulary, move |tokens| {
        (0..vocabulary).map(|id| ((id * 31 + tokens.len() * 7) % vocabulary) as f32 / -9.0).collect()
    })
}

fn speculative(step: &logitscope::trace::StrategyStep) -> &SpeculativeStep {
    let StepDetail::Speculative(step) = &step.detail else { panic!("a step of another strategy") };
    step
}

#[test]
fn greedy_text_is_the_targets_whoever_drafts() {
    let models: [fn(usize) -> FakeModel; 2] = [FakeModel::scrambled, circle];
    for (kind, model) in models.into_iter().enumerate() {
        for vocabulary in [20, 300] {
            let drafts =
                [None, Some(model(vocabulary)), Some(models[1 - kind](vocabulary)), Some(wrong(vocabulary))];
            for (who, draft) in drafts.into_iter().enumerate() {
                let aids = draft.map(shared).unwrap_or_default();
                for plain in with_and_without_penalties(settings(StrategyKind::Greedy, 70)) {
                    let spec = DecodingSettings { strategy: StrategyKind::Speculative, ..plain.clone() };
                    let greedy =
                        decode(&mut model(vocabulary), &plain, &[3, 4, 5, 3, 4], &StrategyInputs::default());
                    let found = decode(&mut model(vocabulary), &spec, &[3, 4, 5, 3, 4], &aids);
                    let what = format!("model {kind}, {vocabulary} ids, drafter {who}, {:?}", plain.stages);
                    assert_is_greedy(&found.run, &greedy.run, &what);
                    assert_eq!((found.stop, found.run.nodes.len()), (StopReason::MaxTokens, 70), "{what}");
                    assert!(found.passes <= greedy.passes, "{what}: {} passes", found.passes);
                    if who == 1 {
                        // 1 + 6 tokens a pass after the first, and the last one alone.
                        assert_eq!(found.passes, 11, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_trace_tells_each_draft_with_its_verdicts() {
    let spec = settings(StrategyKind::Speculative, 30);
    let Outcome { run, passes, .. } = decode(&mut circle(20), &spec, &[0, 1], &shared(circle(20)));
    assert_eq!((run.steps.len(), run.phases.incremental_steps), (passes, passes - 1));
    let first = speculative(&run.steps[0]);
    assert_eq!((first.drafted.len(), first.added, first.draft_passes), (0, Added::Bonus, 0));
    assert_eq!(run.nodes[0].phase, Phase::Initiation);
    let second = speculative(&run.steps[1]);
    assert_eq!((second.drafter, second.drafted.len(), second.draft_passes), (DraftSource::Model, 6, 6));
    assert_eq!((second.added, run.steps[1].nodes.clone()), (Added::Bonus, 1..8));
    for (drafted, node) in second.drafted.iter().zip(&run.nodes[1..]) {
        assert_eq!((drafted.token.id, drafted.verdict, drafted.draw), (node.token, Verdict::Accepted, None));
        assert!((drafted.draft_probability - drafted.target_probability).abs() < 1e-6);
        assert_eq!(node.chosen().unwrap().probability, drafted.target_probability);
        assert_eq!(node.phase, Phase::Incremental);
    }
    assert!(run.nodes.iter().zip(1..).all(|(node, step)| node.step == step));

    // A draft that errs at the fourth token.
    let erring = FakeModel::new(20, |tokens| {
        let next = if tokens.len() == 6 { 11 } else { (tokens[tokens.len() - 1] + 1) % 7 };
        (0..20).map(|id| if id == next { 4.0 } else { 0.0 }).collect()
    });
    let Outcome { run, .. } = decode(&mut circle(20), &spec, &[0, 1], &shared(erring));
    let second = speculative(&run.steps[1]);
    let verdicts: Vec<_> = second.drafted.iter().map(|drafted| drafted.verdict).collect();
    let (yes, no, never) = (Verdict::Accepted, Verdict::Rejected, Verdict::Unreached);
    assert_eq!(verdicts, [yes, yes, yes, no, never, never]);
    assert_eq!((second.added, run.steps[1].nodes.clone()), (Added::Correction, 1..5));
    assert_eq!(second.drafted[4].target_probability, 0.0);
}

#[test]
fn the_length_of_drafts_follows_from_what_was_accepted() {
    let lengths = |draft: FakeModel| -> Vec<usize> {
        let spec = settings(StrategyKind::Speculative, 60);
        let run = decode(&mut FakeModel::scrambled(20), &spec, &[1, 2], &shared(draft)).run;
        run.steps[1..].iter().map(|step| speculative(step).drafted.len()).take(6).collect()
    };
    assert_eq!(lengths(FakeModel::scrambled(20)), [6; 6]);
    assert_eq!(lengths(wrong(20)), [6, 1, 1, 1, 1, 1]);
    // Right but for what follows eleven tokens, or a multiple: three are there at first, ten after one pass more.
    let sometimes = FakeModel::new(20, move |tokens| {
        let mut logits = scrambled_logits(20, tokens);
        if tokens.len().is_multiple_of(11) {
            logits.iter_mut().for_each(|logit| *logit = -*logit);
        }
        logits
    });
    assert_eq!(lengths(sometimes), [6, 6, 2, 4, 6, 3]);
}

/// A table of logits by the newest token.
fn table(rows: [[f32; 3]; 3]) -> FakeModel {
    FakeModel::new(3, move |tokens| rows[tokens[tokens.len() - 1] as usize].to_vec())
}

const TARGET: [[f32; 3]; 3] = [[0.0, 1.0, -0.5], [1.2, -1.0, 0.3], [-0.4, 0.2, 0.9]];
/// A draft model that is not bad.
const SIMILAR: [[f32; 3]; 3] = [[0.3, 0.7, -0.2], [0.6, -0.4, 0.5], [0.1, 0.4, 0.2]];
/// One that likes what the target dislikes.
const CONTRARY: [[f32; 3]; 3] = [[0.8, -1.0, 1.5], [-1.0, 1.4, 0.2], [1.5, 0.1, -1.2]];
/// A text that has every pair of tokens, so that a lookup always finds something.
const PAIRS: [u32; 12] = [0, 0, 1, 1, 2, 2, 0, 2, 1, 0, 1, 2];

/// The distribution that sampling chooses from after a token, by the definition.
fn probabilities(newest: usize, settings: &DecodingSettings) -> [f64; 3] {
    let row = TARGET[newest].map(|logit| f64::from(logit / settings.stages.temperature));
    let mut sorted = row;
    sorted.sort_by(|a, b| b.total_cmp(a));
    let kept = if settings.stages.top_k == 0 { 3 } else { settings.stages.top_k };
    let weights = row.map(|value| if value >= sorted[kept - 1] { value.exp() } else { 0.0 });
    weights.map(|weight| weight / weights.iter().sum::<f64>())
}

/// χ² of the frequencies of four-token texts over so many seeds against the target's distribution, with the degrees
/// of freedom; rare texts are taken together.
fn chi_squared(settings: &DecodingSettings, aids: &StrategyInputs, seeds: u64) -> (f64, usize) {
    let mut counts = BTreeMap::new();
    let mut model = table(TARGET);
    for seed in 0..seeds {
        let settings = DecodingSettings { seed, ..settings.clone() };
        *counts.entry(decode(&mut model, &settings, &PAIRS, aids).run.generated_ids()).or_insert(0) += 1;
    }
    let (mut statistic, mut cells) = (0.0, 0);
    let (mut rare_expected, mut rare_count) = (0.0, 0);
    for text in (0..81).map(|n| [n / 27, n / 9 % 3, n / 3 % 3, n % 3]) {
        let mut newest = PAIRS[11] as usize;
        let mut expected = seeds as f64;
        for token in text {
            expected *= probabilities(newest, settings)[token];
            newest = token;
        }
        let count = counts.remove(text.map(|token| token as u32).as_slice()).unwrap_or(0);
        assert!(expected > 0.0 || count == 0, "{text:?} cannot be");
        if expected < 10.0 {
            rare_expected += expected;
            rare_count += count;
        } else {
            statistic += (f64::from(count) - expected).powi(2) / expected;
            cells += 1;
        }
    }
    if rare_expected > 10.0 {
        statistic += (f64::from(rare_count) - rare_expected).powi(2) / rare_expected;
        cells += 1;
    }
    assert!(counts.is_empty(), "other texts: {counts:?}");
    (statistic, cells - 1)
}

#[test]
fn sampled_texts_have_the_targets_distribution_whoever_drafts() {
    const SEEDS: u64 = 12_000;
    for (temperature, top_k) in [(1.0, 0), (0.7, 2)] {
        let mut spec = settings(StrategyKind::Speculative, 4);
        spec.picking = Picking::Sample;
        spec.stages.temperature = temperature;
        spec.stages.top_k = top_k;
        let drafters = [
            ("lookup", StrategyInputs::default()),
            ("itself", shared(table(TARGET))),
            ("similar", shared(table(SIMILAR))),
            ("contrary", shared(table(CONTRARY))),
        ];
        for (name, aids) in drafters {
            let (statistic, freedom) = chi_squared(&spec, &aids, SEEDS);
            // Beyond mean + 3.3 standard deviations with a probability of about 0.001; the seeds are fixed.
            let limit = freedom as f64 + 3.3 * (2.0 * freedom as f64).sqrt();
            assert!(
                statistic < limit,
                "{name}, temperature {temperature}, top-k {top_k}: χ² {statistic:.1} with {freedom} degrees of freedom"
            );
        }
    }
}

#[test]
fn every_draw_replays_from_seed_step_and_purpose_and_fits_what_the_node_lists() {
    let mut spec = settings(StrategyKind::Speculative, 120);
    (spec.picking, spec.seed) = (Picking::Sample, 77);
    for (top_k, vocabulary) in [(0, 30), (5, 30), (0, 300), (50, 300)] {
        spec.stages.top_k = top_k;
        let target = move |tokens: &[u32]| scrambled_logits(vocabulary, &tokens[tokens.len() - 2..]);
        let draft = move |tokens: &[u32]| -> Vec<f32> {
            let noise = scrambled_logits(vocabulary, tokens).into_iter();
            let logits = scrambled_logits(vocabulary, &tokens[tokens.len() - 2..]).into_iter();
            logits.zip(noise).map(|(logit, noise)| logit + 0.2 * noise).collect()
        };
        let mut model = FakeModel::new(vocabulary, target);
        let aids = shared(FakeModel::new(vocabulary, draft));
        let run = decode(&mut model, &spec, &[1, 2], &aids).run;
        let mut seen = [0; 3];
        for record in &run.steps[1..] {
            let spec = speculative(record);
            for (index, drafted) in spec.drafted.iter().enumerate() {
                let step = (record.nodes.start + index + 1) as u64;
                let value = drafted.draw;
                if drafted.verdict == Verdict::Unreached {
                    assert_eq!(value, None);
                    continue;
                }
                let value = value.expect("a verdict has its number");
                assert_eq!(value, uniform_for(Purpose::Acceptance, 77, step));
                let below =
                    value * f64::from(drafted.draft_probability) < f64::from(drafted.target_probability);
                assert_eq!(below, drafted.verdict == Verdict::Accepted);
                let node = &run.nodes[record.nodes.start + index];
                if drafted.verdict == Verdict::Accepted {
                    assert_eq!((node.token, node.draw), (drafted.token.id, None));
                    seen[0] += 1;
                } else {
                    assert_eq!(node.stages.last().map(|stage| &*stage.name), Some("minus draft"));
                    seen[1] += 1;
                }
            }
            seen[2] += usize::from(spec.added == Added::Bonus);
        }
        assert!(seen.iter().all(|&count| count > 5), "{seen:?}");
        for node in &run.nodes {
            let total: f32 = node.candidates.iter().map(|candidate| candidate.probability).sum();
            assert!((total + node.others.probability - 1.0).abs() < 1e-4, "{total} {:?}", node.others);
            let after = node.candidates.iter().filter(|candidate| candidate.cut_by.is_none());
            assert!(after.clone().all(|candidate| candidate.after.len() == node.stages.len()));
            let Some(draw) = node.draw else { continue };
            assert_eq!((draw.value, draw.step), (uniform(77, node.step as u64), node.step as u64));
            assert!(draw.from <= draw.value && draw.value < draw.to);
            let chosen = node.chosen().unwrap();
            assert!((f64::from(chosen.probability) - (draw.to - draw.from)).abs() < 1e-5);
        }
    }
}

#[test]
fn without_a_draft_it_draws_what_sampling_draws() {
    // Thousands of ids: no two of them come twice.
    let mut spec = settings(StrategyKind::Speculative, 30);
    (spec.picking, spec.seed) = (Picking::Sample, 5);
    let sample = DecodingSettings { strategy: StrategyKind::Sample, ..spec.clone() };
    let none = StrategyInputs::default();
    let found = decode(&mut FakeModel::scrambled(5000), &spec, &[1, 2], &none).run;
    assert!(found.steps.iter().all(|step| speculative(step).drafted.is_empty()));
    let sampled = decode(&mut FakeModel::scrambled(5000), &sample, &[1, 2], &none).run;
    assert_eq!(found.generated_ids(), sampled.generated_ids());
    let values = |run: &Run| run.nodes.iter().map(|node| node.draw.unwrap().value).collect::<Vec<_>>();
    assert_eq!(values(&found), values(&sampled));
}

#[test]
fn a_draft_ends_where_the_text_does() {
    let none = StrategyInputs::default();
    for draft in [None, Some(circle as fn(usize) -> FakeModel)] {
        let aids = draft.map(|draft| shared(draft(20))).unwrap_or_default();
        let prompt = [0, 1, 2, 3, 4, 5, 6, 0, 1];
        // An end token amid a draft, a maximum amid a draft, and a context's end, with all the draft's numbers.
        for end in 2..9 {
            let mut spec = settings(StrategyKind::Speculative, 100);
            spec.stop.eos = EosRule::Tokens(vec![end]);
            let Outcome { run, stop, .. } = decode(&mut circle(20), &spec, &prompt, &aids);
            let greedy = DecodingSettings { strategy: StrategyKind::Greedy, ..spec.clone() };
            let plain = decode(&mut circle(20), &greedy, &prompt, &none);
            assert_is_greedy(&run, &plain.run, "end token");
            assert_eq!(stop, plain.stop);
            if (4..7).contains(&end) {
                let last = speculative(run.steps.last().unwrap());
                assert_eq!((stop, last.added), (StopReason::Eos, Added::Nothing), "token {end}");
                assert_eq!(last.drafted.last().unwrap().verdict, Verdict::Accepted);
            }
        }
        for max_tokens in 1..20 {
            let spec = settings(StrategyKind::Speculative, max_tokens);
            let Outcome { run, stop, .. } = decode(&mut circle(20), &spec, &prompt, &aids);
            assert_eq!((run.nodes.len(), stop), (max_tokens, StopReason::MaxTokens));
        }
        for context in 10..30 {
            let spec = settings(StrategyKind::Speculative, 100);
            let mut small = circle(20);
            small.context = context;
            let Outcome { run, stop, .. } = decode(&mut small, &spec, &prompt, &aids);
            assert_eq!((run.nodes.len(), stop), (context - 9, StopReason::ContextFull));
        }
    }
}

#[test]
fn a_draft_model_with_a_short_context_stops_drafting_and_a_narrow_model_takes_short_drafts() {
    let mut spec = settings(StrategyKind::Speculative, 40);
    let greedy = settings(StrategyKind::Greedy, 40);
    let plain = decode(&mut circle(20), &greedy, &[0, 1], &StrategyInputs::default()).run;
    let mut short = circle(20);
    short.context = 12;
    let run = decode(&mut circle(20), &spec, &[0, 1], &shared(short)).run;
    assert_is_greedy(&run, &plain, "short draft context");
    let lengths: Vec<usize> = run.steps.iter().map(|step| speculative(step).drafted.len()).collect();
    // Three tokens at first; up to twelve can be in the draft's cache when it says the next.
    assert_eq!(lengths[..4], [0, 6, 3, 0]);

    let mut narrow = circle(20);
    narrow.max_rows = 3;
    let run = decode(&mut narrow, &spec, &[0, 1], &shared(circle(20))).run;
    assert_is_greedy(&run, &plain, "narrow model");
    assert!(run.steps.iter().all(|step| speculative(step).drafted.len() <= 2));

    spec.cache = CacheUse::Recompute;
    let mut model = circle(20);
    let run = decode(&mut model, &spec, &[0, 1], &shared(circle(20))).run;
    assert_eq!(run.generated_ids(), plain.generated_ids());
    assert!(run.nodes.iter().all(|node| node.counters.cached_positions == 0));
}

#[test]
fn interruptions_and_lost_devices_lose_nothing() {
    let spec = settings(StrategyKind::Speculative, 40);
    let prompt: Vec<u32> = (0..50).map(|id| id % 7).collect();
    let plain =
        decode(&mut circle(20), &settings(StrategyKind::Greedy, 40), &prompt, &StrategyInputs::default()).run;
    // The draft model raises the flag at each of its passes in turn.
    let interrupt = Arc::new(AtomicBool::new(false));
    let calls = Rc::new(RefCell::new((0, 1)));
    let (flag, counter) = (Arc::clone(&interrupt), Rc::clone(&calls));
    let draft = FakeModel::new(20, move |tokens| {
        let (count, limit) = &mut *counter.borrow_mut();
        *count += 1;
        if count == limit {
            (*count, *limit) = (0, *limit % 9 + 1);
            flag.store(true, Ordering::Relaxed);
        }
        let next = (tokens[tokens.len() - 1] + 1) % 7;
        (0..20).map(|id| if id == next { 4.0 } else { 0.0 }).collect()
    });
    let (mut model, aids) = (circle(20), shared(draft));
    let mut strategy = begin_with(&spec, &[], &prompt, &model, &aids).unwrap();
    let (mut run, mut interruptions, mut stop) = (Run::default(), 0, None);
    while stop.is_none() {
        let mut control = Control { interrupt: &interrupt, progress: &mut |_, _| {} };
        match strategy.step(&mut model, &mut run, &mut control) {
            Ok(stepped) => stop = stepped.stop,
            Err(error) => {
                assert_eq!(error, DecodingError::Interrupted);
                interruptions += 1;
            }
        }
        interrupt.store(false, Ordering::Relaxed);
    }
    assert!(interruptions > 4, "{interruptions}");
    assert_is_greedy(&run, &plain, "with interruptions");
    strategy.release(&mut model);
    assert_eq!((model.live_sequences(), aids.draft.unwrap().borrow().cache_usage().pages), (0, 0));

    let mut model = circle(20);
    model.passes_left = 4;
    let mut strategy = begin_with(&spec, &[], &prompt[..4], &model, &StrategyInputs::default()).unwrap();
    let mut run = Run::default();
    while step(&mut *strategy, &mut model, &mut run).is_ok() {}
    let before = run.nodes.len();
    model.passes_left = usize::MAX;
    while step(&mut *strategy, &mut model, &mut run).unwrap().is_none() {}
    let plain = decode(
        &mut circle(20),
        &settings(StrategyKind::Greedy, 40),
        &prompt[..4],
        &StrategyInputs::default(),
    )
    .run;
    assert!(before > 0 && before < 40);
    assert_is_greedy(&run, &plain, "after an error");
}

#[test]
fn broken_logits_are_an_error_that_names_step_and_token() {
    for picking in [Picking::Argmax, Picking::Sample] {
        let mut model = FakeModel::new(7, |tokens| {
            let mut logits: Vec<f32> =
                (0..7).map(|id| if id == (tokens[tokens.len() - 1] + 1) % 7 { 9.0 } else { 0.0 }).collect();
            if tokens.len() == 13 {
                logits[2] = f32::NAN;
            }
            logits
        });
        let mut spec = settings(StrategyKind::Speculative, 40);
        spec.picking = picking;
        let mut strategy =
            begin_with(&spec, &[], &[0, 1, 2, 3, 4, 5, 6, 0], &model, &StrategyInputs::default()).unwrap();
        let mut run = Run::default();
        let error = loop {
            if let Err(error) = step(&mut *strategy, &mut model, &mut run) {
                break error.to_string();
            }
        };
        assert!(error.starts_with("step 6: the model gave the logit NaN for token 2"), "{error}");
        let again = step(&mut *strategy, &mut model, &mut run).unwrap_err().to_string();
        assert_eq!(again, error, "trying again computes the rows again");
    }
}

#[test]
fn a_branch_goes_on_from_any_token_and_leaves_nothing_behind() {
    for draft in [None, Some(FakeModel::scrambled(20))] {
        let aids = draft.map(shared).unwrap_or_default();
        let spec = settings(StrategyKind::Speculative, 30);
        let mut model = FakeModel::scrambled(20);
        let mut strategy = begin_with(&spec, &[], &[1, 2, 3], &model, &aids).unwrap();
        let mut run = Run::default();
        for _ in 0..4 {
            step(&mut *strategy, &mut model, &mut run).unwrap();
        }
        let ids = run.generated_ids();
        for length in [0, 2, ids.len() - 1] {
            let tokens = [&[1, 2, 3], &ids[..length], &[17]].concat();
            let rows = model.rows();
            let mut branched = strategy.branch(&mut model, &tokens).unwrap();
            assert_eq!(branched.stop, None);
            let mut branch_run = Run::default();
            while step(&mut *branched.strategy, &mut model, &mut branch_run).unwrap().is_none() {}
            let greedy = settings(StrategyKind::Greedy, 30 - length - 1);
            let plain =
                decode(&mut FakeModel::scrambled(20), &greedy, &tokens, &StrategyInputs::default()).run;
            assert_eq!(branch_run.generated_ids(), plain.generated_ids());
            assert!(model.rows() - rows < 200, "the prefix is shared");
            branched.strategy.release(&mut model);
        }
        assert_eq!(model.live_sequences(), 1);
        while step(&mut *strategy, &mut model, &mut run).unwrap().is_none() {}
        let plain = decode(
            &mut FakeModel::scrambled(20),
            &settings(StrategyKind::Greedy, 30),
            &[1, 2, 3],
            &StrategyInputs::default(),
        );
        assert_is_greedy(&run, &plain.run, "the first line");
        strategy.release(&mut model);
        assert_eq!(model.live_sequences(), 0);
        assert_eq!(aids.draft.map_or(0, |draft| draft.borrow().cache_usage().pages), 0);
    }
}

#[test]
fn a_draft_model_of_another_size_is_refused() {
    let spec = settings(StrategyKind::Speculative, 3);
    let refused = begin_with(&spec, &[], &[1], &circle(20), &shared(circle(21))).err().unwrap();
    let message = refused.to_string();
    assert_eq!(
        message,
        "the size of the draft model's vocabulary is 21, but it has to be the model's, 20, with the same tokens"
    );
    for draft_tokens in [0, 33] {
        let mut spec = spec.clone();
        spec.speculative.draft_tokens = draft_tokens;
        let refused = begin_with(&spec, &[], &[1], &circle(20), &StrategyInputs::default()).err().unwrap();
        assert!(refused.to_string().contains("drafted tokens"), "{refused}");
    }
}
