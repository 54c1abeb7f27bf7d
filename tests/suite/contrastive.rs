//! Contrastive search: against the definition computed by transformers' models, and on a model whose hidden states
//! are known exactly.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use logitscope::decoding::{
    CacheUse, ContrastiveSettings, Control, DecodingError, DecodingSettings, EosRule, StrategyKind, begin,
};
use logitscope::model::LanguageModel;
use logitscope::trace::strategies::ContrastiveStep;
use logitscope::trace::{Run, StepDetail, StopReason};
use serde::Deserialize;

use super::checkpoints;
use super::fake_model::FakeModel;

#[derive(Deserialize)]
struct Expected {
    models: BTreeMap<String, Vec<Case>>,
}

#[derive(Deserialize)]
struct Case {
    prompt: Vec<u32>,
    candidates: usize,
    alpha: f32,
    ids: Vec<u32>,
    steps: Vec<Vec<Weighed>>,
}

/// Token, probability, penalty, position and score of a candidate.
type Weighed = (u32, f32, f32, usize, f32);

fn settings(candidates: usize, penalty_alpha: f32, max_tokens: usize) -> DecodingSettings {
    let contrastive = ContrastiveSettings { candidates, penalty_alpha };
    let strategy = StrategyKind::Contrastive;
    let mut settings = DecodingSettings { strategy, contrastive, ..DecodingSettings::default() };
    settings.stop.max_tokens = max_tokens;
    settings.stop.eos = EosRule::Ignore;
    settings
}

fn weighed(run: &Run) -> impl Iterator<Item = &ContrastiveStep> {
    run.steps.iter().map(|step| match &step.detail {
        StepDetail::Contrastive(step) => step,
        other => panic!("{other:?} in contrastive search"),
    })
}

/// Runs to the end and leaves nothing in the cache.
fn decode(model: &mut FakeModel, settings: &DecodingSettings, prompt: &[u32]) -> Run {
    let mut strategy = begin(settings, &[9], prompt, model).unwrap();
    let mut run = Run::default();
    while run.stop.is_none() {
        let mut control = Control { interrupt: &AtomicBool::new(false), progress: &mut |_, _| {} };
        run.stop = strategy.step(model, &mut run, &mut control).unwrap().stop;
    }
    strategy.release(model);
    assert_eq!(model.live_sequences(), 0);
    run
}

#[test]
fn every_step_is_what_the_definition_says() {
    let json = include_str!("../fixtures/strategies/contrastive.json");
    let expected: Expected = serde_json::from_str(json).unwrap();
    assert!(expected.models.len() >= 5);
    for (name, cases) in expected.models {
        let mut ready = checkpoints::ready(&name);
        for case in cases {
            let settings = settings(case.candidates, case.alpha, case.ids.len());
            let run = checkpoints::decode(&mut ready, &case.prompt, &settings);
            let what = format!("{name}, k {}, alpha {}", case.candidates, case.alpha);
            assert_eq!(run.generated_ids(), case.ids, "{what}");
            let steps = weighed(&run).zip(&case.steps).zip(run.line_nodes());
            for ((found, expected), node) in steps {
                assert_eq!(found.candidates.len(), expected.len(), "{what}");
                let chosen = &found.candidates[found.chosen];
                assert_eq!(chosen.token.id, node.token);
                assert!((chosen.probability.ln() - node.log_probability).abs() < 1e-4);
                for (found, &(id, probability, penalty, position, score)) in
                    found.candidates.iter().zip(expected)
                {
                    assert_eq!(found.token.id, id, "{what}");
                    for (found, expected) in
                        [(found.probability, probability), (found.penalty, penalty), (found.score, score)]
                    {
                        assert!((found - expected).abs() < 2e-4, "{what}: {found} for {expected}");
                    }
                    // Another position may be as similar to within rounding; then the penalties are equal.
                    let _ = position;
                }
            }
            assert_eq!(run.phases.initiation.amount as usize, case.prompt.len() + case.candidates);
            assert_eq!(run.nodes.len() * case.candidates + case.prompt.len(), {
                let rows = run.phases.initiation.amount + run.phases.incremental.amount;
                rows as usize
            });
        }
    }
}

/// After token t, token t + 1 is the most probable, then t + 2, and so on; a hidden state is a direction of its own
/// for each token.
fn circle(vocabulary: u32) -> FakeModel {
    let mut model = FakeModel::new(vocabulary as usize, move |tokens| {
        let newest = tokens[tokens.len() - 1];
        (0..vocabulary).map(|id| ((id + vocabulary - newest - 1) % vocabulary) as f32 * -0.1).collect()
    });
    model.hidden = Box::new(move |tokens| {
        let newest = tokens[tokens.len() - 1];
        (0..vocabulary).map(|id| if id == newest { 3.0 } else { 0.0 }).collect()
    });
    model
}

#[test]
fn the_penalty_finds_the_earlier_position_and_wins_with_enough_weight() {
    // Tokens 4 and 5 were there: 6 is less probable and new.
    let run = decode(&mut circle(8), &settings(3, 0.6, 1), &[5, 4, 3]);
    assert_eq!(run.generated_ids(), [6]);
    let step = weighed(&run).next().unwrap();
    let seen: Vec<(u32, f32, usize)> =
        step.candidates.iter().map(|c| (c.token.id, c.penalty, c.similar_position)).collect();
    assert_eq!(seen, [(4, 1.0, 1), (5, 1.0, 0), (6, 0.0, 0)]);
    assert_eq!(step.chosen, 2);
    // Without a weight it is greedy decoding.
    let greedy = decode(&mut circle(8), &settings(3, 0.0, 6), &[5, 4, 3]);
    assert_eq!(greedy.generated_ids(), [4, 5, 6, 7, 0, 1]);
}

