//! The stages against transformers' processors, and what must hold for every row.

use std::collections::{BTreeMap, BTreeSet};

use logitscope::decoding::chain::Chain;
use logitscope::decoding::row::{Descending, Row};
use logitscope::decoding::stages::{self, History, Mirostat, Stage};
use logitscope::decoding::{
    DrySettings, GrammarSettings, MirostatSettings, Picking, StageContext, StageSettings,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    eos: Vec<u32>,
    breakers: BTreeSet<u32>,
    cases: Vec<Case>,
}

/// See `tests/fixtures/stages/make.py`.
#[derive(Deserialize)]
struct Case {
    settings: StageSettings,
    prompt: Vec<u32>,
    generated: Vec<u32>,
    logits: Vec<f32>,
    after: Vec<Vec<Option<f32>>>,
}

#[test]
fn every_stage_gives_what_transformers_gives() {
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/stages/stages.json")).unwrap();
    let context =
        StageContext { eos: fixture.eos, dry_breakers: fixture.breakers, ..StageContext::default() };
    let mut seen = BTreeSet::new();
    for (number, case) in fixture.cases.iter().enumerate() {
        let tokens = [case.prompt.as_slice(), &case.generated].concat();
        let history = History { tokens: &tokens, prompt: case.prompt.len() };
        let chain = Chain::new(&case.settings, Picking::Sample, &context, 10);
        assert_eq!(chain.stages.len(), case.after.len(), "case {number}: {:?}", case.settings);
        let mut row = Row::new(&case.logits);
        for (stage, after) in chain.stages.iter().zip(&case.after) {
            stage.apply(&mut row, history);
            seen.insert(stage.name());
            for (id, expected) in (0..).zip(after) {
                let actual = row.keeps(id).then(|| row.value(id));
                let close = match (actual, expected) {
                    (Some(actual), Some(expected)) => {
                        (actual - expected).abs() <= 2e-6 * expected.abs().max(1.0)
                    }
                    (actual, expected) => actual.is_none() && expected.is_none(),
                };
                let stage = stage.name();
                assert!(close, "case {number}, {stage}, id {id}: {actual:?} instead of {expected:?}");
            }
        }
    }
    assert!(fixture.cases.len() > 100);
    assert_eq!(seen.len(), 19, "{seen:?}");
}

#[test]
fn the_chain_has_the_documented_order_and_leaves_neutral_stages_out() {
    let settings = StageSettings {
        grammar: GrammarSettings::default(),
        logit_bias: BTreeMap::from([(3, 1.0)]),
        repetition_penalty: 1.1,
        presence_penalty: 0.1,
        frequency_penalty: 0.1,
        dry: DrySettings { multiplier: 1.0, ..DrySettings::default() },
        no_repeat_ngram: 2,
        bad_words: vec![vec![1]],
        min_new_tokens: 1,
        forced_tokens: BTreeMap::from([(1, 2)]),
        suppress_tokens: BTreeSet::from([1]),
        temperature: 0.5,
        top_k: 3,
        top_p: 0.9,
        min_p: 0.1,
        top_a: 0.1,
        typical_p: 0.9,
        epsilon_cutoff: 0.1,
        eta_cutoff: 0.1,
        mirostat: MirostatSettings { target: 1.0, rate: 0.1 },
    };
    let context = StageContext::default();
    let names = |picking| {
        let chain = Chain::new(&settings, picking, &context, 1);
        chain.stages.iter().map(Stage::name).collect::<Vec<_>>()
    };
    let processors = [
        "logit bias",
        "repetition penalty",
        "presence penalty",
        "frequency penalty",
        "DRY",
        "no-repeat n-gram",
        "bad words",
        "min new tokens",
        "forced tokens",
        "suppressed tokens",
    ];
    let warpers = [
        "temperature",
        "top-k",
        "top-p",
        "min-p",
        "top-a",
        "typical-p",
        "epsilon cutoff",
        "eta cutoff",
        "mirostat",
    ];
    assert_eq!(names(Picking::Argmax), processors);
    assert_eq!(names(Picking::Sample), [processors.as_slice(), &warpers].concat());
    let neutral = Chain::new(&StageSettings::default(), Picking::Sample, &context, 1);
    assert!(neutral.stages.is_empty());
}

#[test]
fn one_finite_logit_is_what_every_stage_keeps() {
    let mut logits = vec![f32::NEG_INFINITY; 9];
    logits[5] = -3.0;
    for stage in [
        Stage::TopK(4),
        Stage::TopP(0.999),
        Stage::MinP(0.001),
        Stage::TopA(0.001),
        Stage::TypicalP(0.999),
        Stage::EpsilonCutoff(0.001),
        Stage::EtaCutoff(0.001),
        Stage::Mirostat(Mirostat::new(9.0, 0.1)),
        Stage::SuppressTokens([0, 8].into()),
        Stage::MinNewTokens { count: 1, eos: vec![0, 8] },
        Stage::ForcedTokens(BTreeMap::from([(1, 5)])),
    ] {
        let mut row = Row::new(&logits);
        Stage::Temperature(0.01).apply(&mut row, NOTHING);
        stage.apply(&mut row, NOTHING);
        assert_eq!(row.best(), Some(5));
        let softmax = row.softmax();
        assert_eq!(row.probability(&softmax, 5), 1.0);
        assert!(row.values.iter().all(|value| value.is_finite()));
    }
}

