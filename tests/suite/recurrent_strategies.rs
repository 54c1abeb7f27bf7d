//! Every strategy on models whose layers keep states: what a run decides and records is what a model gives that
//! computes every row from its text's beginning; forks share states until they go on.

use std::cell::RefCell;
use std::rc::Rc;

use logitscope::decoding::{
    BeamSettings, CacheUse, ContrastiveSettings, DecodingSettings, EosRule, LookaheadSettings, Picking,
    SharedModel, StageSettings, StrategyInputs, StrategyKind,
};
use logitscope::reference::Reference;
use logitscope::session::decode::uninterrupted;
use logitscope::session::{Decode, Prompt, ReadyModel};
use logitscope::trace::Run;

use super::checkpoints;
use super::engine::tokens;
use super::same_runs::assert_same;
use super::support::OUR_STRATEGIES;
use super::uncached::Uncached;

/// Short convolutions, the delta rule and Mamba 2, each with attention in other layers; and states alone.
pub const FOLDERS: [&str; 4] = ["lfm2", "qwen3_5", "nemotron_h", "mamba2"];

/// Checkpoints that sequences of models as small as these may keep together, beside the newest state of each.
const SPARE: usize = 256;

/// The checkpoint by a twin that caches nothing.
pub fn uncached(name: &str) -> ReadyModel {
    let opened = checkpoints::opened(&checkpoints::source(name));
    let twin = Reference::new(opened.plan.clone(), opened.context, &*opened.file.weights);
    let model = Uncached::new(twin.expect("readable weights"));
    checkpoints::with_model(opened, Box::new(model))
}

/// A checkpoint twice: with states on the GPU, and with none.
pub struct Pair {
    pub cached: ReadyModel,
    pub uncached: ReadyModel,
}

impl Pair {
    pub fn of(name: &str) -> Self {
        Self { cached: checkpoints::ready(name), uncached: uncached(name) }
    }

    /// What `run` gives on the GPU, held to what it gives with nothing cached.
    fn compare(&mut self, what: &str, run: impl Fn(&mut ReadyModel, &StrategyInputs) -> Run) -> Run {
        self.compare_with(Drafts::default(), what, run)
    }

    fn compare_with(
        &mut self,
        drafts: Drafts,
        what: &str,
        run: impl Fn(&mut ReadyModel, &StrategyInputs) -> Run,
    ) -> Run {
        let [found, expected] = [(&mut self.cached, drafts.cached), (&mut self.uncached, drafts.uncached)]
            .map(|(ready, draft)| {
                let aids = StrategyInputs { draft, ..StrategyInputs::default() };
                let found = run(ready, &aids);
                let draft = aids.draft.as_ref().map(|draft| draft.borrow().cache_usage());
                for usage in [Some(ready.model.cache_usage()), draft].into_iter().flatten() {
                    assert_eq!((usage.pages, usage.states), (0, 0), "{what}: something stays");
                }
                found
            });
        assert_same(&found, &expected, what);
        found
    }
}

/// A draft model for each of a pair.
#[derive(Default)]
struct Drafts {
    cached: Option<SharedModel>,
    uncached: Option<SharedModel>,
}

impl Drafts {
    fn of(name: &str) -> Self {
        let shared = |ready: ReadyModel| Some(Rc::new(RefCell::new(ready.model)));
        Self { cached: shared(checkpoints::ready(name)), uncached: shared(uncached(name)) }
    }
}

pub fn settings(strategy: StrategyKind) -> DecodingSettings {
    let mut settings = DecodingSettings { strategy, recorded_candidates: 200, seed: 5, ..Default::default() };
    (settings.stop.max_tokens, settings.stop.eos) = (24, EosRule::Ignore);
    settings
}

pub fn advance(decode: &mut Decode, ready: &mut ReadyModel) {
    uninterrupted(|control| decode.advance(ready, control)).expect("a step");
}

