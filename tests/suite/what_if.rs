//! What other settings would have chosen, from the record alone: what is certain is what the whole row would have given
//! with the same random number, and the text up to the first change is that of a run with those settings.

use std::ops::ControlFlow;

use logitscope::decoding::chain::Chain;
use logitscope::decoding::draw::draw;
use logitscope::decoding::settings::GrammarKind;
use logitscope::decoding::stages::History;
use logitscope::decoding::{
    DecodingSettings, EosRule, NoWhatIf, Picking, StageContext, StageSettings, StrategyKind, WhatIf, WouldBe,
    begin,
};
use logitscope::session::decode::uninterrupted;
use logitscope::session::{Decode, GpuLoader, LoadRequest, Loader, ModelSource, Prompt};
use logitscope::trace::{Node, Run};

use super::fake_model::{FakeModel, scrambled_logits};

const PROMPT: [u32; 4] = [3, 1, 4, 1];

/// Logits that look random, with few high ones.
fn steep(vocabulary: usize, tokens: &[u32]) -> Vec<f32> {
    scrambled_logits(vocabulary, tokens).iter().map(|logit| logit * logit.abs() * 0.6).collect()
}

fn sampling(stages: StageSettings) -> DecodingSettings {
    let mut settings =
        DecodingSettings { strategy: StrategyKind::Sample, seed: 8, stages, ..DecodingSettings::default() };
    settings.stop.max_tokens = 60;
    settings.stop.eos = EosRule::Ignore;
    settings
}

fn run_of(vocabulary: usize, settings: &DecodingSettings) -> Run {
    let mut model = FakeModel::new(vocabulary, move |tokens| steep(vocabulary, tokens));
    let mut strategy = begin(settings, &[], &PROMPT, &model).expect("good settings");
    let prompt = PROMPT.iter().map(|&token| logitscope::trace::PromptToken { token, ..Default::default() });
    let mut run =
        Run { strategy: settings.strategy, seed: settings.seed, prompt: prompt.collect(), ..Run::default() };
    while run.stop.is_none() {
        run.stop =
            uninterrupted(|control| strategy.step(&mut model, &mut run, control)).expect("a step").stop;
    }
    run
}

/// What the record tells of each step.
fn told(run: &Run, settings: &DecodingSettings) -> Vec<WouldBe> {
    let mut what_if = WhatIf::new(run, settings, Some(&[])).expect("it can be told");
    let mut tokens = run.prompt_ids();
    let step = |node: &Node| {
        let told = what_if.at(run, node, &tokens);
        tokens.push(node.token);
        told
    };
    run.line_nodes().map(step).collect()
}

/// What the whole rows would have given.
fn truth(vocabulary: usize, run: &Run, settings: &DecodingSettings) -> Vec<u32> {
    let chain = Chain::new(&settings.stages, settings.picks(), &StageContext::default(), 40);
    let mut tokens = run.prompt_ids();
    let choose = |node: &Node| {
        let history = History { tokens: &tokens, prompt: PROMPT.len() };
        let filtered = chain.run(&steep(vocabulary, &tokens), history).expect("something is left");
        let chosen = match settings.picks() {
            Picking::Argmax => filtered.row.best().expect("something is left"),
            Picking::Sample => draw(&filtered.row, &filtered.after, run.seed, node.step as u64).0,
        };
        tokens.push(node.token);
        chosen
    };
    run.line_nodes().map(choose).collect()
}

fn variants() -> Vec<StageSettings> {
    let plain = || StageSettings { temperature: 0.8, top_k: 40, top_p: 0.95, ..StageSettings::default() };
    let neutral = StageSettings::default;
    vec![
        plain(),
        StageSettings { temperature: 0.5, ..plain() },
        StageSettings { temperature: 1.3, ..plain() },
        StageSettings { top_k: 5, ..plain() },
        StageSettings { top_k: 200, ..plain() },
        StageSettings { top_k: 0, ..plain() },
        StageSettings { top_p: 0.5, ..plain() },
        StageSettings { top_p: 1.0, top_k: 0, min_p: 0.1, ..plain() },
        StageSettings { top_a: 0.3, top_k: 0, top_p: 1.0, ..plain() },
        StageSettings { epsilon_cutoff: 0.02, top_k: 0, top_p: 1.0, ..plain() },
        StageSettings { typical_p: 0.7, ..plain() },
        StageSettings { eta_cutoff: 0.02, ..plain() },
        StageSettings { repetition_penalty: 1.3, ..plain() },
        StageSettings { presence_penalty: 0.7, frequency_penalty: 0.2, ..plain() },
        StageSettings { presence_penalty: -1.5, ..plain() },
        StageSettings { repetition_penalty: 0.7, frequency_penalty: 0.4, ..plain() },
        StageSettings { no_repeat_ngram: 1, ..plain() },
        StageSettings { logit_bias: [(5, 3.0), (600, 9.0), (7, -4.0)].into(), ..plain() },
        StageSettings { suppress_tokens: (0..100).collect(), ..plain() },
        StageSettings { bad_words: vec![vec![9], vec![3, 8], vec![999]], ..plain() },
        StageSettings { forced_tokens: [(3, 650), (9, 2)].into(), ..plain() },
        neutral(),
        StageSettings { temperature: 2.0, ..neutral() },
        StageSettings { temperature: 0.3, ..neutral() },
    ]
}

