//! What holds for all stages together, in a chain and in whole runs on a model whose logits are known exactly.

use std::collections::{BTreeMap, BTreeSet};

use logitscope::decoding::chain::Chain;
use logitscope::decoding::draw::draw;
use logitscope::decoding::row::Row;
use logitscope::decoding::stages::{Dry, History, Mirostat, Stage};
use logitscope::decoding::{
    Control, DecodingError, DecodingSettings, DrySettings, EosRule, GrammarSettings, MirostatSettings,
    Picking, StageContext, StageSettings, StrategyInputs, StrategyKind, begin_with,
};
use logitscope::trace::Run;
use proptest::prelude::*;

use super::fake_model::FakeModel;

const VOCABULARY: usize = 50;

/// Any settings of the stages, within their ranges.
fn settings() -> impl Strategy<Value = StageSettings> {
    let id = || 0..VOCABULARY as u32;
    let processors = (
        prop::collection::btree_map(id(), -5.0f32..5.0, 0..4),
        0.5f32..2.0,
        (-1.0f32..1.0, -1.0f32..1.0),
        (0.0f32..3.0, 1.0f32..3.0, 1usize..4, 0usize..20),
        0usize..4,
        prop::collection::vec(prop::collection::vec(id(), 1..3), 0..3),
        0usize..30,
        prop::collection::btree_map(1usize..30, id(), 0..3),
        prop::collection::btree_set(id(), 0..20),
    );
    let warpers = (
        0.05f32..3.0,
        0usize..60,
        0.01f32..=1.0,
        (0.0f32..=1.0, 0.0f32..=1.0),
        0.01f32..=1.0,
        (0.0f32..0.9, 0.0f32..0.9),
        (0.0f32..6.0, 0.0f32..=1.0),
    );
    (processors, warpers).prop_map(|(p, w)| StageSettings {
        grammar: GrammarSettings::default(),
        logit_bias: p.0,
        repetition_penalty: p.1,
        presence_penalty: p.2.0,
        frequency_penalty: p.2.1,
        dry: DrySettings {
            multiplier: p.3.0,
            base: p.3.1,
            allowed_length: p.3.2,
            range: p.3.3,
            ..DrySettings::default()
        },
        no_repeat_ngram: p.4,
        bad_words: p.5,
        min_new_tokens: p.6,
        forced_tokens: p.7,
        suppress_tokens: p.8,
        temperature: w.0,
        top_k: w.1,
        top_p: w.2,
        min_p: w.3.0,
        top_a: w.3.1,
        typical_p: w.4,
        epsilon_cutoff: w.5.0,
        eta_cutoff: w.5.1,
        mirostat: MirostatSettings { target: w.6.0, rate: w.6.1 },
    })
}

fn context() -> StageContext {
    StageContext { eos: vec![9, 11], dry_breakers: BTreeSet::from([4, 7]), ..StageContext::default() }
}

fn aids(stages: StageContext) -> StrategyInputs {
    StrategyInputs { stages, ..StrategyInputs::default() }
}

/// A run of so many steps that no token ends, and what ended it before, if the stages left nothing.
fn decode(stages: &StageSettings, choice: StrategyKind, seed: u64, steps: usize) -> Run {
    decode_to_end(stages, choice, seed, steps).0
}

fn decode_to_end(
    stages: &StageSettings,
    choice: StrategyKind,
    seed: u64,
    steps: usize,
) -> (Run, Option<DecodingError>) {
    let mut settings =
        DecodingSettings { strategy: choice, stages: stages.clone(), seed, ..DecodingSettings::default() };
    settings.stop.max_tokens = steps;
    settings.recorded_candidates = 5;
    let mut model = FakeModel::scrambled(VOCABULARY);
    let mut strategy = begin_with(&settings, &context().eos, &PROMPT, &model, &aids(context()))
        .expect("the settings are in range");
    let mut run = Run::default();
    for _ in 0..steps {
        let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
        match strategy.step(&mut model, &mut run, &mut control) {
            Err(error @ DecodingError::NothingLeft { .. }) => return (run, Some(error)),
            stepped => stepped.expect("the model computes"),
        };
    }
    (run, None)
}

const PROMPT: [u32; 6] = [3, 1, 4, 3, 1, 4];

