//! Decoding with a model that tells the highest log-probabilities of a row alone, as servers do: what it decides is what whole
//! rows decide, and what it cannot decide it says.

use logitscope::decoding::{
    Control, DecodingError, DecodingSettings, Picking, StageSettings, StrategyKind, begin,
};
use logitscope::model::ModelError;
use logitscope::trace::Run;

use super::fake_model::{Chaining, FakeModel, log_softmax, scrambled_logits};

const VOCABULARY: usize = 300;
const PROMPT: [u32; 3] = [1, 2, 3];

/// Rows of which the highest have most of the probability, as those of real models.
fn peaked(tokens: &[u32]) -> Vec<f32> {
    scrambled_logits(VOCABULARY, tokens).iter().map(|logit| logit * 4.0).collect()
}

fn model(told: Option<usize>) -> FakeModel {
    let mut model = FakeModel::new(VOCABULARY, peaked);
    model.told = told;
    model
}

fn sampling(stages: StageSettings, seed: u64) -> DecodingSettings {
    let mut settings =
        DecodingSettings { strategy: StrategyKind::Sample, seed, stages, ..DecodingSettings::default() };
    settings.stop.max_tokens = 12;
    settings
}

/// Decodes to the end, or to the first step that cannot be decided.
fn decode(model: &mut FakeModel, settings: &DecodingSettings) -> (Run, Option<DecodingError>) {
    let mut strategy = begin(settings, &[], &PROMPT, model).unwrap();
    let mut run = Run::default();
    loop {
        let mut control = Control { interrupt: &false.into(), progress: &mut |_, _| {} };
        match strategy.step(model, &mut run, &mut control) {
            Ok(stepped) if stepped.stop.is_some() => return (run, None),
            Ok(_) => {}
            Err(error) => return (run, Some(error)),
        }
    }
}

fn is_not_sent(error: &DecodingError) -> bool {
    matches!(error, DecodingError::Model(ModelError::NotSent { .. }))
}

fn refusal(settings: &DecodingSettings, told: Option<usize>) -> Option<String> {
    begin(settings, &[], &PROMPT, &model(told)).err().map(|error| error.to_string())
}

#[test]
fn what_is_decided_is_what_whole_rows_decide() {
    let stages = |temperature, top_k, top_p, min_p| StageSettings {
        temperature,
        top_k,
        top_p,
        min_p,
        ..StageSettings::default()
    };
    let all = [
        stages(1.0, 0, 1.0, 0.0),
        stages(0.6, 0, 1.0, 0.0),
        stages(1.4, 0, 1.0, 0.0),
        stages(0.8, 10, 1.0, 0.0),
        stages(1.3, 0, 0.7, 0.0),
        stages(0.7, 0, 0.9, 0.0),
        stages(1.2, 0, 1.0, 0.2),
    ];
    let (mut decided, mut open) = (0, 0);
    for stages in &all {
        for seed in 0..30 {
            let settings = sampling(stages.clone(), seed);
            let (whole, error) = decode(&mut model(None), &settings);
            assert_eq!((whole.nodes.len(), error), (12, None));
            for told in [5, 20, 80] {
                let (run, error) = decode(&mut model(Some(told)), &settings);
                let tokens = run.generated_ids();
                assert_eq!(tokens, whole.generated_ids()[..tokens.len()], "{stages:?}, {told}, {seed}");
                assert!(error.as_ref().is_none_or(is_not_sent), "{error:?}");
                decided += tokens.len();
                open += usize::from(error.is_some());
                for (node, whole) in run.nodes.iter().zip(&whole.nodes) {
                    assert_eq!((node.rank, node.step), (whole.rank, whole.step));
                    assert!((node.log_probability - whole.log_probability).abs() < 1e-5);
                    let most = node.entropy_at_most.expect("something was not told");
                    assert!(
                        node.entropy <= whole.entropy + 1e-4 && whole.entropy <= most + 1e-4,
                        "{} is not between {} and {most}",
                        whole.entropy,
                        node.entropy
                    );
                    assert!((node.others.raw_probability - rest(whole, node.candidates.len())).abs() < 1e-5);
                }
            }
            // Top-k leaves nothing open where more are told than are kept.
            if stages.top_k == 10 {
                assert_eq!(decode(&mut model(Some(20)), &settings).1, None);
            }
        }
    }
    assert!(decided > 2500 && open > 50, "{decided} tokens were decided, {open} runs were not");
}

