//! Beam search and beam sampling: on models whose logits are known exactly, against an independent search in plain
//! loops over whole texts; and on real checkpoints, by the GPU, against transformers' `generate`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use logitscope::decoding::{
    BeamSettings, CacheUse, Control, DecodingError, DecodingSettings, EarlyStopping, EosRule, Picking,
    StrategyKind, begin,
};
use logitscope::model::{LanguageModel, ModelError};
use logitscope::session::ModelSource;
use logitscope::trace::strategies::{BeamStep, Hypothesis};
use logitscope::trace::{Phase, Run, StepDetail, StopReason};
use serde::Deserialize;

use super::checkpoints;
use super::fake_model::{BYTES_PER_POSITION, FakeModel};

const EARLY: [EarlyStopping; 3] = [EarlyStopping::Heuristic, EarlyStopping::AtOnce, EarlyStopping::Never];

fn settings(beams: usize, length_penalty: f32, early_stopping: EarlyStopping) -> DecodingSettings {
    let mut settings = DecodingSettings { strategy: StrategyKind::Beam, ..DecodingSettings::default() };
    settings.beam = BeamSettings { beams, length_penalty, early_stopping, returned: beams };
    settings.stop.eos = EosRule::Ignore;
    settings
}

fn step(
    strategy: &mut dyn logitscope::decoding::Strategy,
    model: &mut dyn LanguageModel,
    run: &mut Run,
) -> Result<Option<StopReason>, DecodingError> {
    let mut progress = |_, _| {};
    let mut control = Control { interrupt: &false.into(), progress: &mut progress };
    strategy.step(model, run, &mut control).map(|stepped| stepped.stop)
}

/// Runs to the end.
fn decode(model: &mut dyn LanguageModel, settings: &DecodingSettings, prompt: &[u32]) -> (Run, StopReason) {
    let mut strategy = begin(settings, &[], prompt, model).unwrap();
    let mut run = Run::default();
    let stop = loop {
        if let Some(stop) = step(&mut *strategy, model, &mut run).unwrap() {
            break stop;
        }
    };
    strategy.release(model);
    assert_eq!(model.cache_usage().pages, 0, "nothing stays in the cache");
    (run, stop)
}

fn ids(run: &Run, node: usize) -> Vec<u32> {
    run.path(Some(node)).into_iter().map(|index| run.nodes[index].token).collect()
}

/// Ids and score of every sequence returned.
fn sequences(run: &Run) -> Vec<(Vec<u32>, f64)> {
    run.sequences.iter().map(|sequence| (ids(run, sequence.node), sequence.score)).collect()
}

fn beam_steps(run: &Run) -> impl Iterator<Item = &BeamStep> {
    run.steps.iter().map(|step| match &step.detail {
        StepDetail::Beam(step) => step,
        other => panic!("{other:?} in beam search"),
    })
}

/// What transformers' loop does, without caches, heaps or batches: every text is a list of ids, and its score is
/// worked out from the model's logits again.
mod plain {
    use super::EarlyStopping;

