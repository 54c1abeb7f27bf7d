//! Lookahead decoding on models whose logits are known exactly: greedy decoding's text in fewer passes.

use logitscope::decoding::{
    CacheUse, Control, DecodingError, DecodingSettings, EosRule, LookaheadSettings, StrategyInputs,
    StrategyKind, begin,
};
use logitscope::trace::strategies::{LookaheadStep, NgramSource, Token};
use logitscope::trace::{Run, StepDetail, StopReason, StrategyStep};

use super::fake_model::FakeModel;
use super::speculative::{assert_is_greedy, circle, decode, settings, step, with_and_without_penalties};

fn lookahead(record: &StrategyStep) -> &LookaheadStep {
    let StepDetail::Lookahead(step) = &record.detail else { panic!("a step of another strategy") };
    step
}

fn ids(tokens: &[Token]) -> Vec<u32> {
    tokens.iter().map(|token| token.id).collect()
}

/// Logits by the last two tokens: a text that settles into circles of its own.
fn habits(vocabulary: usize) -> FakeModel {
    FakeModel::new(vocabulary, move |tokens| {
        let last = &tokens[tokens.len().saturating_sub(2)..];
        super::fake_model::scrambled_logits(vocabulary, last)
    })
}

#[test]
fn the_text_is_greedy_decodings_whatever_the_window() {
    let models: [fn(usize) -> FakeModel; 3] = [FakeModel::scrambled, circle, habits];
    let sizes = [(8, 4, 8), (1, 2, 1), (5, 3, 2), (3, 5, 0), (32, 8, 32), (2, 8, 32)];
    let mut saved = 0;
    for (kind, model) in models.into_iter().enumerate() {
        for (vocabulary, (window, ngram, guesses)) in
            sizes.into_iter().flat_map(|size| [(20, size), (300, size)])
        {
            for plain in with_and_without_penalties(settings(StrategyKind::Greedy, 80)) {
                let mut ahead = DecodingSettings { strategy: StrategyKind::Lookahead, ..plain.clone() };
                ahead.lookahead = LookaheadSettings { window, ngram, guesses };
                let greedy =
                    decode(&mut model(vocabulary), &plain, &[3, 4, 5, 3, 4], &StrategyInputs::default());
                let found =
                    decode(&mut model(vocabulary), &ahead, &[3, 4, 5, 3, 4], &StrategyInputs::default());
                let what =
                    format!("model {kind}, {vocabulary} ids, {:?}, {:?}", ahead.lookahead, plain.stages);
                assert_is_greedy(&found.run, &greedy.run, &what);
                assert_eq!(found.stop, StopReason::MaxTokens, "{what}");
                assert!(found.passes <= greedy.passes && (guesses > 0 || found.passes == 80), "{what}");
                saved += greedy.passes - found.passes;
            }
        }
    }
    assert!(saved > 500, "{saved} passes");
}