/// What a whole row's node has beside its first candidates.
fn rest(node: &logitscope::trace::Node, count: usize) -> f32 {
    let listed: f32 = node.candidates.iter().take(count).map(|candidate| candidate.raw_probability).sum();
    1.0 - listed
}

#[test]
fn the_highest_and_beams_need_no_more_than_the_highest() {
    for strategy in
        [StrategyKind::Greedy, StrategyKind::Beam, StrategyKind::Lookahead, StrategyKind::Speculative]
    {
        let settings = DecodingSettings { strategy, ..sampling(StageSettings::default(), 1) };
        let (whole, _) = decode(&mut model(None), &settings);
        let (run, error) = decode(&mut model(Some(20)), &settings);
        assert_eq!((run.generated_ids(), error), (whole.generated_ids(), None), "{strategy:?}");
    }
    let mut settings =
        DecodingSettings { strategy: StrategyKind::Beam, ..sampling(StageSettings::default(), 1) };
    settings.beam.beams = 8;
    let (_, error) = decode(&mut model(Some(5)), &settings);
    assert!(error.as_ref().is_some_and(is_not_sent), "8 beams weigh 16 continuations, 5 are told: {error:?}");
}

#[test]
fn forecasts_change_nothing() {
    let settings = sampling(StageSettings { temperature: 0.8, top_k: 10, ..StageSettings::default() }, 3);
    let alone = decode(&mut model(Some(20)), &settings).0.generated_ids();
    let mut ahead = model(Some(20));
    ahead.chaining = Chaining::WrongEvery(3);
    assert_eq!(decode(&mut ahead, &settings).0.generated_ids(), alone);
}

#[test]
fn what_can_never_be_decided_is_refused_before_the_first_step() {
    let with = |change: fn(&mut StageSettings)| {
        let mut stages = StageSettings::default();
        change(&mut stages);
        sampling(stages, 0)
    };
    let presence = with(|stages| stages.presence_penalty = 0.5);
    let typical = with(|stages| stages.typical_p = 0.9);
    let repetition = with(|stages| stages.repetition_penalty = 1.2);
    let suppressed = with(|stages| stages.suppress_tokens.extend([7]));
    for (settings, name) in
        [(&presence, "presence penalty"), (&typical, "typical-p"), (&suppressed, "suppressed tokens")]
    {
        let text = refusal(settings, Some(20)).expect(name);
        assert!(text.starts_with(name) && text.contains("all log-probabilities of a row"), "{text}");
        assert_eq!(refusal(settings, None), None, "{name}");
    }
    let text = refusal(&repetition, Some(20)).unwrap();
    assert!(text.starts_with("repetition penalty needs logits, because it depends on their signs"), "{text}");
    let contrastive = DecodingSettings { strategy: StrategyKind::Contrastive, ..with(|_| {}) };
    let text = refusal(&contrastive, Some(20)).unwrap();
    assert!(text.starts_with("contrastive search needs the final hidden states"), "{text}");
    let server = DecodingSettings { strategy: StrategyKind::Server, ..with(|_| {}) };
    let (_, error) = decode(&mut model(None), &server);
    assert_eq!(error, Some(DecodingError::NoServer));
    let too_much = DecodingSettings { strategy: StrategyKind::Server, ..typical };
    assert!(refusal(&too_much, None).unwrap().contains("a server is asked for temperature, top-k"));
}

#[test]
fn log_probabilities_make_the_same_draws_as_logits() {
    let settings =
        sampling(StageSettings { typical_p: 0.9, temperature: 0.9, ..StageSettings::default() }, 4);
    let (logits, _) = decode(&mut model(None), &settings);
    let mut normalised = FakeModel::new(VOCABULARY, |tokens| log_softmax(&peaked(tokens)));
    assert_eq!(decode(&mut normalised, &settings).0.generated_ids(), logits.generated_ids());
    let mut drawn =
        DecodingSettings { picking: Picking::Sample, strategy: StrategyKind::Speculative, ..settings };
    drawn.stages = StageSettings { top_k: 10, ..StageSettings::default() };
    let (whole, _) = decode(&mut model(None), &drawn);
    assert_eq!(decode(&mut model(Some(20)), &drawn).0.generated_ids(), whole.generated_ids());
}