/// Makes a step of a run again, with nothing but the tokens before it and what its node recorded.
fn replay(stages: &StageSettings, run: &Run, index: usize, seed: u64) -> u32 {
    let node = &run.nodes[index];
    let mut chain = Chain::new(stages, Picking::Sample, &context(), 5);
    for (stage, record) in chain.stages.iter_mut().zip(&node.stages) {
        if let (Stage::Mirostat(mirostat), Some(mu)) = (stage, record.state) {
            mirostat.mu = mu;
        }
    }
    let tokens = [&PROMPT[..], &run.generated_ids()[..index]].concat();
    let logits = super::decoding::logits_after(&tokens);
    let filtered =
        chain.run(&logits, History { tokens: &tokens, prompt: PROMPT.len() }).expect("it was chosen");
    let (token, drawn) = draw(&filtered.row, &filtered.after, seed, node.step as u64);
    assert_eq!(Some(drawn), node.draw);
    token
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_run_replays_exactly_and_each_step_alone(stages in settings(), seed in 0u64..1000) {
        let (run, end) = decode_to_end(&stages, StrategyKind::Sample, seed, 25);
        let again = decode_to_end(&stages, StrategyKind::Sample, seed, 25);
        prop_assert_eq!((run.generated_ids(), &end), (again.0.generated_ids(), &again.1));
        if let Some(DecodingError::NothingLeft { step, .. }) = end {
            prop_assert_eq!(step, run.nodes.len() + 1);
        }
        for (index, node) in run.nodes.iter().enumerate() {
            prop_assert_eq!(replay(&stages, &run, index, seed), node.token);
            prop_assert!(node.stages.iter().all(|stage| (1..=VOCABULARY).contains(&stage.kept)));
            prop_assert!(node.stages.windows(2).all(|pair| pair[1].kept <= pair[0].kept));
            prop_assert!(node.chosen().is_some_and(|chosen| chosen.cut_by.is_none() && chosen.probability > 0.0));
        }
        prop_assert_eq!(
            decode(&stages, StrategyKind::Greedy, 1, 25).generated_ids(),
            decode(&stages, StrategyKind::Greedy, 2, 25).generated_ids()
        );
    }

    #[test]
    fn every_chain_keeps_a_token_and_finite_values_or_says_which_ban_kept_none(
        stages in settings(),
        logits in prop::collection::vec(prop_oneof![
            8 => -30.0f32..30.0, 1 => Just(f32::NEG_INFINITY), 1 => -3e38f32..3e38,
        ], VOCABULARY),
        tokens in prop::collection::vec(0u32..8, 0..60),
    ) {
        let chain = Chain::new(&stages, Picking::Sample, &context(), 5);
        let history = History { tokens: &tokens, prompt: tokens.len() / 2 };
        let filtered = match chain.run(&logits, history) {
            Err(error) => {
                prop_assert!(matches!(error, DecodingError::NothingLeft { .. }), "{}", error);
                let mut row = Row::new(&logits);
                let mut left = chain.stages.iter().map(|stage| {
                    stage.apply(&mut row, history);
                    (stage.name(), row.kept.len())
                });
                let first = left.find(|(_, kept)| *kept == 0).map(|(name, _)| name);
                prop_assert!(first.is_some_and(|name| error.to_string().contains(name)), "{}", error);
                return Ok(());
            }
            filtered => filtered.unwrap(),
        };
        prop_assert!(!filtered.row.kept.is_empty());
        prop_assert!(filtered.row.kept.is_sorted_by(|a, b| a < b));
        prop_assert!(filtered.row.values.iter().all(|value| value.is_finite()));
        let sum: f64 =
            filtered.row.kept.iter().map(|&id| filtered.after.probability(filtered.row.value(id))).sum();
        prop_assert!((sum - 1.0).abs() < 1e-9, "{}", sum);
    }

    /// All stages but the repetition penalty, which looks at signs, and temperature, which scales the constant
    /// as well: there the softmax is the same.
    #[test]
    fn a_constant_added_to_all_logits_changes_nothing_but_the_values_by_it(
        quarters in prop::collection::vec(-60i32..60, VOCABULARY),
        shift in -64i32..64,
        mut stages in settings(),
        tokens in prop::collection::vec(0u32..8, 0..40),
    ) {
        (stages.repetition_penalty, stages.temperature) = (1.0, 1.0);
        // Quarters add without rounding; so do the penalties, if they are whole sixteenths.
        let sixteenths = |value: f32| (value * 16.0).round() / 16.0;
        stages.logit_bias.values_mut().for_each(|bias| *bias = sixteenths(*bias));
        stages.presence_penalty = sixteenths(stages.presence_penalty);
        stages.frequency_penalty = sixteenths(stages.frequency_penalty);
        (stages.dry.multiplier, stages.dry.base) = (sixteenths(stages.dry.multiplier), 1.0);
        let plain: Vec<f32> = quarters.iter().map(|&q| q as f32 / 4.0).collect();
        let shifted: Vec<f32> = plain.iter().map(|value| value + shift as f32).collect();
        let chain = Chain::new(&stages, Picking::Sample, &context(), 5);
        let history = History { tokens: &tokens, prompt: 0 };
        let (one, other) = match (chain.run(&plain, history), chain.run(&shifted, history)) {
            (Ok(one), Ok(other)) => (one, other),
            (one, other) => {
                prop_assert_eq!(one, other);
                return Ok(());
            }
        };
        prop_assert_eq!(&one.row.kept, &other.row.kept);
        for &id in &one.row.kept {
            prop_assert_eq!(one.row.value(id) + shift as f32, other.row.value(id));
        }
        prop_assert_eq!(one.stages, other.stages);
    }

    #[test]
    fn temperature_leaves_the_softmax_of_shifted_logits_as_it_is(
        quarters in prop::collection::vec(-60i32..60, 1..200), shift in -64i32..64, divisor in 0.1f32..4.0,
    ) {
        let plain: Vec<f32> = quarters.iter().map(|&q| q as f32 / 4.0).collect();
        let shifted: Vec<f32> = plain.iter().map(|value| value + shift as f32).collect();
        let probabilities = |logits: &[f32]| {
            let mut row = Row::new(logits);
            Stage::Temperature(divisor).apply(&mut row, History { tokens: &[], prompt: 0 });
            let softmax = row.softmax();
            (0..logits.len() as u32).map(|id| row.probability(&softmax, id)).collect::<Vec<f64>>()
        };
        for (one, other) in probabilities(&plain).iter().zip(probabilities(&shifted)) {
            prop_assert!((one - other).abs() < 2e-4, "{} {}", one, other);
        }
    }

    #[test]
    fn dry_ignores_what_is_out_of_range_and_never_goes_across_a_breaker(
        tokens in prop::collection::vec(0u32..4, 2..40), range in 1usize..50, allowed_length in 1usize..4,
    ) {
        let dry = |range, breakers: &[u32], tokens: &[u32]| {
            let breakers = breakers.iter().copied().collect();
            let stage = Stage::Dry(Dry { multiplier: 1.0, base: 2.0, allowed_length, range, breakers });
            let mut row = Row::new(&[0.0; 4]);
            stage.apply(&mut row, History { tokens, prompt: 0 });
            row.values
        };
        let last = &tokens[tokens.len().saturating_sub(range)..];
        prop_assert_eq!(dry(range, &[], &tokens), dry(0, &[], last));
        let newest = *tokens.last().expect("there are two");
        prop_assert_eq!(dry(0, &[newest], &tokens), vec![0.0; 4]);
        prop_assert_eq!(dry(0, &[2], &tokens)[2], 0.0);
        // No token is penalised more with a breaker than without.
        for (with, without) in dry(0, &[1], &tokens).iter().zip(dry(0, &[], &tokens)) {
            prop_assert!(*with >= without);
        }
    }
}