#[test]
fn the_trace_tells_window_guesses_and_pool() {
    let mut ahead = settings(StrategyKind::Lookahead, 30);
    ahead.lookahead = LookaheadSettings { window: 4, ngram: 3, guesses: 3 };
    let found = decode(&mut circle(20), &ahead, &[0, 1, 2, 3, 4], &StrategyInputs::default());
    let steps: Vec<&LookaheadStep> = found.run.steps.iter().map(lookahead).collect();
    assert_eq!((steps.len(), found.run.phases.incremental_steps), (found.passes, found.passes - 1));
    // Initiation: three n-grams of the prompt, and the one that the first token makes.
    assert_eq!((steps[0].window.len(), steps[0].guesses.len(), steps[0].pool), (0, 0, 4));
    assert_eq!(steps[0].collected.iter().map(|ngram| ids(ngram)).collect::<Vec<_>>(), [[3, 4, 5]]);
    // The first window: the prompt's tokens. Its answers make the second level, theirs the n-grams.
    assert_eq!(steps[1].window.iter().map(|level| ids(level)).collect::<Vec<_>>(), [[4, 3, 2, 1]]);
    let second: Vec<_> = steps[2].window.iter().map(|level| ids(level)).collect();
    assert_eq!(
        second,
        [[3, 2, 1, 4], [4, 3, 2, 5]],
        "each answers to the one below it, and the first was reached"
    );
    // The trajectories are 3 4 5, 2 3 4 and so on: all known from the prompt, unlike what the text adds.
    assert_eq!(steps[2].collected.iter().map(|ngram| ids(ngram)).collect::<Vec<_>>(), [[5, 6, 0]]);
    // After 6 comes 0, whose n-gram the prompt has: 0, then 1 and 2.
    let hit = steps.iter().position(|step| step.guesses.iter().any(|guess| guess.accepted == 2)).unwrap();
    let guess = steps[hit].guesses.iter().find(|guess| guess.accepted == 2).unwrap();
    let newest = found.run.nodes[found.run.steps[hit].nodes.start - 1].token;
    assert_eq!(ids(&guess.tokens), [(newest + 1) % 7, (newest + 2) % 7]);
    assert_eq!(found.run.steps[hit].nodes.len(), 3);
    assert!(steps.iter().flat_map(|step| &step.guesses).any(|guess| guess.source == NgramSource::Prompt));
    assert!(steps.iter().all(|step| step.guesses.len() <= 3 && step.window.len() <= 2));
    assert!(steps.windows(2).all(|pair| pair[0].pool <= pair[1].pool), "this pool is never full");
    let rows = found.run.nodes[found.run.steps[2].nodes.start].counters.rows;
    assert!(rows > 8, "the newest token and two levels of four: {rows}");
}

#[test]
fn trajectories_of_the_window_become_guesses_that_hit() {
    let mut ahead = settings(StrategyKind::Lookahead, 40);
    ahead.lookahead = LookaheadSettings { window: 6, ngram: 3, guesses: 6 };
    // Each token has one successor, all in one circle, and the text does not come round. A trajectory that begins at
    // 100 is ahead of it: only the window can know what comes there.
    let model = || {
        FakeModel::new(300, |tokens| {
            let next = (tokens[tokens.len() - 1] as usize + 7) % 300;
            (0..300).map(|id| if id == next { 3.0 } else { 0.0 }).collect()
        })
    };
    let found = decode(&mut model(), &ahead, &[100, 2], &StrategyInputs::default());
    let plain =
        decode(&mut model(), &settings(StrategyKind::Greedy, 40), &[100, 2], &StrategyInputs::default());
    assert_is_greedy(&found.run, &plain.run, "a circle of 300");
    let ids = found.run.generated_ids();
    assert!(ids.iter().enumerate().all(|(place, id)| !ids[..place].contains(id)), "{ids:?}");
    let steps = found.run.steps.iter().map(lookahead);
    let hits = steps.flat_map(|step| &step.guesses).filter(|guess| guess.accepted == 2);
    let of_window = hits.filter(|guess| guess.source == NgramSource::Window).count();
    assert!(of_window > 5, "{of_window} hits, {} passes", found.passes);
}