#[test]
fn equal_logits_stay_equal_and_ties_with_the_kth_are_kept() {
    let equal = Row::new(&[2.0; 7]);
    let kept = |stage: Stage| {
        let mut row = equal.clone();
        stage.apply(&mut row, NOTHING);
        row.kept
    };
    assert_eq!(kept(Stage::TopK(3)).len(), 7);
    assert_eq!(kept(Stage::MinP(1.0)).len(), 7);
    assert_eq!(kept(Stage::TopA(1.0)).len(), 7);
    assert_eq!(kept(Stage::TypicalP(0.1)).len(), 7);
    assert_eq!(kept(Stage::EpsilonCutoff(0.9)).len(), 7, "none is lower than the highest");
    assert_eq!(kept(Stage::EtaCutoff(0.9)).len(), 7);
    assert_eq!(kept(Stage::Mirostat(Mirostat { mu: -3.0, ..Mirostat::new(1.0, 0.1) })).len(), 7);
    // Four sevenths reach one half; the lowest ids are the first among equals.
    assert_eq!(kept(Stage::TopP(0.5)), [0, 1, 2, 3]);
    assert_eq!(equal.best(), Some(0));
}

#[test]
fn a_temperature_towards_zero_leaves_the_highest_alone() {
    for divisor in [1e-3, 1e-30, 1e-38, 1e-45] {
        for logits in [[3.0, 4.0, 4.5], [-300.0, -20.0, -10.0], [1e30, 2e30, 3e30]] {
            let mut row = Row::new(&logits);
            stages::temperature(&mut row, divisor);
            let softmax = row.softmax();
            assert_eq!(row.best(), Some(2));
            assert_eq!(row.probability(&softmax, 2), 1.0, "{divisor} {logits:?} {:?}", row.values);
        }
    }
}

#[test]
fn typical_p_cuts_what_is_too_likely_as_well() {
    // One token with e² times the probability of each of fifty others: the entropy is near the others' surprise.
    let mut logits = vec![0.0; 51];
    logits[7] = 2.0;
    let mut row = Row::new(&logits);
    stages::typical_p(&mut row, 0.5);
    assert!(!row.keeps(7));
    assert_eq!(row.kept.len(), 50);
}

#[test]
fn a_ban_cuts_whatever_is_left_and_forces_nothing_that_was_cut() {
    let history = History { tokens: &[0, 1], prompt: 2 };
    let after = |stages: &[Stage]| {
        let mut row = Row::new(&[0.5, 2.0, 1.0]);
        for stage in stages {
            assert_eq!(stage.apply(&mut row, history), 0, "no value changes");
        }
        row.kept
    };
    let banned = Stage::SuppressTokens(BTreeSet::from([0, 1, 2]));
    assert_eq!(after(std::slice::from_ref(&banned)), NONE);
    let forced = Stage::ForcedTokens(BTreeMap::from([(1, 0)]));
    assert_eq!(after(std::slice::from_ref(&forced)), [0]);
    assert_eq!(after(&[forced.clone(), banned.clone()]), NONE);
    assert_eq!(after(&[banned, forced.clone()]), NONE);
    assert_eq!(after(&[Stage::SuppressTokens([0].into()), forced]), NONE, "not another one in its place");
    assert_eq!(after(&[Stage::MinNewTokens { count: 1, eos: vec![0, 1, 2] }]), NONE);
    assert_eq!(after(&[Stage::BadWords(vec![vec![0], vec![1, 1], vec![2], vec![1]])]), NONE);
    assert_eq!(after(&[Stage::MinNewTokens { count: 1, eos: vec![1] }]), [0, 2]);
    assert_eq!(after(&[Stage::MinNewTokens { count: 0, eos: vec![1] }]), [0, 1, 2]);
}

#[test]
fn an_n_gram_rule_cuts_whatever_was_there() {
    let mut row = Row::new(&[0.5, 2.0, 1.0]);
    stages::no_repeat_ngram(&mut row, 1, &[0, 1, 2]);
    assert_eq!(row.kept, NONE);
}

const NONE: [u32; 0] = [];
const NOTHING: History<'static> = History { tokens: &[], prompt: 0 };

fn logits() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-30.0f32..30.0, 1..300)
}