#[test]
fn the_repetition_penalty_looks_at_signs() {
    let best = |shift: f32| {
        let mut row = Row::new(&[0.5 + shift, 0.25 + shift]);
        Stage::RepetitionPenalty(1.5).apply(&mut row, History { tokens: &[0], prompt: 1 });
        row.best()
    };
    assert_eq!((best(0.0), best(10.0)), (Some(0), Some(1)));
}

#[test]
fn mirostat_follows_its_formula_and_holds_the_surprise() {
    const TARGET: f32 = 3.0;
    let stages = StageSettings {
        temperature: 0.7,
        mirostat: MirostatSettings { target: TARGET, rate: 0.1 },
        ..StageSettings::default()
    };
    let run = decode(&stages, StrategyKind::Sample, 11, 500);
    let mut mu = 2.0 * f64::from(TARGET);
    let mut surprises = Vec::new();
    for node in &run.nodes {
        assert_eq!(node.stages[1].state, Some(mu));
        let surprise = -f64::from(node.chosen().expect("it is listed").probability).log2();
        mu -= f64::from(0.1f32) * (surprise - f64::from(TARGET));
        surprises.push(surprise);
    }
    let late = &surprises[100..];
    let mean = late.iter().sum::<f64>() / late.len() as f64;
    assert!((mean - f64::from(TARGET)).abs() < 0.1, "{mean}");
    let kept: BTreeSet<usize> = run.nodes.iter().map(|node| node.stages[1].kept).collect();
    assert!(kept.len() > 3, "the limit moves: {kept:?}");
    // Greedy decoding draws nothing, so there is nothing to follow.
    assert!(decode(&stages, StrategyKind::Greedy, 1, 3).nodes[0].stages.is_empty());
    assert_eq!(Mirostat::new(TARGET, 0.1).mu, 6.0);
}