    pub struct Search<'a> {
        pub logits: &'a dyn Fn(&[u32]) -> Vec<f32>,
        pub beams: usize,
        pub length_penalty: f64,
        pub early: EarlyStopping,
        pub eos: &'a [u32],
        pub max_tokens: usize,
    }

    type Text = (Vec<u32>, f64);

    impl Search<'_> {
        pub fn run(&self, prompt: &[u32]) -> Vec<Text> {
            let mut running: Vec<Text> = vec![(Vec::new(), 0.0)];
            let mut finished: Vec<Text> = Vec::new();
            let weighed = self.beams * (1 + self.eos.len()).max(2);
            for length in 1..=self.max_tokens {
                let mut all: Vec<Text> = Vec::new();
                for (text, sum) in &running {
                    let logits = (self.logits)(&[prompt, text].concat());
                    let total: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
                    for (id, &logit) in logits.iter().enumerate() {
                        let text = [&text[..], &[id as u32]].concat();
                        all.push((text, sum + f64::from(logit) - total.ln()));
                    }
                }
                all.sort_by(|one, other| other.1.total_cmp(&one.1));
                all.truncate(weighed);
                let ends = |text: &Text| {
                    length == self.max_tokens || text.0.last().is_some_and(|id| self.eos.contains(id))
                };
                let scale = (length as f64).powf(self.length_penalty);
                finished.extend(
                    all.iter()
                        .take(self.beams)
                        .filter(|text| ends(text))
                        .map(|(ids, sum)| (ids.clone(), sum / scale)),
                );
                finished.sort_by(|one, other| other.1.total_cmp(&one.1));
                finished.truncate(self.beams);
                running = all.into_iter().filter(|text| !ends(text)).take(self.beams).collect();
                let full = finished.len() == self.beams;
                let hoped_length = match self.early {
                    EarlyStopping::Never if self.length_penalty > 0.0 => self.max_tokens,
                    _ => length,
                };
                let hopeless = |worst: f64| {
                    running.first().is_none_or(|(_, best)| {
                        best / (hoped_length as f64).powf(self.length_penalty) <= worst
                    })
                };
                if running.is_empty()
                    || full && (self.early == EarlyStopping::AtOnce || hopeless(finished[self.beams - 1].1))
                {
                    break;
                }
            }
            finished
        }
    }
}

/// Logits of [`FakeModel::scrambled`], in a hand's reach.
fn scrambled(vocabulary: usize) -> impl Fn(&[u32]) -> Vec<f32> + Clone + 'static {
    move |tokens| {
        let mix = |hash: u64, value: u64| (hash ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        let history = tokens.iter().fold(1, |hash, &token| mix(hash, u64::from(token) + 1));
        let logit = |id| (mix(mix(history, id), id) >> 40) as f32 / (1u32 << 24) as f32 * 8.0 - 4.0;
        (0..vocabulary as u64).map(logit).collect()
    }
}

fn assert_same(found: &[(Vec<u32>, f64)], expected: &[(Vec<u32>, f64)], tolerance: f64, what: &str) {
    let texts = |list: &[(Vec<u32>, f64)]| list.iter().map(|(ids, _)| ids.clone()).collect::<Vec<_>>();
    assert_eq!(texts(found), texts(expected), "{what}");
    for ((_, found), (_, expected)) in found.iter().zip(expected) {
        let allowed = tolerance * expected.abs().max(1.0);
        assert!((found - expected).abs() <= allowed, "{what}: score {found} instead of {expected}");
    }
}

#[test]
fn sequences_and_scores_are_those_of_a_search_over_whole_texts() {
    let mut ended_early = 0;
    // 40 logits are all summarised, of 300 only the highest.
    for vocabulary in [40, 300] {
        let logits = scrambled(vocabulary);
        for (case, beams) in [1, 2, 3, 4, 8, 20].into_iter().enumerate() {
            for (length_penalty, early) in
                [0.0, 1.0, 2.0, -1.0].into_iter().flat_map(|penalty| EARLY.map(|early| (penalty, early)))
            {
                let every_fifth = (0..vocabulary as u32).step_by(5).collect();
                for eos in [vec![], vec![7], vec![3, 11, 12], every_fifth] {
                    if beams == 1 && !eos.is_empty() {
                        continue;
                    }
                    let max_tokens = 9;
                    let mut settings = settings(beams, length_penalty, early);
                    settings.stop.eos = EosRule::Tokens(eos.clone());
                    settings.stop.max_tokens = max_tokens;
                    let prompt = [1, 2, case as u32];
                    let mut model = FakeModel::new(vocabulary, logits.clone());
                    let (run, stop) = decode(&mut model, &settings, &prompt);
                    let plain = plain::Search {
                        logits: &logits,
                        beams,
                        length_penalty: f64::from(length_penalty),
                        early,
                        eos: &eos,
                        max_tokens,
                    };
                    let what =
                        format!("{vocabulary} ids, {beams} beams, {length_penalty}, {early:?}, {eos:?}");
                    let expected = plain.run(&prompt);
                    assert_same(&sequences(&run), &expected, 1e-5, &what);
                    assert_eq!(run.generated_ids(), expected[0].0, "{what}: the line is the best one");
                    let ends = expected[0].0.last().is_some_and(|id| eos.contains(id));
                    assert_eq!(stop, if ends { StopReason::Eos } else { StopReason::MaxTokens }, "{what}");
                    ended_early += usize::from(run.steps.len() < max_tokens);
                }
            }
        }
    }
    assert!(ended_early > 30, "only {ended_early} searches ended early");
}