#[test]
fn a_model_that_takes_few_rows_gets_the_candidates_in_parts() {
    let expected = decode(&mut circle(8), &settings(5, 0.6, 6), &[5, 4, 3]);
    for max_rows in [1, 2, 4] {
        let mut model = circle(8);
        model.max_rows = max_rows;
        let run = decode(&mut model, &settings(5, 0.6, 6), &[5, 4, 3]);
        assert_eq!(run.line, expected.line);
        assert_eq!(run.steps, expected.steps);
    }
}

#[test]
fn an_interrupted_step_goes_on_and_a_branch_computes_only_what_is_new() {
    let settings = settings(3, 0.6, 6);
    let prompt: Vec<u32> = (0..40).map(|index| index % 7).collect();
    let expected = decode(&mut circle(8), &settings, &prompt);
    let mut model = circle(8);
    let mut strategy = begin(&settings, &[], &prompt, &model).unwrap();
    let mut run = Run::default();
    let flag = AtomicBool::new(false);
    // Interrupted after the first chunk.
    let mut raise = |_, _| flag.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut control = Control { interrupt: &flag, progress: &mut raise };
    let interrupted = strategy.step(&mut model, &mut run, &mut control);
    assert_eq!(interrupted, Err(DecodingError::Interrupted));
    assert!(run.nodes.is_empty() && model.rows() == 16);
    while run.stop.is_none() {
        let mut control = Control { interrupt: &AtomicBool::new(false), progress: &mut |_, _| {} };
        run.stop = strategy.step(&mut model, &mut run, &mut control).unwrap().stop;
    }
    assert_eq!(run.steps, expected.steps);
    assert_eq!(model.rows(), 40 + 6 * 3);

    // From the third step on with another token.
    let tokens = [&prompt[..], &run.generated_ids()[..2], &[7]].concat();
    let mut branch = strategy.branch(&mut model, &tokens).unwrap();
    assert_eq!(branch.stop, None);
    let before = model.rows();
    let mut control = Control { interrupt: &AtomicBool::new(false), progress: &mut |_, _| {} };
    branch.strategy.step(&mut model, &mut run, &mut control).unwrap();
    assert_eq!(model.rows() - before, 1 + 3);
    let mut fresh_run = Run::default();
    let mut fresh = begin(&settings, &[], &tokens, &model).unwrap();
    fresh.step(&mut model, &mut fresh_run, &mut control).unwrap();
    let details = [&run, &fresh_run].map(|run| run.steps.last().unwrap().detail.clone());
    assert_eq!(details[0], details[1]);
    [strategy, branch.strategy, fresh].iter_mut().for_each(|strategy| strategy.release(&mut model));
    assert_eq!(model.live_sequences(), 0);
}

#[test]
fn it_ends_by_eos_and_where_the_context_does() {
    let mut eos = settings(2, 0.6, 20);
    eos.stop.eos = EosRule::Tokens(vec![6]);
    let run = decode(&mut circle(8), &eos, &[3]);
    assert_eq!((run.generated_ids(), run.stop), (vec![4, 5, 6], Some(StopReason::Eos)));
    let mut model = circle(8);
    model.context = 5;
    let run = decode(&mut model, &settings(2, 0.6, 20), &[0, 1, 2]);
    assert_eq!((run.nodes.len(), run.stop), (2, Some(StopReason::ContextFull)));
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let mut model = circle(8);
    model.context = 3;
    let refused =
        |settings: &DecodingSettings, model: &FakeModel| match begin(settings, &[], &[0, 1, 2], model) {
            Ok(_) => panic!("it began"),
            Err(error) => error.to_string(),
        };
    assert!(refused(&settings(2, 0.6, 1), &model).contains("the prompt has 3 tokens, but the context has 3"));
    model.context = 10;
    assert!(refused(&settings(0, 0.6, 1), &model).contains("candidates is 0"));
    assert!(refused(&settings(2, 1.5, 1), &model).contains("from 0 to 1"));
    let mut staged = settings(2, 0.6, 1);
    staged.stages.no_repeat_ngram = 2;
    let refusal = refused(&staged, &model);
    assert!(refusal.contains("the stage `no-repeat n-gram` has no part in it: leave it out"), "{refusal}");
    let recompute = DecodingSettings { cache: CacheUse::Recompute, ..settings(2, 0.6, 1) };
    assert!(refused(&recompute, &model).contains("contrastive search keeps the hidden states"));
    let mut broken = FakeModel::new(4, |_| vec![0.0, f32::NAN, 0.0, 0.0]);
    let mut strategy = begin(&settings(2, 0.6, 1), &[], &[0], &broken).unwrap();
    let mut control = Control { interrupt: &AtomicBool::new(false), progress: &mut |_, _| {} };
    let error = strategy.step(&mut broken, &mut Run::default(), &mut control).unwrap_err();
    assert!(matches!(error, DecodingError::BrokenLogit { step: 1, token: 1, .. }), "{error}");
    assert!(model.cache_usage().bytes == 0);
}