#[test]
fn rules_about_tokens_hold_in_runs() {
    let plain = decode(&StageSettings::default(), StrategyKind::Greedy, 0, 30).generated_ids();
    let forced =
        StageSettings { forced_tokens: BTreeMap::from([(1, 40), (7, 2)]), ..StageSettings::default() };
    let ids = decode(&forced, StrategyKind::Greedy, 0, 8).generated_ids();
    assert_eq!((ids[0], ids[6]), (40, 2));
    let banned = BTreeSet::from_iter(plain.iter().copied().take(10));
    let stages = StageSettings { suppress_tokens: banned.clone(), ..StageSettings::default() };
    let ids = decode(&stages, StrategyKind::Greedy, 0, 30).generated_ids();
    assert!(ids.iter().all(|id| !banned.contains(id)));
    let stages = StageSettings { bad_words: vec![plain[3..5].to_vec()], ..StageSettings::default() };
    let ids = decode(&stages, StrategyKind::Greedy, 0, 30).generated_ids();
    assert_eq!(ids[..4], plain[..4]);
    assert_ne!(ids[4], plain[4], "the sequence is not completed");
}

#[test]
fn a_text_ends_no_earlier_than_asked() {
    let end = |min_new_tokens, eos: EosRule| {
        let mut settings = DecodingSettings::default();
        settings.stages.min_new_tokens = min_new_tokens;
        settings.stop.eos = eos;
        // The end-of-text token is always the most likely one.
        let mut model = FakeModel::new(4, |_| vec![0.0, 1.0, 2.0, 3.0]);
        let mut strategy =
            begin_with(&settings, &[3], &[0], &model, &StrategyInputs::default()).expect("in range");
        let mut run = Run::default();
        while run.nodes.len() < 10 {
            let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
            if strategy.step(&mut model, &mut run, &mut control).expect("it computes").stop.is_some() {
                break;
            }
        }
        run.generated_ids()
    };
    assert_eq!(end(0, EosRule::Model), [3]);
    assert_eq!(end(2, EosRule::Model), [2, 2, 3]);
    assert_eq!(end(1, EosRule::Tokens(vec![3, 2])), [1, 3], "those that end the run");
    assert_eq!(end(2, EosRule::Ignore), [3; 10], "none does");
}

#[test]
fn broken_logits_are_refused_under_every_stage() {
    for broken in [f32::NAN, f32::INFINITY] {
        let mut settings = DecodingSettings { strategy: StrategyKind::Sample, ..DecodingSettings::default() };
        settings.stages = StageSettings {
            typical_p: 0.5,
            eta_cutoff: 0.1,
            suppress_tokens: BTreeSet::from([2]),
            mirostat: MirostatSettings { target: 1.0, rate: 0.1 },
            ..StageSettings::default()
        };
        let mut model = FakeModel::new(4, move |_| vec![0.0, 1.0, broken, 0.5]);
        let mut strategy =
            begin_with(&settings, &[3], &[1], &model, &StrategyInputs::default()).expect("in range");
        let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
        let error = strategy.step(&mut model, &mut Run::default(), &mut control).unwrap_err();
        assert!(matches!(error, DecodingError::BrokenLogit { step: 1, token: 2, .. }), "{error}");
    }
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refused = |change: fn(&mut StageSettings)| {
        let mut stages = StageSettings::default();
        change(&mut stages);
        stages.check(VOCABULARY).expect_err("it is out of range").to_string()
    };
    type Damage = fn(&mut StageSettings);
    let cases: [(Damage, &str); 14] = [
        (|s| s.typical_p = 0.0, "typical-p is 0, but it has to be above 0"),
        (|s| s.top_a = 1.5, "top-a is 1.5"),
        (|s| s.epsilon_cutoff = 1.0, "the epsilon cutoff is 1"),
        (|s| s.eta_cutoff = f32::NAN, "the eta cutoff is NaN"),
        (|s| s.mirostat.target = -1.0, "mirostat's tau is -1"),
        (|s| s.mirostat.rate = 2.0, "mirostat's eta is 2"),
        (|s| s.dry.multiplier = f32::INFINITY, "DRY's multiplier is inf"),
        (|s| s.dry.base = 0.5, "DRY's base is 0.5"),
        (|s| s.dry.allowed_length = 0, "DRY's allowed length is 0"),
        (|s| s.dry.breakers = vec![String::new()], "a sequence breaker of DRY is empty"),
        (
            |s| s.suppress_tokens = BTreeSet::from([50]),
            "a suppressed token is 50, but the model's ids go from 0 to 49",
        ),
        (|s| s.bad_words = vec![vec![]], "a bad word is empty"),
        (|s| s.forced_tokens = BTreeMap::from([(0, 1)]), "the step of a forced token is 0"),
        (|s| s.forced_tokens = BTreeMap::from([(1, 50)]), "a forced token is 50"),
    ];
    for (change, expected) in cases {
        let message = refused(change);
        assert!(message.starts_with(expected), "{message}");
    }
    StageSettings::default().check(VOCABULARY).expect("the defaults are in range");
}
