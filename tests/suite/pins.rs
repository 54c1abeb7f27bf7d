//! Pinned tokens: every step records where they stand, the same from a summary as from the whole row, whatever the
//! strategy.

use std::ops::ControlFlow;

use logitscope::decoding::{
    DecodingSettings, EosRule, LookaheadSettings, Picking, SpeculativeSettings, StageSettings, StrategyKind,
};
use logitscope::session::decode::uninterrupted;
use logitscope::session::{
    Command, Decode, GpuLoader, LoadRequest, Loader, ModelSource, Pace, Prompt, ReadyModel, RunRequest,
    Status,
};
use logitscope::trace::{Node, NodeTiming, Run, file};

use super::counting_model::{Behaviour, FakeLoader, WORDS};
use super::fake_model::{Chaining, FakeModel, scrambled_logits};
use super::session::Watched;

const VOCABULARY: usize = 700;
/// High and low ones, the first and the last.
const PINNED: [u32; 5] = [0, 699, 17, 350, 9];

fn ready(model: FakeModel) -> ReadyModel {
    let request = LoadRequest::of(ModelSource::BuiltIn);
    let mut loader = FakeLoader(Behaviour { textless: true, ..Behaviour::default() });
    let ready = loader.load(&request, &mut |_, _| ControlFlow::Continue(())).expect("it loads");
    ReadyModel { model: Box::new(model), ..ready }
}

fn settings(strategy: StrategyKind, picking: Picking, stages: StageSettings) -> DecodingSettings {
    let mut settings = DecodingSettings { strategy, picking, seed: 5, stages, ..Default::default() };
    settings.speculative = SpeculativeSettings { draft_tokens: 4, ..SpeculativeSettings::default() };
    settings.lookahead = LookaheadSettings { window: 3, ngram: 3, guesses: 2 };
    settings.stop.max_tokens = 12;
    settings.stop.eos = EosRule::Ignore;
    settings
}

fn decode(ready: &mut ReadyModel, settings: &DecodingSettings, pinned: &[u32]) -> Run {
    let mut decode = Decode::begin(ready, &Prompt::Ids(vec![3, 1, 3]), settings).expect("it begins");
    decode.pin(ready, pinned);
    while decode.run.stop.is_none() {
        uninterrupted(|control| decode.advance(ready, control)).expect("it goes on");
    }
    decode.end(ready)
}

/// Logit, rank and softmax of a token by plain arithmetic over the whole row; `temperature` of the last.
fn expected(logits: &[f32], token: u32, temperature: f32) -> (f32, usize, f64) {
    let own = logits[token as usize];
    let rank = 1 + logits.iter().filter(|&&logit| logit > own).count();
    let weight = |logit: f32| (f64::from(logit) / f64::from(temperature)).exp();
    (own, rank, weight(own) / logits.iter().map(|&logit| weight(logit)).sum::<f64>())
}

