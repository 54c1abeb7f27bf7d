//! The stages against transformers' processors, and what must hold for every row.

use std::collections::BTreeMap;

use logitscope::decoding::chain::Chain;
use logitscope::decoding::row::{Descending, Row};
use logitscope::decoding::stages::{self, History, Stage};
use logitscope::decoding::{Picking, StageSettings};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
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
    for (number, case) in fixture.cases.iter().enumerate() {
        let tokens = [case.prompt.as_slice(), &case.generated].concat();
        let history = History { tokens: &tokens, prompt: case.prompt.len() };
        let chain = Chain::new(&case.settings, Picking::Draws, 10);
        assert_eq!(chain.stages.len(), case.after.len(), "case {number}: {:?}", case.settings);
        let mut row = Row::new(&case.logits);
        for (stage, after) in chain.stages.iter().zip(&case.after) {
            stage.apply(&mut row, history);
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
    assert!(fixture.cases.len() > 50);
}

#[test]
fn the_chain_has_the_documented_order_and_leaves_neutral_stages_out() {
    let settings = StageSettings {
        logit_bias: BTreeMap::from([(3, 1.0)]),
        repetition_penalty: 1.1,
        presence_penalty: 0.1,
        frequency_penalty: 0.1,
        no_repeat_ngram: 2,
        temperature: 0.5,
        top_k: 3,
        top_p: 0.9,
        min_p: 0.1,
    };
    let names = |picking| {
        let chain = Chain::new(&settings, picking, 1);
        chain.stages.iter().map(Stage::name).collect::<Vec<_>>()
    };
    let penalties =
        ["logit bias", "repetition penalty", "presence penalty", "frequency penalty", "no-repeat n-gram"];
    assert_eq!(names(Picking::Highest), penalties);
    assert_eq!(
        names(Picking::Draws),
        [penalties.as_slice(), &["temperature", "top-k", "top-p", "min-p"]].concat()
    );
    assert!(Chain::new(&StageSettings::default(), Picking::Draws, 1).stages.is_empty());
}

#[test]
fn one_finite_logit_is_what_every_stage_keeps() {
    let mut logits = vec![f32::NEG_INFINITY; 9];
    logits[5] = -3.0;
    for stage in [Stage::TopK(4), Stage::TopP(0.999), Stage::MinP(0.001)] {
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
fn an_n_gram_rule_that_would_cut_everything_leaves_the_best() {
    let mut row = Row::new(&[0.5, 2.0, 1.0]);
    stages::no_repeat_ngram(&mut row, 1, &[0, 1, 2]);
    assert_eq!(row.kept, [1]);
}

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
    ]
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
        prop_assert!(!row.kept.is_empty());
        prop_assert!(row.kept.is_sorted());
        if !matches!(stage, Stage::NoRepeatNgram(_)) {
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
