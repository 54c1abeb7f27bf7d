//! Every tiny checkpoint of `tests/fixtures/families`, through the real importer, against what transformers
//! computes from it: logits at every position and continuations token for token, by both interpreters.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use logitscope::decoding::{CacheUse, DecodingSettings, EosRule, StrategyKind};
use logitscope::formats;
use logitscope::gpu::Device;
use logitscope::model::batch::RowOutput;
use logitscope::model::{Batch, LanguageModel};
use logitscope::reference::Reference;
use logitscope::session::decode::uninterrupted;
use logitscope::session::{Decode, ModelSource, Opened, Prompt, ReadyModel};
use logitscope::trace::{Node, Run};
use serde::Deserialize;

use super::checkpoints;
use super::support::{self, OUR_STRATEGIES};

/// Largest difference between two logits that count as equal, as a share of the row's largest: some weak
/// switches of the families (GELU variants, an epsilon) move logits by only a thousandth.
const TOLERANCE: f32 = 1e-4;

/// What transformers computed.
#[derive(Deserialize)]
struct Expected {
    short: Short,
    long: Long,
    greedy: Vec<u32>,
    penalised: Vec<u32>,
}

#[derive(Deserialize)]
struct Short {
    ids: Vec<u32>,
    logits: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Long {
    ids: Vec<u32>,
    top: Vec<Vec<(u32, f32)>>,
}

/// A checkpoint, loaded.
struct Family {
    name: String,
    expected: Expected,
    ready: ReadyModel,
}

/// Who computes.
#[derive(Clone, Copy)]
enum Interpreter {
    Twin,
    Gpu,
}

/// Every checkpoint, loaded when its turn comes.
fn families(interpreter: Interpreter) -> impl Iterator<Item = Family> {
    let entries = std::fs::read_dir(support::fixture("families")).expect("the fixtures are there");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    folders.retain(|folder| folder.join("expected.json").is_file());
    folders.sort();
    assert!(folders.len() >= 10, "only {} checkpoints", folders.len());
    folders.into_iter().map(move |folder| family(&folder, interpreter))
}

/// Checkpoints with a table of positions, with rotary embeddings, with linear biases, with windows and caps, and with latent
/// keys and values:
/// for what depends on the engine and the kind of attention, not on the family.
fn kinds_of_attention(interpreter: Interpreter) -> impl Iterator<Item = Family> {
    let root = support::fixture("families");
    ["gpt2-f32", "llama-f32", "bloom", "gemma2", "deepseek_v3"]
        .map(|name| family(&root.join(name), interpreter))
        .into_iter()
}

fn family(folder: &Path, interpreter: Interpreter) -> Family {
    family_by(folder, |opened| match interpreter {
        Interpreter::Twin => {
            let (plan, weights) = (opened.plan.clone(), &*opened.file.weights);
            Box::new(Reference::new(plan, opened.context, weights).expect("readable weights"))
        }
        Interpreter::Gpu => Box::new(checkpoints::engine(opened)),
    })
}

/// A checkpoint, computed by what is made of its files.
fn family_by(folder: &Path, load: impl FnOnce(&Opened) -> Box<dyn LanguageModel>) -> Family {
    let name = folder.file_name().expect("a folder's name").to_string_lossy().into_owned();
    let expected = std::fs::read(folder.join("expected.json")).expect("readable");
    let expected = serde_json::from_slice(&expected).expect("the script's format");
    let source = ModelSource::Path(folder.to_owned());
    let opened = checkpoints::opened(&source);
    let model = load(&opened);
    let ready = checkpoints::with_model(opened, model);
    Family { name, expected, ready }
}

/// The logits of every position, passes of at most `chunk` rows.
fn all_logits(model: &mut dyn LanguageModel, ids: &[u32], chunk: usize) -> Vec<Vec<f32>> {
    let sequence = model.new_sequence_for(ids.len());
    let mut logits = Vec::new();
    for (index, ids) in ids.chunks(chunk).enumerate() {
        let batch = Batch::chain_of_outputs(sequence, index * chunk, ids, RowOutput::Logits);
        logits.extend(model.forward(&batch).expect("ids and positions in range").logits);
    }
    model.release(sequence);
    logits
}

fn generate(family: &mut Family, count: usize, change: impl FnOnce(&mut DecodingSettings)) -> Run {
    let mut settings = DecodingSettings::default();
    settings.stop.max_tokens = count;
    settings.stop.eos = EosRule::Ignore;
    settings.recorded_candidates = 200;
    change(&mut settings);
    let prompt = Prompt::Ids(family.expected.short.ids.clone());
    let mut decode = Decode::begin(&family.ready, &prompt, &settings).expect("a good prompt");
    while decode.run.stop.is_none() {
        uninterrupted(|control| decode.advance(&mut family.ready, control)).expect("a step");
    }
    decode.end(&mut family.ready)
}

fn tolerance(row: &[f32]) -> f32 {
    TOLERANCE * row.iter().fold(1.0_f32, |largest, logit| largest.max(logit.abs()))
}

fn furthest(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

/// One load for both, since loading is most of the time.
fn logits_and_continuations_agree(interpreter: Interpreter) {
    for mut family in families(interpreter) {
        logits_agree_at_every_position(&mut family);
        continuations_agree_token_for_token(&mut family);
    }
}

fn logits_agree_at_every_position(family: &mut Family) {
    let name = &family.name;
    let short = &family.expected.short;
    let logits = all_logits(&mut *family.ready.model, &short.ids, 64);
    for (position, (ours, theirs)) in logits.iter().zip(&short.logits).enumerate() {
        let off = furthest(ours, theirs);
        assert!(off < tolerance(theirs), "{name}: short prompt, position {position}: off by {off}");
    }
    let long = &family.expected.long;
    for chunk in [7, 64] {
        let logits = all_logits(&mut *family.ready.model, &long.ids, chunk);
        assert_eq!(logits.len(), long.top.len());
        for (position, (ours, top)) in logits.iter().zip(&long.top).enumerate() {
            let tolerance = tolerance(ours);
            for &(id, theirs) in top {
                let off = (ours[id as usize] - theirs).abs();
                assert!(off < tolerance, "{name}: long prompt, position {position}, {id}: off by {off}");
            }
            let lowest = top.last().expect("twenty entries").1;
            let above = ours.iter().filter(|logit| **logit > lowest + tolerance).count();
            assert!(above < top.len(), "{name}: {above} entries above the {}th", top.len());
        }
    }
}

fn continuations_agree_token_for_token(family: &mut Family) {
    let count = family.expected.greedy.len();
    let greedy = generate(family, count, |_| {});
    assert_eq!(greedy.generated_ids(), family.expected.greedy, "{}", family.name);
    let penalised = generate(family, count, |settings| settings.stages.repetition_penalty = 1.3);
    assert_eq!(penalised.generated_ids(), family.expected.penalised, "{}, penalised", family.name);
}

fn recomputing_gives_the_same_for_more_rows(interpreter: Interpreter) {
    for mut family in kinds_of_attention(interpreter) {
        let (prompt, count) = (family.expected.short.ids.len(), 8);
        let cached = generate(&mut family, count, |_| {});
        let recomputed = generate(&mut family, count, |settings| settings.cache = CacheUse::Recompute);
        assert_eq!(cached.generated_ids(), recomputed.generated_ids(), "{}", family.name);
        for (one, other) in cached.nodes.iter().zip(&recomputed.nodes) {
            assert_eq!(one.candidates.len(), family.ready.model.vocabulary());
            for (one, other) in one.candidates.iter().zip(&other.candidates) {
                let off = (one.logit - other.logit).abs();
                assert!(off <= 1e-4 * one.logit.abs().max(1.0), "{}: off by {off}", family.name);
            }
        }
        let rows = |run: &Run| (run.phases.initiation.amount + run.phases.incremental.amount) as usize;
        assert_eq!(rows(&cached), prompt + count - 1);
        assert_eq!(rows(&recomputed), count * prompt + count * (count - 1) / 2);
        assert_eq!(family.ready.model.cache_usage().pages, 0, "every sequence is released");
    }
}

fn a_fork_and_a_fresh_sequence_agree(interpreter: Interpreter) {
    for mut family in kinds_of_attention(interpreter) {
        let ids = family.expected.long.ids.clone();
        let model = &mut *family.ready.model;
        // Not a multiple of any page's length, so that the last page is a partial one.
        let (before, after) = ids.split_at(37);
        let sequence = model.new_sequence();
        model.forward(&Batch::chain(sequence, 0, before, RowOutput::Nothing)).expect("in range");
        let fork = model.fork(sequence).expect("memory");
        // The first sequence goes elsewhere before the fork is used.
        let elsewhere = vec![3; after.len()];
        model.forward(&Batch::chain(sequence, 37, &elsewhere, RowOutput::Nothing)).expect("in range");
        let forked =
            model.forward(&Batch::chain(fork, 37, after, RowOutput::Logits)).expect("in range").logits;
        let fresh = all_logits(model, &ids, 64);
        let off = furthest(&forked[0], fresh.last().expect("a row a token"));
        assert!(off < 1e-5, "{}: off by {off}", family.name);
        model.release(sequence);
        model.release(fork);
        assert_eq!(model.cache_usage().pages, 0);
    }
}

#[test]
fn tokens_that_the_files_forbid_come_by_no_strategy() {
    let mut family = family(&support::fixture("families").join("gemma4_unified"), Interpreter::Twin);
    let forbidden = family.ready.loaded.defaults.suppress_tokens.clone();
    assert_eq!(forbidden.len(), 27);
    for strategy in OUR_STRATEGIES {
        let run = generate(&mut family, 24, |settings| {
            settings.strategy = strategy;
            (settings.beam.beams, settings.beam.returned) = (3, 3);
        });
        let is_forbidden = |id: &u32| forbidden.contains(id);
        assert!(!run.generated_ids().iter().any(is_forbidden), "{strategy:?}: {:?}", run.generated_ids());
        let is_shown = |node: &Node| node.stages.iter().any(|stage| stage.name == "suppressed tokens");
        assert!(run.nodes.iter().all(is_shown), "{strategy:?}");
    }
    let gguf = formats::open(&support::fixture("gguf_families").join("gemma4_unified.gguf"));
    assert_eq!(gguf.expect("it opens").generation.suppress_tokens, forbidden);
}

/// The table of vectors by layer, in two bindings: the prompt's tokens find theirs, and those that the GPU chooses.
#[test]
fn a_table_by_layer_larger_than_any_binding_computes_the_same() {
    const BINDING: u64 = 10 << 10;
    let folder = support::fixture("families").join("gemma4_text-by-layer");
    let mut family = family_by(&folder, |opened| {
        let table = opened.plan.tensors.iter().find(|spec| spec.name == "embed.by_layer").expect("a table");
        assert!((4 * table.rows * table.columns) as u64 > BINDING);
        let mut device = Device::open(None).expect("an adapter");
        device.info.binding_bytes = BINDING;
        let mut progress = |_, _| ControlFlow::Continue(());
        Box::new(opened.engine(Arc::new(device), &mut progress).expect("it fits in parts"))
    });
    logits_agree_at_every_position(&mut family);
    continuations_agree_token_for_token(&mut family);
}

/// Branches, beams and guesses over latent keys and values: the GPU's texts are the twin's, and what only guesses ahead has
/// greedy's.
#[test]
fn strategies_over_latent_keys_and_values_agree() {
    let folder = support::fixture("families").join("glm4_moe_lite");
    let [mut twin, mut gpu] = [Interpreter::Twin, Interpreter::Gpu].map(|who| family(&folder, who));
    for strategy in
        [StrategyKind::Greedy, StrategyKind::Beam, StrategyKind::Contrastive, StrategyKind::Lookahead]
    {
        let texts = [&mut twin, &mut gpu].map(|family| {
            let run = generate(family, 24, |settings| {
                settings.strategy = strategy;
                (settings.beam.beams, settings.beam.returned) = (3, 3);
            });
            assert_eq!(family.ready.model.cache_usage().pages, 0, "{strategy:?}: every sequence is released");
            run.generated_ids()
        });
        assert_eq!(texts[0], texts[1], "{strategy:?}");
        if strategy == StrategyKind::Lookahead {
            assert_eq!(texts[0], gpu.expected.greedy);
        }
    }
}

#[test]
fn the_twins_logits_and_continuations_agree() {
    logits_and_continuations_agree(Interpreter::Twin);
}

#[test]
fn recomputing_on_the_twin_gives_the_same_for_more_rows() {
    recomputing_gives_the_same_for_more_rows(Interpreter::Twin);
}

#[test]
fn a_fork_and_a_fresh_sequence_of_the_twin_agree() {
    a_fork_and_a_fresh_sequence_agree(Interpreter::Twin);
}

#[test]
fn the_gpus_logits_and_continuations_agree() {
    logits_and_continuations_agree(Interpreter::Gpu);
}

#[test]
fn recomputing_on_the_gpu_gives_the_same_for_more_rows() {
    recomputing_gives_the_same_for_more_rows(Interpreter::Gpu);
}

#[test]
fn a_fork_and_a_fresh_sequence_of_the_gpu_agree() {
    a_fork_and_a_fresh_sequence_agree(Interpreter::Gpu);
}