#[test]
fn every_step_tells_where_pinned_tokens_stand_whatever_the_strategy() {
    let plain = StageSettings::default;
    let (highest, draws) = (Picking::Argmax, Picking::Sample);
    let penalty = StageSettings { repetition_penalty: 1.5, ..plain() };
    let warm = StageSettings { temperature: 0.7, ..plain() };
    let cases = [
        // What a summary serves, with what it leaves of the row.
        (settings(StrategyKind::Greedy, highest, plain()), 1.0),
        (settings(StrategyKind::Sample, draws, warm.clone()), 0.7),
        (settings(StrategyKind::Beam, highest, plain()), 1.0),
        (settings(StrategyKind::Contrastive, highest, plain()), 1.0),
        (settings(StrategyKind::Speculative, highest, plain()), 1.0),
        (settings(StrategyKind::Lookahead, highest, plain()), 1.0),
    ];
    for (settings, temperature) in cases {
        for chaining in [Chaining::Never, Chaining::WrongEvery(4)] {
            let mut model = FakeModel::scrambled(VOCABULARY);
            model.chaining = chaining;
            let run = decode(&mut ready(model), &settings, &PINNED);
            let name = format!("{:?} {chaining:?}", settings.strategy);
            for (index, node) in run.nodes.iter().enumerate() {
                let mut tokens = vec![3, 1, 3];
                tokens.extend(run.path(node.parent).iter().map(|&at| run.nodes[at].token));
                let logits = scrambled_logits(VOCABULARY, &tokens);
                let ids: Vec<u32> = node.pinned.iter().map(|pinned| pinned.token).collect();
                assert_eq!(ids, PINNED, "{name}, node {index}");
                for pinned in &node.pinned {
                    let (logit, rank, probability) = expected(&logits, pinned.token, temperature);
                    assert_eq!((pinned.logit, pinned.rank), (logit, rank), "{name}, node {index}");
                    let off = (f64::from(pinned.probability) - probability).abs();
                    assert!(off < 2e-6, "{name}, node {index}: {pinned:?}, not {probability}");
                }
            }
        }
    }
    // From whole rows, through stages that a summary does not serve.
    let run = decode(
        &mut ready(FakeModel::scrambled(VOCABULARY)),
        &settings(StrategyKind::Greedy, highest, penalty),
        &[3, 17],
    );
    let logits = scrambled_logits(VOCABULARY, &[3, 1, 3]);
    let pinned = run.nodes[0].pinned[0];
    let penalised = |id: usize, logit: f32| match (id, logit > 0.0) {
        (1 | 3, true) => logit / 1.5,
        (1 | 3, false) => logit * 1.5,
        _ => logit,
    };
    let after: Vec<f32> = logits.iter().enumerate().map(|(id, &logit)| penalised(id, logit)).collect();
    let (logit, rank, _) = expected(&logits, 3, 1.0);
    let (_, _, probability) = expected(&after, 3, 1.0);
    assert_eq!((pinned.logit, pinned.rank), (logit, rank));
    assert!((f64::from(pinned.probability) - probability).abs() < 1e-7);
}

#[test]
fn what_is_cut_has_no_probability_and_pinning_changes_nothing_else() {
    let stages = StageSettings { temperature: 0.7, top_k: 20, ..StageSettings::default() };
    let settings = settings(StrategyKind::Sample, Picking::Sample, stages);
    let without = decode(&mut ready(FakeModel::scrambled(VOCABULARY)), &settings, &[]);
    let run = decode(&mut ready(FakeModel::scrambled(VOCABULARY)), &settings, &PINNED);
    let bare = |node: &Node| Node { timing: NodeTiming::default(), pinned: Vec::new(), ..node.clone() };
    let nodes = |run: &Run| run.nodes.iter().map(bare).collect::<Vec<_>>();
    assert_eq!(nodes(&run), nodes(&without));
    assert!(without.nodes.iter().all(|node| node.pinned.is_empty()));
    let kept = |node: &Node| node.pinned.iter().filter(|pinned| pinned.probability > 0.0).count();
    for node in &run.nodes {
        let inside = node.pinned.iter().filter(|pinned| pinned.rank <= 20).count();
        assert_eq!(kept(node), inside, "exactly those among the 20 highest are kept");
    }
}