#[test]
fn what_is_certain_is_what_the_whole_rows_would_have_given() {
    let (mut certain, mut all) = (0, 0);
    for vocabulary in [30, 700] {
        for base in [0, 12, 21] {
            let run = run_of(vocabulary, &sampling(variants()[base].clone()));
            for stages in variants() {
                let mut settings = sampling(stages);
                settings.stages.forced_tokens.retain(|_, token| (*token as usize) < vocabulary);
                // Of thirty tokens not even a text of sixty could avoid each repetition.
                settings.stages.no_repeat_ngram *= if vocabulary == 30 { 2 } else { 1 };
                settings.stages.suppress_tokens.retain(|token| (*token as usize) < vocabulary / 2);
                let told = told(&run, &settings);
                let truth = truth(vocabulary, &run, &settings);
                for ((told, truth), node) in told.iter().zip(&truth).zip(run.line_nodes()) {
                    let what = format!("{vocabulary} entries, step {}: {:?}", node.step, settings.stages);
                    all += 1;
                    certain += usize::from(*told != WouldBe::Open);
                    match *told {
                        WouldBe::Same => assert_eq!(*truth, node.token, "{what}"),
                        WouldBe::Other(token) => {
                            assert_eq!(*truth, token, "{what}");
                            assert_ne!(token, node.token, "{what}");
                        }
                        WouldBe::Unlisted => {
                            assert_ne!(*truth, node.token, "{what}");
                            let listed = node.candidates.iter().any(|one| one.token == *truth);
                            assert!(!listed, "{what}: {truth} is on record");
                        }
                        WouldBe::Open => assert!(vocabulary > 40, "{what}: the record holds the whole row"),
                        WouldBe::ByHand => panic!("{what}: nobody chose it"),
                    }
                }
            }
        }
    }
    assert!(certain * 100 > all * 75, "{certain} of {all} steps are certain");
}

#[test]
fn by_the_highest_value_as_well_and_with_the_same_settings_all_is_the_same() {
    let greedy =
        |stages: StageSettings| DecodingSettings { strategy: StrategyKind::Greedy, ..sampling(stages) };
    let mut certain = 0;
    for stages in variants() {
        let run = run_of(700, &greedy(StageSettings::default()));
        let settings = greedy(stages);
        let (told, truth) = (told(&run, &settings), truth(700, &run, &settings));
        for ((told, truth), node) in told.iter().zip(truth).zip(run.line_nodes()) {
            match *told {
                WouldBe::Same => assert_eq!(truth, node.token),
                WouldBe::Other(token) => assert_eq!(truth, token),
                _ => continue,
            }
            certain += 1;
        }
    }
    assert!(certain > 24 * 60 * 9 / 10, "{certain}");
    for stages in variants().into_iter().take(16) {
        let settings = sampling(stages);
        let run = run_of(700, &settings);
        assert!(told(&run, &settings).iter().all(|told| *told == WouldBe::Same), "{settings:?}");
    }
}

#[test]
fn what_a_record_cannot_tell_is_said() {
    let settings = sampling(StageSettings { temperature: 0.8, ..StageSettings::default() });
    let run = run_of(30, &settings);
    let because = |run: &Run, change: &dyn Fn(&mut DecodingSettings), eos: Option<&[u32]>| {
        let mut settings = settings.clone();
        change(&mut settings);
        WhatIf::new(run, &settings, eos).err()
    };
    let eos: Option<&[u32]> = Some(&[2]);
    assert_eq!(because(&run, &|_| {}, eos), None);
    assert_eq!(because(&run, &|s| s.stages.grammar.kind = GrammarKind::Gbnf, eos), Some(NoWhatIf::Grammar));
    assert_eq!(because(&run, &|s| s.stages.dry.multiplier = 0.8, eos), Some(NoWhatIf::Dry));
    assert_eq!(because(&run, &|s| s.stages.min_new_tokens = 4, None), Some(NoWhatIf::Ends));
    assert_eq!(because(&run, &|s| s.stages.min_new_tokens = 4, eos), None);
    let beams = Run { strategy: StrategyKind::Beam, ..run.clone() };
    assert_eq!(because(&beams, &|_| {}, eos), Some(NoWhatIf::Strategy));
    let mut mirostat = settings.clone();
    mirostat.stages.mirostat.target = 3.0;
    assert!(told(&run, &mirostat).iter().all(|told| *told == WouldBe::Open));
}

/// The built-in model on the adapter: the run that is foretold is the run that is made.
#[test]
fn a_real_model_says_what_was_foretold() {
    let request = LoadRequest { context: Some(128), ..LoadRequest::of(ModelSource::BuiltIn) };
    let mut ready =
        GpuLoader::default().load(&request, &mut |_, _| ControlFlow::Continue(())).expect("it loads");
    let mut decode = |settings: &DecodingSettings| {
        let prompt = Prompt::Text { text: "Once upon a time".to_owned(), special: Default::default() };
        let mut decode = Decode::begin(&ready, &prompt, settings).expect("it begins");
        while decode.run.stop.is_none() {
            uninterrupted(|control| decode.advance(&mut ready, control)).expect("it goes on");
        }
        decode.end(&mut ready)
    };
    let first = sampling(variants()[0].clone());
    let run = decode(&first);
    let (mut compared, mut changes) = (0, 0);
    for stages in variants() {
        let settings = sampling(stages);
        let told = told(&run, &settings);
        let same = told.iter().take_while(|told| **told == WouldBe::Same).count();
        let other = decode(&settings);
        assert_eq!(other.generated_ids()[..same], run.generated_ids()[..same], "{settings:?}");
        compared += same;
        if let Some(WouldBe::Other(token)) = told.get(same) {
            assert_eq!(other.generated_ids()[same], *token, "{settings:?}");
            changes += 1;
        }
    }
    assert!(compared > 100 && changes > 8, "{compared} {changes}");
}