/// A run from beginning to end, in which states never are more than `most`.
pub fn whole_run(
    settings: &DecodingSettings,
    prompt: &[u32],
    most: usize,
) -> impl Fn(&mut ReadyModel, &StrategyInputs) -> Run {
    move |ready, aids| {
        let prompt = Prompt::Ids(prompt.to_vec());
        let mut decode = Decode::begin_with(ready, aids.clone(), &prompt, settings).expect("a good prompt");
        while decode.run.stop.is_none() {
            advance(&mut decode, ready);
            let states = ready.model.cache_usage().states;
            assert!(states <= most, "{states} states");
        }
        decode.end(ready)
    }
}

#[test]
fn greedy_and_sampled_texts_are_those_of_recomputation() {
    let plain = StageSettings::default;
    let sample = |stages| DecodingSettings { stages, ..settings(StrategyKind::Sample) };
    let all = [
        settings(StrategyKind::Greedy),
        DecodingSettings { cache: CacheUse::Recompute, ..settings(StrategyKind::Greedy) },
        sample(plain()),
        sample(StageSettings { temperature: 0.7, top_k: 20, top_p: 0.9, ..plain() }),
        sample(StageSettings { repetition_penalty: 1.3, temperature: 1.5, min_p: 0.05, ..plain() }),
    ];
    for name in FOLDERS {
        let mut pair = Pair::of(name);
        for (settings, prompt) in all.iter().flat_map(|settings| [(settings, 1), (settings, 37)]) {
            let what = format!("{name}, {prompt} tokens, {:?}, {:?}", settings.strategy, settings.stages);
            pair.compare(&what, whole_run(settings, &tokens(prompt), SPARE + 2));
        }
        assert_eq!(pair.cached.model.cache_usage().recomputed, 0, "steps need no state but the newest");
    }
}

#[test]
fn beams_are_those_of_recomputation_in_bounded_memory() {
    for name in FOLDERS {
        let mut pair = Pair::of(name);
        for (beams, picking) in
            [(1, Picking::Argmax), (2, Picking::Argmax), (12, Picking::Argmax), (5, Picking::Sample)]
        {
            let beam = BeamSettings { beams, returned: beams, ..BeamSettings::default() };
            let mut settings = DecodingSettings { beam, picking, ..settings(StrategyKind::Beam) };
            settings.stages.repetition_penalty = 1.2;
            // More steps than checkpoints are kept for.
            settings.stop.max_tokens = if beams == 12 { 40 } else { 16 };
            // One for each sequence, and for each row of a pass.
            let most = SPARE + 2 * beams;
            let what = format!("{name}, {beams} beams, {picking:?}");
            let run = pair.compare(&what, whole_run(&settings, &tokens(9), most));
            assert_eq!(run.sequences.len(), beams, "{what}");
        }
        assert_eq!(pair.cached.model.cache_usage().recomputed, 0);
    }
}

#[test]
fn contrastive_search_is_that_of_recomputation() {
    for name in FOLDERS {
        let mut pair = Pair::of(name);
        // As many candidates as each keep their state, and more.
        for (candidates, penalty_alpha) in [(4, 0.6), (8, 0.3), (20, 0.9)] {
            let contrastive = ContrastiveSettings { candidates, penalty_alpha };
            let settings = DecodingSettings { contrastive, ..settings(StrategyKind::Contrastive) };
            let what = format!("{name}, {candidates} candidates");
            pair.compare(&what, whole_run(&settings, &tokens(11), SPARE + 1 + candidates));
        }
    }
}

/// A prompt that repeats itself, so that a lookup has something to say.
fn repeating() -> Vec<u32> {
    [&tokens(7)[..], &tokens(7), &tokens(5)].concat()
}