#[test]
fn the_worker_pins_ends_of_text_by_itself_and_others_when_asked() {
    let mut watched = Watched::ready(Behaviour::default());
    watched.until("the ends of a text are pinned", |view| !view.pinned.is_empty());
    let names = |watched: &Watched| -> Vec<(u32, String, bool)> {
        let pinned = watched.view().pinned.iter();
        pinned.map(|one| (one.token.id, one.token.piece.clone(), one.automatic)).collect()
    };
    assert_eq!(names(&watched), [(7, "seven".to_owned(), true)]);
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = 6;
    settings.stop.eos = EosRule::Ignore;
    let prompt = Prompt::Text { text: "zero".to_owned(), special: Default::default() };
    watched.send(Command::Start(RunRequest { prompt, settings, pace: Pace::SingleStep }));
    watched.until("it waits", |view| view.status == Status::Paused);
    // Ids beyond the vocabulary and repeated ones are left out.
    watched.send(Command::Pin(vec![2, 999, 7, 2]));
    watched.until("it is pinned", |view| view.pinned.len() == 2);
    watched.send(Command::Resume);
    let run = watched.finished().clone();
    let at = |step: usize| -> Vec<(u32, f32, usize)> {
        run.nodes[step].pinned.iter().map(|one| (one.token, one.logit, one.rank)).collect()
    };
    // The model gives 5 to the number that follows and a tenth of its number to every other one.
    assert_eq!(at(0), [(7, 0.7, 2)], "what is pinned later has no value here");
    assert_eq!(at(1), [(7, 0.7, 2), (2, 5.0, 1)]);
    assert_eq!(at(2), [(7, 0.7, 2), (2, 0.2, 6)]);
    let pieces: Vec<&str> = run.pinned.iter().map(|token| &*token.piece).collect();
    assert_eq!(pieces, ["seven", "two"]);

    // A file keeps it; one from before has none.
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pinned.json");
    file::write(&path, &run).expect("it is written");
    assert_eq!(file::read(&path).expect("it is read"), run);
    let text = std::fs::read_to_string(&path).expect("it is there");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    json["run"].as_object_mut().expect("an object").remove("pinned");
    let nodes = json["run"]["nodes"].as_array_mut().expect("nodes");
    nodes.iter_mut().for_each(|node| drop(node.as_object_mut().expect("a node").remove("pinned")));
    std::fs::write(&path, json.to_string()).expect("it is written");
    let old = file::read(&path).expect("it is read");
    assert!(old.pinned.is_empty() && old.nodes.iter().all(|node| node.pinned.is_empty()));
}

#[test]
fn tokens_are_found_by_text_and_by_id() {
    let mut watched = Watched::ready(Behaviour::default());
    for (query, first) in
        [("two", Some("two")), ("4", Some("four")), ("TH", Some("three")), ("ero", Some("zero"))]
    {
        watched.send(Command::FindTokens(query.to_owned()));
        watched.until("it is found", |view| view.found.as_ref().is_some_and(|(asked, _)| asked == query));
        let (_, tokens) = watched.view().found.clone().expect("an answer");
        assert_eq!(tokens.first().map(|token| &*token.piece), first, "{query}");
    }
    for query in ["eight", "", " ", "99"] {
        watched.send(Command::FindTokens(query.to_owned()));
        watched.until("nothing is found", |view| {
            view.found.as_ref().is_some_and(|(asked, found)| asked == query && found.is_empty())
        });
    }
    assert_eq!(WORDS.len(), 8);
}

/// The built-in model on the adapter: chained passes tell of pinned tokens what whole rows do.
#[test]
fn a_real_model_tells_the_same_from_summaries_and_from_whole_rows() {
    let request = LoadRequest { context: Some(96), ..LoadRequest::of(ModelSource::BuiltIn) };
    let mut ready =
        GpuLoader::default().load(&request, &mut |_, _| ControlFlow::Continue(())).expect("it loads");
    let short = settings(StrategyKind::Greedy, Picking::Argmax, StageSettings::default());
    // More candidates than a summary lists: that takes whole rows.
    let whole = DecodingSettings { recorded_candidates: 200, ..short.clone() };
    let pinned = [0, 1, 77, 2000, 4095];
    let (short, whole) = (decode(&mut ready, &short, &pinned), decode(&mut ready, &whole, &pinned));
    assert_eq!(short.generated_ids(), whole.generated_ids());
    for (short, whole) in short.nodes.iter().zip(&whole.nodes) {
        assert_eq!(short.pinned.len(), pinned.len());
        for (short, whole) in short.pinned.iter().zip(&whole.pinned) {
            assert_eq!((short.token, short.logit, short.rank), (whole.token, whole.logit, whole.rank));
            assert!((short.probability - whole.probability).abs() < 1e-6, "{short:?} {whole:?}");
        }
    }
}