#[test]
fn one_beam_is_greedy_decoding_with_a_score() {
    for end in [None, Some(5)] {
        let eos = end.map_or(EosRule::Ignore, |_| EosRule::Tokens((0..20).step_by(3).collect()));
        let mut beam = settings(1, 1.0, EarlyStopping::Heuristic);
        (beam.stop.max_tokens, beam.stop.eos) = (12, eos.clone());
        beam.stages.repetition_penalty = 1.3;
        let greedy = DecodingSettings { strategy: StrategyKind::Greedy, ..beam.clone() };
        let (found, stop) = decode(&mut FakeModel::scrambled(60), &beam, &[4, 9]);
        let (expected, expected_stop) = decode(&mut FakeModel::scrambled(60), &greedy, &[4, 9]);
        assert_eq!((found.generated_ids(), stop), (expected.generated_ids(), expected_stop));
        let sum: f64 = found
            .line_nodes()
            .map(|node| node.candidates.iter().find(|one| one.token == node.token).unwrap().probability)
            .map(|probability| f64::from(probability).ln())
            .sum();
        let score = found.sequences[0].score;
        assert!((score - sum / found.line.len() as f64).abs() < 1e-5, "{score}");
    }
}

/// After each token its row of probabilities, by the newest token alone.
fn table(rows: &[(u32, [f64; 4])]) -> FakeModel {
    let rows: BTreeMap<u32, [f64; 4]> = rows.iter().copied().collect();
    FakeModel::new(4, move |tokens| {
        let newest = tokens.last().expect("a row has a token");
        rows[newest].iter().map(|probability| probability.ln() as f32).collect()
    })
}

#[test]
fn the_trace_tells_who_fell_when_and_by_whom() {
    // 0 begins, 3 ends. By the first token 1 is ahead, but what follows 2 is more certain.
    let mut model =
        table(&[(0, [0.01, 0.5, 0.4, 0.09]), (1, [0.3, 0.3, 0.28, 0.12]), (2, [0.04, 0.05, 0.9, 0.01])]);
    let mut settings = settings(2, 0.0, EarlyStopping::Heuristic);
    settings.stop.eos = EosRule::Tokens(vec![3]);
    settings.stop.max_tokens = 3;
    let (run, stop) = decode(&mut model, &settings, &[0]);
    // 2 2 at 0.36 leads; of 1's continuations 1 0 and 1 1 tie at 0.15, and the lower id stays.
    let tokens: Vec<Vec<u32>> = (0..run.nodes.len()).map(|node| ids(&run, node)).collect();
    let steps: Vec<&BeamStep> = beam_steps(&run).collect();
    let live = |step: usize| steps[step].live.iter().map(|one| tokens[one.node].clone()).collect::<Vec<_>>();
    assert_eq!(live(0), [vec![1], vec![2]]);
    assert_eq!(live(1), [vec![2, 2], vec![1, 0]]);
    assert!((steps[1].live[0].log_probability - 0.36_f64.ln()).abs() < 1e-6);
    assert!((steps[1].live[1].score - 0.15_f64.ln()).abs() < 1e-6);
    assert!(steps[0].pruned.is_empty() && steps[1].pruned.is_empty() && steps[0].finished.is_empty());
    // At the third step 2 2 2 has 0.324; then come 1 0 1 at 0.075 and 1 0 2 at 0.06: 2 2 1 has 0.018.
    assert_eq!(
        sequences(&run).iter().map(|(ids, _)| ids.clone()).collect::<Vec<_>>(),
        [[2, 2, 2], [1, 0, 1]]
    );
    assert_eq!((run.generated_ids(), stop), (vec![2, 2, 2], StopReason::MaxTokens));
    assert!(steps[2].live.is_empty());

    // Given three tokens more, 1 0 1 0 falls at the fifth: it would come to 0.01125, and 2 2 2 2 1 has 0.01458.
    settings.stop.max_tokens = 6;
    let (run, _) = decode(&mut model, &settings, &[0]);
    let tokens: Vec<Vec<u32>> = (0..run.nodes.len()).map(|node| ids(&run, node)).collect();
    let falls = beam_steps(&run)
        .enumerate()
        .flat_map(|(step, beam)| beam.pruned.iter().map(move |one| (step + 1, one)));
    let (step, fall) = falls.into_iter().next().expect("a fall");
    assert_eq!((step, &tokens[fall.node], &tokens[fall.rival]), (5, &vec![1, 0, 1, 0], &vec![2, 2, 2, 2, 1]));
    assert!(
        (fall.score - 0.01125_f64.ln()).abs() < 1e-6 && (fall.rival_score - 0.01458_f64.ln()).abs() < 1e-6
    );
}

