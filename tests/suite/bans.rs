//! What is banned is never chosen: where nothing else is left, every strategy ends with the stage's name and the
//! step, and the text so far stays.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use logitscope::decoding::{
    Constraint, Control, DecodingError, DecodingSettings, EosRule, Picking, SharedConstraint, SharedModel,
    StageContext, StageSettings, StrategyInputs, StrategyKind, begin_with,
};
use logitscope::model::LanguageModel;
use logitscope::trace::{Run, StepDetail, StopReason};

use super::fake_model::FakeModel;

/// The tokens are 0 to 3, and the higher ones are likelier, whatever came before.
fn model() -> FakeModel {
    FakeModel::new(4, |_| vec![0.0, 1.0, 2.0, 3.0])
}

/// Lets every token follow as long as there are fewer than so many new ones; after that none, or it cannot tell.
struct Allowing {
    count: usize,
    then: Option<[bool; 4]>,
}

impl Constraint for Allowing {
    fn allowed(&mut self, generated: &[u32]) -> Option<&[bool]> {
        if generated.len() < self.count { Some(&[true; 4]) } else { self.then.as_ref().map(|then| &then[..]) }
    }
}

/// A name, a strategy, how it picks, and whether a draft model helps it.
type Way = (&'static str, StrategyKind, Picking, bool);

const WAYS: [Way; 9] = [
    ("greedy", StrategyKind::Greedy, Picking::Argmax, false),
    ("sample", StrategyKind::Sample, Picking::Sample, false),
    ("beam", StrategyKind::Beam, Picking::Argmax, false),
    ("beam sampling", StrategyKind::Beam, Picking::Sample, false),
    ("speculative", StrategyKind::Speculative, Picking::Argmax, false),
    ("speculative, drawn", StrategyKind::Speculative, Picking::Sample, false),
    ("speculative by a model", StrategyKind::Speculative, Picking::Argmax, true),
    ("speculative by a model, drawn", StrategyKind::Speculative, Picking::Sample, true),
    ("lookahead", StrategyKind::Lookahead, Picking::Argmax, false),
];

/// Runs until it ends; the error where it does not end well.
fn decode(
    way: Way,
    stages: &StageSettings,
    constraint: Option<SharedConstraint>,
    eos: &[u32],
    prompt: &[u32],
) -> (Run, Option<DecodingError>) {
    let (_, strategy, picking, drafts) = way;
    let mut settings =
        DecodingSettings { strategy, picking, stages: stages.clone(), ..DecodingSettings::default() };
    settings.stop.eos = EosRule::Tokens(eos.to_vec());
    settings.stop.max_tokens = 12;
    (settings.beam.beams, settings.beam.returned) = (4, 4);
    let mut model = model();
    let draft = drafts.then(|| Rc::new(RefCell::new(Box::new(self::model()) as Box<dyn LanguageModel>)));
    let stages = StageContext { constraint, ..StageContext::default() };
    let aids = StrategyInputs {
        draft: draft.map(|draft| draft as SharedModel),
        stages,
        ..StrategyInputs::default()
    };
    let mut strategy = begin_with(&settings, &[], prompt, &model, &aids).expect("it begins");
    let mut run = Run::default();
    let mut end = None;
    while run.stop.is_none() && end.is_none() {
        let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
        match strategy.step(&mut model, &mut run, &mut control) {
            Ok(stepped) => run.stop = stepped.stop,
            Err(error) => {
                let before = run.clone();
                let again = strategy.step(&mut model, &mut run, &mut control);
                assert_eq!(again, Err(error.clone()), "{way:?}: another call says the same");
                assert_eq!(run.nodes, before.nodes, "{way:?}: the text so far stays");
                end = Some(error);
            }
        }
    }
    strategy.release(&mut model);
    assert_eq!(model.live_sequences(), 0, "{way:?}");
    (run, end)
}

/// Stages, the tokens that end a text, the prompt, and the step at which this stage leaves nothing.
struct Case {
    stages: StageSettings,
    eos: Vec<u32>,
    prompt: Vec<u32>,
    constraint: Option<Allowing>,
    ends: (usize, &'static str),
}

fn cases() -> Vec<Case> {
    let plain = StageSettings::default;
    let case = |stages, ends| Case { stages, eos: vec![], prompt: vec![0], constraint: None, ends };
    // Each pair of tokens is banned, but for those with which the first token may follow the prompt.
    let pairs = (0..4).flat_map(|one| (0..4).map(move |other| vec![one, other]));
    let pairs: Vec<Vec<u32>> = pairs.filter(|pair| pair[0] != 0 || pair[1] == 0).collect();
    // Drafts are looked up here, and are right: the texts end within a pass.
    let repeating = || vec![0, 3, 3, 3, 3, 3, 3];
    let grammar = |then| Case {
        prompt: repeating(),
        constraint: Some(Allowing { count: 6, then }),
        ..case(plain(), (7, "grammar"))
    };
    vec![
        case(StageSettings { suppress_tokens: (0..4).collect(), ..plain() }, (1, "suppressed tokens")),
        case(StageSettings { bad_words: (0..4).map(|id| vec![id]).collect(), ..plain() }, (1, "bad words")),
        case(StageSettings { bad_words: pairs, ..plain() }, (2, "bad words")),
        case(
            StageSettings { bad_words: vec![vec![0], vec![1]], suppress_tokens: [2, 3].into(), ..plain() },
            (1, "suppressed tokens"),
        ),
        // The prompt has one of the four tokens.
        case(StageSettings { no_repeat_ngram: 1, ..plain() }, (4, "no-repeat n-gram")),
        Case {
            eos: vec![0, 1, 2, 3],
            ..case(StageSettings { min_new_tokens: 3, ..plain() }, (1, "min new tokens"))
        },
        Case {
            eos: vec![1, 2, 3],
            ..case(
                StageSettings { min_new_tokens: 3, suppress_tokens: [0].into(), ..plain() },
                (1, "suppressed tokens"),
            )
        },
        case(
            StageSettings { forced_tokens: [(3, 1)].into(), bad_words: vec![vec![1]], ..plain() },
            (3, "forced tokens"),
        ),
        case(
            StageSettings { forced_tokens: [(3, 1)].into(), suppress_tokens: [1].into(), ..plain() },
            (3, "suppressed tokens"),
        ),
        Case {
            eos: vec![2],
            ..case(
                StageSettings { forced_tokens: [(1, 2)].into(), min_new_tokens: 2, ..plain() },
                (1, "forced tokens"),
            )
        },
        grammar(Some([false; 4])),
        grammar(None),
        // Two are left by the grammar, as two spellings of one text are, and both are banned.
        Case {
            constraint: Some(Allowing { count: 0, then: Some([false, true, false, true]) }),
            ..case(StageSettings { bad_words: vec![vec![1], vec![3]], ..plain() }, (1, "bad words"))
        },
    ]
}

#[test]
fn every_strategy_ends_where_a_ban_leaves_nothing_and_keeps_the_text() {
    for (number, case) in cases().into_iter().enumerate() {
        let Case { stages, eos, prompt, constraint, ends: (step, stage) } = case;
        let constraint = constraint.map(|constraint| SharedConstraint::new(Arc::new(Mutex::new(constraint))));
        let greedy = decode(WAYS[0], &stages, constraint.clone(), &eos, &prompt).0.generated_ids();
        for way in WAYS {
            let (run, end) = decode(way, &stages, constraint.clone(), &eos, &prompt);
            let what = format!("case {number}, {}", way.0);
            let error = end.unwrap_or_else(|| panic!("{what}: it went on to {:?}", run.generated_ids()));
            let DecodingError::NothingLeft { step: at, stage: by, .. } = error else {
                panic!("{what}: {error}")
            };
            assert_eq!((at, by), (step, stage), "{what}: {error}");
            assert_eq!(run.generated_ids().len(), step - 1, "{what}");
            if way.2 == Picking::Argmax && way.1 != StrategyKind::Beam {
                assert_eq!(run.generated_ids(), greedy, "{what}");
            }
            let message = error.to_string();
            assert!(
                message.starts_with(&format!("step {step}: the stage `{stage}` leaves no token")),
                "{message}"
            );
        }
    }
}

/// Beam search of two texts.
fn beams(stages: StageSettings, eos: &[u32], max_tokens: usize) -> Run {
    let mut settings =
        DecodingSettings { strategy: StrategyKind::Beam, stages, ..DecodingSettings::default() };
    (settings.beam.beams, settings.beam.returned) = (2, 2);
    settings.stop.eos = EosRule::Tokens(eos.to_vec());
    settings.stop.max_tokens = max_tokens;
    let mut model = model();
    let mut strategy =
        begin_with(&settings, &[], &[0], &model, &StrategyInputs::default()).expect("it begins");
    let mut run = Run::default();
    while run.stop.is_none() {
        let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
        run.stop = strategy.step(&mut model, &mut run, &mut control).expect("another text goes on").stop;
    }
    strategy.release(&mut model);
    assert_eq!(model.live_sequences(), 0);
    run
}

#[test]
fn a_text_of_beam_search_that_cannot_go_on_falls_and_the_others_go_on() {
    // After 3, the likeliest, nothing may come: it can be the last token alone.
    let bad_words = (0..4).map(|id| vec![3, id]).collect();
    let run = beams(StageSettings { bad_words, ..StageSettings::default() }, &[], 3);
    assert_eq!((run.generated_ids(), run.stop), (vec![2, 2, 3], Some(StopReason::MaxTokens)));
    let StepDetail::Beam(second) = &run.steps[1].detail else { panic!("beams") };
    assert!(second.pruned.iter().all(|fallen| fallen.score.is_finite()), "{second:?}");
    assert!(second.pruned.iter().any(|fallen| run.nodes[fallen.node].token == 3), "{second:?}");

    // One text has ended; the two that went on cannot: the search is over, in a step without a node.
    let bad_words = (1..3).flat_map(|one| (0..4).map(move |other| vec![one, other])).collect();
    let stages = StageSettings { bad_words, ..StageSettings::default() };
    let run = beams(stages, &[3], 9);
    assert_eq!((run.generated_ids(), run.stop), (vec![3], Some(StopReason::Eos)));
    assert_eq!((run.steps.len(), run.steps[1].nodes.len(), run.phases.incremental_steps), (2, 0, 1));
    assert_eq!(run.phases.incremental.amount, 2, "its rows were computed");
}

#[test]
fn a_forced_token_is_chosen_wherever_nothing_forbids_it() {
    let forced = StageSettings { forced_tokens: BTreeMap::from([(2, 0)]), ..StageSettings::default() };
    for way in WAYS {
        let (run, end) = decode(way, &forced, None, &[], &[0]);
        assert_eq!((run.generated_ids()[1], end), (0, None), "{}", way.0);
    }
}