#[test]
fn ends_and_narrow_models_are_minded() {
    let greedy = settings(StrategyKind::Greedy, 100);
    let ahead = settings(StrategyKind::Lookahead, 100);
    let prompt = [0, 1, 2, 3, 4, 5, 6, 0, 1];
    let none = StrategyInputs::default();
    for end in 0..9 {
        let mut ahead = ahead.clone();
        ahead.stop.eos = EosRule::Tokens(vec![end]);
        let found = decode(&mut circle(20), &ahead, &prompt, &none);
        let plain = DecodingSettings { strategy: StrategyKind::Greedy, ..ahead };
        let plain = decode(&mut circle(20), &plain, &prompt, &none);
        assert_is_greedy(&found.run, &plain.run, "end token");
        assert_eq!(found.stop, plain.stop);
    }
    for max_tokens in 1..16 {
        let found = decode(&mut circle(20), &settings(StrategyKind::Lookahead, max_tokens), &prompt, &none);
        assert_eq!((found.run.nodes.len(), found.stop), (max_tokens, StopReason::MaxTokens));
    }
    for context in 10..40 {
        let (mut small, mut plain) = (circle(20), circle(20));
        (small.context, plain.context) = (context, context);
        let found = decode(&mut small, &ahead, &prompt, &none);
        assert_is_greedy(&found.run, &decode(&mut plain, &greedy, &prompt, &none).run, "context");
        assert_eq!(found.stop, StopReason::ContextFull);
    }
    let plain = decode(&mut circle(20), &settings(StrategyKind::Greedy, 100), &prompt, &none);
    for max_rows in [1, 2, 3, 4, 7, 20, 49] {
        let mut narrow = circle(20);
        narrow.max_rows = max_rows;
        let found = decode(&mut narrow, &ahead, &prompt, &none);
        assert_is_greedy(&found.run, &plain.run, "rows");
    }
    let recompute = DecodingSettings { cache: CacheUse::Recompute, ..ahead };
    let found = decode(&mut circle(20), &recompute, &prompt, &none);
    assert_eq!(found.run.generated_ids(), plain.run.generated_ids());
}

#[test]
fn interruptions_and_branches_lose_nothing_and_leave_nothing() {
    let ahead = settings(StrategyKind::Lookahead, 30);
    let mut model = habits(20);
    let mut strategy = begin(&ahead, &[], &[1, 2, 3], &model).unwrap();
    let mut run = Run::default();
    for _ in 0..4 {
        let mut control = Control { interrupt: &true.into(), progress: &mut |_, _| {} };
        let interrupted = strategy.step(&mut model, &mut run, &mut control);
        assert_eq!(interrupted.unwrap_err(), DecodingError::Interrupted);
        step(&mut *strategy, &mut model, &mut run).unwrap();
    }
    let known = run.generated_ids();
    for length in [0, 2, known.len() - 1] {
        let tokens = [&[1, 2, 3], &known[..length], &[17]].concat();
        let mut branched = strategy.branch(&mut model, &tokens).unwrap();
        let mut branch_run = Run::default();
        while step(&mut *branched.strategy, &mut model, &mut branch_run).unwrap().is_none() {}
        let greedy = settings(StrategyKind::Greedy, 30 - length - 1);
        let plain = decode(&mut habits(20), &greedy, &tokens, &StrategyInputs::default()).run;
        assert_eq!(branch_run.generated_ids(), plain.generated_ids());
        branched.strategy.release(&mut model);
    }
    assert_eq!(model.live_sequences(), 1);
    model.passes_left = model.passes.len();
    assert!(matches!(step(&mut *strategy, &mut model, &mut run), Err(DecodingError::Model(_))));
    model.passes_left = usize::MAX;
    while step(&mut *strategy, &mut model, &mut run).unwrap().is_none() {}
    let plain =
        decode(&mut habits(20), &settings(StrategyKind::Greedy, 30), &[1, 2, 3], &StrategyInputs::default());
    assert_is_greedy(&run, &plain.run, "the first line");
    strategy.release(&mut model);
    assert_eq!(model.live_sequences(), 0);
}

#[test]
fn broken_logits_are_an_error_that_names_step_and_token() {
    let mut model = FakeModel::new(7, |tokens| {
        let mut logits: Vec<f32> =
            (0..7).map(|id| if id == (tokens[tokens.len() - 1] + 1) % 7 { 9.0 } else { 0.0 }).collect();
        if tokens.len() == 13 {
            logits[2] = f32::NAN;
        }
        logits
    });
    let ahead = settings(StrategyKind::Lookahead, 40);
    let mut strategy = begin(&ahead, &[], &[0, 1, 2, 3, 4, 5, 6, 0], &model).unwrap();
    let mut run = Run::default();
    let error = loop {
        if let Err(error) = step(&mut *strategy, &mut model, &mut run) {
            break error.to_string();
        }
    };
    assert!(error.starts_with("step 6: the model gave the logit NaN for token 2"), "{error}");
}