#[test]
fn every_hypothesis_is_live_ended_or_fell_once() {
    for eos in [vec![], vec![7], vec![3, 11, 12]] {
        let mut settings = settings(4, 1.0, EarlyStopping::Never);
        settings.stop.eos = EosRule::Tokens(eos);
        settings.stop.max_tokens = 12;
        let (run, _) = decode(&mut FakeModel::scrambled(40), &settings, &[5]);
        let steps: Vec<&BeamStep> = beam_steps(&run).collect();
        let mut before: Vec<Hypothesis> = Vec::new();
        let mut ended: Vec<Hypothesis> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let parents = |node: usize| run.nodes[node].parent;
            for one in before.iter().chain(&ended) {
                let goes_on =
                    step.live.iter().chain(&step.finished).any(|new| parents(new.node) == Some(one.node));
                let stays = step.finished.iter().any(|kept| kept.node == one.node);
                let ends_at_once = step.pruned.iter().any(|fall| parents(fall.node) == Some(one.node));
                let falls = step.pruned.iter().filter(|fall| fall.node == one.node).count();
                let fates =
                    usize::from(goes_on) + usize::from(stays) + falls + usize::from(ends_at_once && !goes_on);
                assert_eq!(fates, 1, "step {index}, node {}", one.node);
            }
            let range = &run.steps[index].nodes;
            assert_eq!(
                range.len(),
                step.live.len()
                    + step
                        .finished
                        .iter()
                        .chain(
                            &step
                                .pruned
                                .iter()
                                .map(|fall| Hypothesis { node: fall.node, ..Hypothesis::default() })
                                .collect::<Vec<_>>(),
                        )
                        .filter(|one| range.contains(&one.node))
                        .count(),
                "every new node is told of"
            );
            (before, ended) = (step.live.clone(), step.finished.clone());
        }
        // Nodes, steps and phases tell of one row for each live hypothesis.
        for (index, nodes) in run.steps.iter().map(|step| step.nodes.clone()).enumerate() {
            for node in &run.nodes[nodes] {
                let rows = if index == 0 { 1 } else { steps[index - 1].live.len() };
                let phase = if index == 0 { Phase::Initiation } else { Phase::Incremental };
                assert_eq!((node.counters.rows, node.phase, node.step), (rows, phase, index + 1));
            }
        }
        assert_eq!(run.phases.incremental_steps, run.steps.len() - 1);
        let rows: usize = steps[..steps.len() - 1].iter().map(|step| step.live.len()).sum();
        assert_eq!(run.phases.incremental.amount as usize, rows);
    }
}