#[test]
fn speculative_texts_are_those_of_recomputation_whoever_drafts() {
    for (name, other) in [("lfm2", "qwen3_5"), ("qwen3_5", "nemotron_h"), ("nemotron_h", "lfm2")] {
        let mut pair = Pair::of(name);
        for (picking, draft_tokens) in [(Picking::Argmax, 6), (Picking::Sample, 6), (Picking::Argmax, 15)] {
            let mut settings = DecodingSettings { picking, ..settings(StrategyKind::Speculative) };
            settings.speculative.draft_tokens = draft_tokens;
            for draft in [None, Some(name), Some(other)] {
                let what = format!("{name} drafted by {draft:?}, {picking:?}, {draft_tokens}");
                let drafts = draft.map(Drafts::of).unwrap_or_default();
                let prompt = repeating();
                let run = whole_run(&settings, &prompt, SPARE + 2 + draft_tokens);
                let run = pair.compare_with(drafts, &what, run);
                if picking == Picking::Argmax {
                    let greedy = settings_of_greedy(&settings);
                    let alone = whole_run(&greedy, &prompt, SPARE + 2)(&mut pair.cached, &Default::default());
                    assert_eq!(run.generated_ids(), alone.generated_ids(), "{what}");
                }
            }
        }
    }
}

fn settings_of_greedy(other: &DecodingSettings) -> DecodingSettings {
    DecodingSettings { strategy: StrategyKind::Greedy, ..other.clone() }
}

#[test]
fn lookahead_texts_are_those_of_recomputation() {
    for name in FOLDERS {
        let mut pair = Pair::of(name);
        for (window, ngram, guesses) in [(3, 4, 2), (1, 2, 1), (8, 5, 8)] {
            let lookahead = LookaheadSettings { window, ngram, guesses };
            let settings = DecodingSettings { lookahead, ..settings(StrategyKind::Lookahead) };
            let what = format!("{name}, {lookahead:?}");
            let prompt = repeating();
            let run = pair.compare(&what, whole_run(&settings, &prompt, SPARE + 100));
            let greedy = settings_of_greedy(&settings);
            let alone = whole_run(&greedy, &prompt, SPARE + 2)(&mut pair.cached, &Default::default());
            assert_eq!(run.generated_ids(), alone.generated_ids(), "{what}");
        }
    }
}

/// Five steps; a branch at each of the first `candidates` of the third token, with a step of its own; then the first
/// lines followed to and fro.
fn wandering(
    settings: &DecodingSettings,
    candidates: usize,
) -> impl Fn(&mut ReadyModel, &StrategyInputs) -> Run {
    move |ready, aids| {
        let prompt = Prompt::Ids(tokens(13));
        let mut decode = Decode::begin_with(ready, aids.clone(), &prompt, settings).expect("a good prompt");
        (0..5).for_each(|_| advance(&mut decode, ready));
        let node = decode.run.line[2];
        let mut tips = vec![decode.run.tip().expect("five steps")];
        let listed: Vec<u32> =
            decode.run.nodes[node].candidates.iter().map(|candidate| candidate.token).collect();
        for &token in listed.iter().take(candidates) {
            let before = ready.model.cache_usage().states;
            decode.branch(ready, node, token).expect("a candidate");
            assert!(ready.model.cache_usage().states <= before, "a fork takes no state of its own");
            advance(&mut decode, ready);
            tips.push(decode.run.tip().expect("a step"));
        }
        let followed = tips.len().min(5);
        for tip in (0..3).flat_map(|_| 0..followed) {
            decode.follow(tips[tip]).expect("a line");
            advance(&mut decode, ready);
            tips[tip] = decode.run.tip().expect("a step");
        }
        decode.end(ready)
    }
}

#[test]
fn branches_and_lines_followed_to_and_fro_are_those_of_recomputation() {
    for name in FOLDERS {
        let mut pair = Pair::of(name);
        let mut draft = Some(Drafts::of(name));
        for strategy in OUR_STRATEGIES {
            let settings = settings(strategy);
            let drafts = draft.take_if(|_| strategy == StrategyKind::Speculative).unwrap_or_default();
            let candidates = if strategy == StrategyKind::Greedy { 101 } else { 6 };
            let what = format!("{name}, {strategy:?}");
            pair.compare_with(drafts, &what, wandering(&settings, candidates));
            if strategy == StrategyKind::Sample {
                assert_eq!(pair.cached.model.cache_usage().recomputed, 0, "every step has left its state");
            }
        }
    }
}