fn cutting_stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        (1usize..400).prop_map(Stage::TopK),
        (0.001f32..1.0).prop_map(Stage::TopP),
        (0.0f32..=1.0).prop_map(Stage::MinP),
        (1usize..4).prop_map(Stage::NoRepeatNgram),
        (0.001f32..=1.0).prop_map(Stage::TopA),
        (0.01f32..1.0).prop_map(Stage::TypicalP),
        (0.0001f32..1.0).prop_map(Stage::EpsilonCutoff),
        (0.0001f32..1.0).prop_map(Stage::EtaCutoff),
        (-3.0f64..12.0).prop_map(|mu| Stage::Mirostat(Mirostat { mu, ..Mirostat::new(1.0, 0.1) })),
        prop::collection::btree_set(0u32..300, 0..40).prop_map(Stage::SuppressTokens),
        prop::collection::vec(prop::collection::vec(0u32..6, 1..4), 1..4).prop_map(Stage::BadWords),
        (0usize..60, prop::collection::vec(0u32..300, 0..4))
            .prop_map(|(count, eos)| Stage::MinNewTokens { count, eos }),
        (1usize..40, 0u32..300).prop_map(|(step, id)| Stage::ForcedTokens(BTreeMap::from([(step, id)]))),
    ]
}

/// Whether a stage cuts from the lower end: not by id, and not by distance from the entropy.
fn by_probability(stage: &Stage) -> bool {
    !by_id(stage) && !matches!(stage, Stage::TypicalP(_))
}

/// Whether a stage bans tokens whatever their values.
fn by_id(stage: &Stage) -> bool {
    matches!(
        stage,
        Stage::NoRepeatNgram(_)
            | Stage::SuppressTokens(_)
            | Stage::BadWords(_)
            | Stage::MinNewTokens { .. }
            | Stage::ForcedTokens(_)
    )
}

proptest! {
    #[test]
    fn a_cutting_stage_keeps_the_highest_and_changes_no_value(
        logits in logits(), stage in cutting_stage(), tokens in prop::collection::vec(0u32..300, 0..40),
    ) {
        let raw = Row::new(&logits);
        let mut row = raw.clone();
        let changed = stage.apply(&mut row, History { tokens: &tokens, prompt: 0 });
        prop_assert_eq!(changed, 0);
        prop_assert_eq!(&row.values, &raw.values);
        prop_assert!(row.kept.is_sorted());
        prop_assert!(!row.kept.is_empty() || by_id(&stage));
        if by_probability(&stage) {
            prop_assert_eq!(row.best(), raw.best());
            // What is kept is never lower than what is cut.
            let lowest = row.kept.iter().map(|&id| row.value(id)).fold(f32::MAX, f32::min);
            prop_assert!((0..logits.len() as u32).all(|id| row.keeps(id) || row.value(id) <= lowest));
        }
    }

    #[test]
    fn a_constant_added_to_all_logits_cuts_the_same(
        quarters in prop::collection::vec(-60i32..60, 1..200), shift in -64i32..64, stage in cutting_stage(),
    ) {
        // Quarters of whole numbers add without rounding, so the two rows differ by the constant alone.
        let plain: Vec<f32> = quarters.iter().map(|&q| q as f32 / 4.0).collect();
        let shifted: Vec<f32> = plain.iter().map(|value| value + shift as f32).collect();
        let kept = |logits: &[f32]| {
            let mut row = Row::new(logits);
            stage.apply(&mut row, History { tokens: &[1, 2, 1, 2, 1], prompt: 2 });
            row.kept
        };
        prop_assert_eq!(kept(&plain), kept(&shifted));
    }

    #[test]
    fn top_p_keeps_the_smallest_set_that_reaches_p(logits in logits(), share in 0.01f32..0.99) {
        let raw = Row::new(&logits);
        let softmax = raw.softmax();
        let mut row = raw.clone();
        stages::top_p(&mut row, share);
        let sum = |ids: &[u32]| ids.iter().map(|&id| raw.probability(&softmax, id)).sum::<f64>();
        prop_assert!(sum(&row.kept) >= f64::from(share) - 1e-12);
        let mut ordered = row.kept.clone();
        ordered.sort_by_key(|&id| raw.rank(id));
        ordered.pop();
        prop_assert!(sum(&ordered) < f64::from(share) + 1e-12);
    }

    #[test]
    fn descending_order_is_that_of_a_full_sort(values in prop::collection::vec(-50i8..50, 1..3000)) {
        let row = Row::new(&values.iter().map(|&v| f32::from(v)).collect::<Vec<_>>());
        let mut sorted = row.kept.clone();
        // A stable sort keeps equal values in the order of their ids.
        sorted.sort_by(|&a, &b| row.value(b).partial_cmp(&row.value(a)).unwrap());
        prop_assert!(sorted.iter().take(50).zip(1..).all(|(&id, rank)| row.rank(id) == rank));
        prop_assert_eq!(row.best(), sorted.first().copied());
        prop_assert_eq!(Descending::new(&row).collect::<Vec<_>>(), sorted);
    }

    #[test]
    fn top_k_beyond_the_vocabulary_keeps_everything(logits in logits(), extra in 0usize..1000) {
        let mut row = Row::new(&logits);
        stages::top_k(&mut row, logits.len() + extra);
        prop_assert_eq!(row.kept.len(), logits.len());
    }
}