#[test]
fn penalties_act_on_log_probabilities_and_single_values_need_whole_rows() {
    // Two ids, the first seen before. As logits both would be divided; as log-probabilities both are multiplied.
    let mut model = FakeModel::new(200, |_| {
        let mut logits = vec![-20.0; 200];
        (logits[0], logits[1]) = (3.0, 2.0);
        logits
    });
    let mut settings = settings(2, 0.0, EarlyStopping::Heuristic);
    settings.stop.max_tokens = 1;
    settings.stages.repetition_penalty = 10.0;
    let (run, _) = decode(&mut model, &settings, &[0]);
    let total = f64::ln(3.0_f64.exp() + 2.0_f64.exp());
    let scores: Vec<f64> = run.sequences.iter().map(|sequence| sequence.score).collect();
    assert_eq!(run.generated_ids(), [1]);
    assert!(
        (scores[0] - (2.0 - total)).abs() < 1e-5 && (scores[1] - 10.0 * (3.0 - total)).abs() < 1e-4,
        "{scores:?}"
    );
    let node = run.at(0).unwrap();
    let names: Vec<&str> = node.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["log-softmax", "repetition penalty"]);
    assert_eq!(node.logit, 2.0, "recorded logits are raw");
    assert!((f64::from(node.chosen().unwrap().after[0]) - (2.0 - total)).abs() < 1e-5);
}

#[test]
fn a_prompt_that_fills_the_context_ends_the_search_there() {
    for (prompt, most) in [(6, 4), (9, 1)] {
        let mut model = FakeModel::scrambled(40);
        model.context = 10;
        let settings = settings(3, 1.0, EarlyStopping::Never);
        let (run, stop) = decode(&mut model, &settings, &vec![2; prompt]);
        assert_eq!((stop, run.line.len(), run.sequences.len()), (StopReason::ContextFull, most, 3));
    }
}

#[test]
fn without_a_cache_the_same_sequences_take_more_rows() {
    let mut settings = settings(4, 1.0, EarlyStopping::Never);
    settings.stop.max_tokens = 6;
    let prompt: Vec<u32> = (0..30).collect();
    let mut cached = FakeModel::scrambled(40);
    let (with, _) = decode(&mut cached, &settings, &prompt);
    assert_eq!(cached.rows(), 30 + 5 * 4);
    assert!(cached.passes.iter().skip(2).all(|&rows| rows == 4), "one pass a step: {:?}", cached.passes);
    settings.cache = CacheUse::Recompute;
    let mut uncached = FakeModel::scrambled(40);
    let (without, _) = decode(&mut uncached, &settings, &prompt);
    assert_eq!(sequences(&with), sequences(&without));
    assert_eq!(uncached.rows(), 30 + 4 * (31 + 32 + 33 + 34 + 35));
    assert_eq!(without.phases.incremental.amount as usize, uncached.rows() - 30);
    assert!(without.nodes.iter().all(|node| node.counters.cache_bytes == 0));
    // The fake shares nothing: four sequences of all positions.
    let last = with.nodes.last().unwrap().counters;
    assert_eq!((last.cached_positions, last.cache_bytes), (35, 4 * 35 * BYTES_PER_POSITION));
}

#[test]
fn more_beams_than_a_pass_takes_are_computed_in_several() {
    let mut settings = settings(8, 1.0, EarlyStopping::Never);
    settings.stop.max_tokens = 6;
    let (expected, _) = decode(&mut FakeModel::scrambled(40), &settings, &[3]);
    let mut narrow = FakeModel::scrambled(40);
    narrow.max_rows = 3;
    let (found, _) = decode(&mut narrow, &settings, &[3]);
    assert_eq!(sequences(&found), sequences(&expected));
    assert_eq!(narrow.passes[1..4], [3, 3, 2]);
}

