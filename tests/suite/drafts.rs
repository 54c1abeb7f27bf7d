//! Speculative and lookahead decoding on the engine: the text of greedy decoding on checkpoints of several families
//! and on the built-in model, and the passes that they save.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use logitscope::decoding::{Control, DecodingSettings, EosRule, StrategyInputs, StrategyKind, begin_with};
use logitscope::gpu::{Device, Engine};
use logitscope::model::{LanguageModel, WeightsChoice};
use logitscope::session::Opened;
use logitscope::session::command::ModelSource;
use logitscope::tokenizer::AddSpecial;
use logitscope::trace::Run;

use super::support;

fn engine(opened: &Opened, device: &Arc<Device>) -> Engine {
    opened.engine(Arc::clone(device), &mut |_, _| ControlFlow::Continue(())).unwrap()
}

fn family(name: &str) -> Opened {
    let folder = support::fixture("families").join(name);
    Opened::open(&ModelSource::Path(folder), None, WeightsChoice::Original).unwrap()
}

fn decode(
    model: &mut dyn LanguageModel,
    strategy: StrategyKind,
    tokens: usize,
    prompt: &[u32],
    aids: &StrategyInputs,
) -> Run {
    let mut settings = DecodingSettings { strategy, ..DecodingSettings::default() };
    (settings.stop.max_tokens, settings.stop.eos) = (tokens, EosRule::Ignore);
    let mut strategy = begin_with(&settings, &[], prompt, model, aids).unwrap();
    let mut run = Run::default();
    while run.stop.is_none() {
        let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
        run.stop = strategy.step(model, &mut run, &mut control).unwrap().stop;
    }
    strategy.release(model);
    assert_eq!(model.cache_usage().pages, 0, "nothing stays in the cache");
    run
}

/// Asserts that a text is greedy decoding's. Kernels for several rows add in another order than those for one, so
/// that two tokens within a rounding error of each other may change places; then everything after differs, and the
/// comparison ends. How many tokens were compared.
fn compare(found: &Run, greedy: &Run, what: &str) -> usize {
    let (found, expected) = (found.generated_ids(), greedy.generated_ids());
    assert_eq!(found.len(), expected.len(), "{what}");
    let Some(place) = (0..found.len()).find(|&place| found[place] != expected[place]) else {
        return found.len();
    };
    let candidates = &greedy.nodes[place].candidates;
    let rival = candidates.iter().find(|candidate| candidate.token == found[place]);
    let gap = rival.map_or(f32::INFINITY, |rival| candidates[0].logit - rival.logit);
    let scale = candidates[0].logit.abs().max(1.0);
    assert!(
        gap <= 1e-3 * scale,
        "{what}: token {place} is {} in place of {}, whose logit is {gap} higher",
        found[place],
        expected[place]
    );
    place
}

/// Tokens for each pass of the model after initiation.
fn tokens_a_pass(run: &Run) -> f64 {
    (run.nodes.len() - 1) as f64 / run.phases.incremental_steps as f64
}

#[test]
fn checkpoints_of_six_families_give_greedy_decodings_text() {
    let device = support::device();
    let (mut compared, mut all) = (0, 0);
    for name in ["llama-f32", "gpt2-f32", "gemma2", "qwen3", "mixtral", "phi3"] {
        let opened = family(name);
        let mut target = engine(&opened, &device);
        let drafts: [Box<dyn LanguageModel>; 1] = [Box::new(engine(&opened, &device))];
        let vocabulary = target.vocabulary() as u32;
        let prompt: Vec<u32> = (0..14).map(|index| (index % 5 * 37 + 3) % vocabulary).collect();
        let greedy = decode(&mut target, StrategyKind::Greedy, 30, &prompt, &StrategyInputs::default());
        let mut aids = vec![StrategyInputs::default()];
        aids.extend(drafts.map(|draft| StrategyInputs {
            draft: Some(Rc::new(RefCell::new(draft))),
            ..StrategyInputs::default()
        }));
        for aids in &aids {
            let found = decode(&mut target, StrategyKind::Speculative, 30, &prompt, aids);
            let what = format!("{name}, draft model: {}", aids.draft.is_some());
            compared += compare(&found, &greedy, &what);
            all += 30;
            if let Some(draft) = &aids.draft {
                assert_eq!(draft.borrow().cache_usage().pages, 0);
                assert!(
                    tokens_a_pass(&found) > 4.0,
                    "{what}: its own draft is right: {}",
                    tokens_a_pass(&found)
                );
            }
        }
        let found = decode(&mut target, StrategyKind::Lookahead, 30, &prompt, &StrategyInputs::default());
        compared += compare(&found, &greedy, &format!("{name}, lookahead"));
        all += 30;
    }
    assert!(compared * 10 >= all * 9, "{compared} of {all} tokens were compared");
}

#[test]
fn the_built_in_model_repeats_itself_in_far_fewer_passes() {
    let device = support::device();
    let opened = Opened::open(&ModelSource::BuiltIn, None, WeightsChoice::Original).unwrap();
    let mut target = engine(&opened, &device);
    let text = "The cock crew, and the dog barked, and the cat mewed. The cock crew, and the dog barked, and the cat mewed. The cock crew,";
    let prompt = opened.tokenizer.as_ref().unwrap().encode(text, AddSpecial::AsFileSays).unwrap();
    let greedy = decode(&mut target, StrategyKind::Greedy, 120, &prompt, &StrategyInputs::default());
    for strategy in [StrategyKind::Speculative, StrategyKind::Lookahead] {
        let found = decode(&mut target, strategy, 120, &prompt, &StrategyInputs::default());
        let compared = compare(&found, &greedy, strategy.name());
        println!("{}: {:.2} tokens a pass, {compared} compared", strategy.name(), tokens_a_pass(&found));
        assert!(compared > 60, "{}: {compared} tokens compared", strategy.name());
        assert!(tokens_a_pass(&found) > 1.5, "{}: {}", strategy.name(), tokens_a_pass(&found));
        assert!(found.phases.incremental_steps < greedy.phases.incremental_steps);
    }
}