#[test]
fn interrupted_and_failed_steps_repeat_without_loss() {
    let mut settings = settings(5, 1.0, EarlyStopping::Never);
    settings.stop.max_tokens = 8;
    let prompt: Vec<u32> = (0..100).map(|id| id % 40).collect();
    let (expected, _) = decode(&mut FakeModel::scrambled(40), &settings, &prompt);

    // Every step is interrupted once; the first one in the middle of the prompt.
    let mut model = FakeModel::scrambled(40);
    let mut strategy = begin(&settings, &[], &prompt, &model).unwrap();
    let mut run = Run::default();
    let mut stop = None;
    while stop.is_none() {
        let interrupt = AtomicBool::new(!run.nodes.is_empty());
        let mut progress = |done, _| interrupt.store(done >= 48, Ordering::Relaxed);
        let mut control = Control { interrupt: &interrupt, progress: &mut progress };
        let before = run.clone();
        let error = strategy.step(&mut model, &mut run, &mut control).unwrap_err();
        assert_eq!((error, &run), (DecodingError::Interrupted, &before));
        stop = step(&mut *strategy, &mut model, &mut run).unwrap();
    }
    strategy.release(&mut model);
    assert_eq!(model.live_sequences(), 0);
    assert_eq!(sequences(&run), sequences(&expected));
    assert_eq!(run.nodes[0].counters.rows, 100, "the first attempt's rows belong to the step");

    // A device that fails in the middle of a step of several passes.
    let mut model = FakeModel::scrambled(40);
    model.max_rows = 3;
    model.passes_left = 40;
    let mut strategy = begin(&settings, &[], &prompt, &model).unwrap();
    let mut run = Run::default();
    let mut failures = 0;
    loop {
        match step(&mut *strategy, &mut model, &mut run) {
            Ok(Some(_)) => break,
            Ok(None) => {}
            Err(error) => {
                assert!(matches!(error, DecodingError::Model(ModelError::DeviceLost { .. })), "{error}");
                failures += 1;
                model.passes_left = model.passes.len() + 3;
            }
        }
    }
    assert!(failures > 1, "{failures} failures");
    assert_eq!(sequences(&run), sequences(&expected));
}

#[test]
fn broken_logits_of_one_hypothesis_are_an_error() {
    let logits = scrambled(40);
    let mut model = FakeModel::new(40, move |tokens| {
        let mut logits = logits(tokens);
        if tokens.len() == 4 {
            logits[9] = f32::NAN;
        }
        logits
    });
    let mut strategy = begin(&settings(3, 1.0, EarlyStopping::Never), &[], &[1, 2], &model).unwrap();
    let mut run = Run::default();
    let error = loop {
        if let Err(error) = step(&mut *strategy, &mut model, &mut run) {
            break error.to_string();
        }
    };
    assert!(error.starts_with("step 3: the model gave the logit NaN for token 9"), "{error}");
    assert_eq!(run.steps.len(), 2);
}

#[test]
fn a_branch_searches_on_from_the_text_that_a_person_chose() {
    let mut settings = settings(3, 1.0, EarlyStopping::Never);
    settings.stop.max_tokens = 8;
    let mut model = FakeModel::scrambled(40);
    let prompt = [1, 2, 3];
    let mut strategy = begin(&settings, &[], &prompt, &model).unwrap();
    let mut run = Run::default();
    for _ in 0..4 {
        step(&mut *strategy, &mut model, &mut run).unwrap();
    }
    // Another candidate of the line's third node.
    let line = run.line.clone();
    let hand =
        run.nodes[line[2]].candidates.iter().map(|one| one.token).find(|&t| t != run.nodes[line[2]].token);
    let chosen = run.nodes[line[2]].chosen_by_hand(hand.unwrap()).unwrap();
    let text = [&prompt[..], &[run.nodes[line[0]].token, run.nodes[line[1]].token, hand.unwrap()]].concat();
    let rows = model.rows();
    let mut branched = strategy.branch(&mut model, &text).unwrap();
    assert_eq!(branched.stop, None);
    run.nodes.push(chosen);
    run.follow(Some(run.nodes.len() - 1));
    let at = run.tip();
    let stop = loop {
        if let Some(stop) = step(&mut *branched.strategy, &mut model, &mut run).unwrap() {
            break stop;
        }
    };
    assert_eq!((stop, run.line.len()), (StopReason::MaxTokens, 8));
    assert_eq!(run.line[2], at.unwrap(), "the branch hangs on the node that was chosen");
    assert_eq!(model.rows() - rows, 1 + 4 * 3, "what both texts have in common is not computed again");
    // The same as a search whose prompt is that text, with its sums and lengths.
    settings.stop.max_tokens = 5;
    let (alone, _) = decode(&mut FakeModel::scrambled(40), &settings, &text);
    let from_there = sequences(&run).into_iter().map(|(ids, score)| (ids[3..].to_vec(), score));
    assert_same(&from_there.collect::<Vec<_>>(), &sequences(&alone), 1e-9, "the branch");
    strategy.release(&mut model);
    branched.strategy.release(&mut model);
    assert_eq!(model.live_sequences(), 0);
}

#[test]
fn sampled_beams_replay_by_seed_and_differ_by_seed() {
    for (vocabulary, top_k) in [(40, 0), (300, 0), (300, 30)] {
        let mut settings = settings(4, 1.0, EarlyStopping::Never);
        settings.picking = Picking::Sample;
        settings.stages.temperature = 1.5;
        settings.stages.top_k = top_k;
        settings.stop.max_tokens = 6;
        settings.seed = 11;
        let once = decode(&mut FakeModel::scrambled(vocabulary), &settings, &[1]).0;
        let again = decode(&mut FakeModel::scrambled(vocabulary), &settings, &[1]).0;
        assert_eq!(sequences(&once), sequences(&again));
        for step in beam_steps(&once) {
            assert!(step.live.iter().all(|one| one.drawn.is_some_and(|drawn| drawn != one.log_probability)));
        }
        settings.seed = 12;
        let other = decode(&mut FakeModel::scrambled(vocabulary), &settings, &[1]).0;
        assert_ne!(sequences(&once), sequences(&other));
        // What the stages leave is added up as it is: log-probabilities divided by the temperature.
        let node = once.nodes[once.sequences[0].node].chosen().cloned().unwrap();
        assert_eq!(node.after.len(), if top_k == 0 { 2 } else { 3 });
        assert!((node.after[1] - node.after[0] / 1.5).abs() < 1e-5);
    }
}

#[test]
fn draws_are_those_without_replacement_from_the_softmax() {
    // One step, two beams: the first four draws of ten are weighed, and the two most probable of them go on. By
    // enumeration, a token is the best of the four drawn one after the other without being put back.
    let weights: Vec<f64> = (1..=5).map(f64::from).collect();
    let total: f64 = weights.iter().sum();
    let mut expected = BTreeMap::new();
    for first in 0..5 {
        for second in (0..5).filter(|&second| second != first) {
            let probability = weights[first] / total * weights[second] / (total - weights[first]);
            *expected.entry((first as u32, second as u32)).or_insert(0.0) += probability;
        }
    }
    let mut counts: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    let draws = 6000;
    for seed in 0..draws {
        let weights = weights.clone();
        let mut model =
            FakeModel::new(5, move |_| weights.iter().map(|weight| weight.ln() as f32).collect::<Vec<f32>>());
        let mut settings = settings(2, 0.0, EarlyStopping::Heuristic);
        (settings.picking, settings.seed) = (Picking::Sample, seed);
        settings.stop.max_tokens = 1;
        let (run, _) = decode(&mut model, &settings, &[0]);
        // At the maximum length the first two drawn are what is returned; their order is that of the noise.
        let BeamStep { finished, .. } = beam_steps(&run).next().unwrap();
        let mut pair: Vec<(f64, u32)> =
            finished.iter().map(|one| (one.drawn.unwrap(), run.nodes[one.node].token)).collect();
        pair.sort_by(|one, other| other.0.total_cmp(&one.0));
        *counts.entry((pair[0].1, pair[1].1)).or_insert(0.0) += 1.0;
    }
    let squared: f64 = expected
        .iter()
        .map(|(pair, probability)| {
            let expected = probability * draws as f64;
            (counts.get(pair).copied().unwrap_or_default() - expected).powi(2) / expected
        })
        .sum();
    // 19 degrees of freedom: beyond 43.8 once in a thousand.
    assert!(squared < 43.8, "chi-squared {squared}");
}

/// What transformers computed; `make_beams.py` tells how.
#[derive(Deserialize)]
struct Expected {
    models: BTreeMap<String, Vec<Case>>,
}

#[derive(Deserialize)]
struct Case {
    prompt: Vec<u32>,
    settings: CaseSettings,
    sequences: Vec<Vec<u32>>,
    scores: Vec<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CaseSettings {
    beams: Option<usize>,
    length_penalty: Option<f32>,
    early_stopping: serde_json::Value,
    eos_token_id: Vec<u32>,
    repetition_penalty: Option<f32>,
    no_repeat_ngram_size: usize,
    presence_penalty: f32,
    frequency_penalty: f32,
    sequence_bias: BTreeMap<String, f32>,
}

impl CaseSettings {
    fn decoding(&self) -> DecodingSettings {
        let early = match &self.early_stopping {
            serde_json::Value::Null | serde_json::Value::Bool(false) => EarlyStopping::Heuristic,
            serde_json::Value::Bool(true) => EarlyStopping::AtOnce,
            never => {
                assert_eq!(never, "never");
                EarlyStopping::Never
            }
        };
        let mut settings = settings(self.beams.unwrap_or(1), self.length_penalty.unwrap_or(1.0), early);
        if self.beams.is_none() {
            settings.strategy = StrategyKind::Greedy;
        }
        let stages = &mut settings.stages;
        stages.repetition_penalty = self.repetition_penalty.unwrap_or(1.0);
        stages.no_repeat_ngram = self.no_repeat_ngram_size;
        (stages.presence_penalty, stages.frequency_penalty) = (self.presence_penalty, self.frequency_penalty);
        stages.logit_bias =
            self.sequence_bias.iter().map(|(id, &bias)| (id.parse().unwrap(), bias)).collect();
        settings.stop.eos = EosRule::Tokens(self.eos_token_id.clone());
        settings.stop.max_tokens = 12;
        settings
    }
}

fn expected() -> Expected {
    let json = include_str!("../fixtures/strategies/beams.json");
    serde_json::from_str(json).expect("the script's format")
}

#[test]
fn the_gpu_finds_the_sequences_and_scores_of_transformers() {
    let expected = expected();
    assert!(expected.models.len() >= 5, "four families and the built-in model");
    for (name, cases) in expected.models {
        // The script names the built-in one by its folder.
        let source = checkpoints::source(if name == "demo-model" { "built-in" } else { &name });
        let mut model = checkpoints::engine(&checkpoints::opened(&source));
        for case in cases {
            let what = format!("{name}, {:?}, {:?}", case.settings, case.prompt);
            let (run, _) = decode(&mut model, &case.settings.decoding(), &case.prompt);
            if case.settings.beams.is_none() {
                assert_eq!(run.generated_ids(), case.sequences[0], "{what}");
                continue;
            }
            let expected: Vec<(Vec<u32>, f64)> = case.sequences.into_iter().zip(case.scores).collect();
            assert_same(&sequences(&run), &expected, 2e-4, &what);
        }
    }
}

#[test]
fn eight_beams_over_a_long_prompt_share_its_pages() {
    let mut model = checkpoints::engine(&checkpoints::opened(&ModelSource::BuiltIn));
    let prompt: Vec<u32> = (0..400).map(|index| 300 + index * 7 % 900).collect();
    let mut settings = settings(1, 1.0, EarlyStopping::Never);
    settings.stop.max_tokens = 24;
    let bytes = |run: &Run| run.nodes.iter().map(|node| node.counters.cache_bytes).max().unwrap();
    let one = bytes(&decode(&mut model, &settings, &prompt).0);
    settings.beam = BeamSettings { beams: 8, returned: 8, ..settings.beam };
    let (run, _) = decode(&mut model, &settings, &prompt);
    assert!(beam_steps(&run).take(23).all(|step| step.live.len() == 8));
    let eight = bytes(&run);
    // 27 pages hold one text; each of eight has up to three of its own: the prompt's last one and those of 24 tokens.
    assert!(eight > one && eight * 10 < one * 19, "{eight} bytes for eight beams, {one} for one");
    println!("KV cache: {one} bytes with one beam, {eight} with eight");
}
