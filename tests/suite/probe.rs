//! Probes against what transformers holds between the layers of tiny checkpoints, and the GPU's against the twin's.

use std::collections::BTreeMap;

use logitscope::model::batch::RowOutput;
use logitscope::model::probe::{Addition, LayerProbe, Lens};
use logitscope::model::{Batch, CacheFormat, LanguageModel, Probe, ProbeRequest, WeightsChoice};
use logitscope::reference::Reference;
use logitscope::session::{ModelSource, Opened};
use serde::Deserialize;

use super::checkpoints;
use super::support;

/// What transformers computed: the script beside it says what each key is.
#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    token: u32,
    logit: f64,
    logprob: f64,
    embedding: [f64; 2],
    layers: Vec<ExpectedLayer>,
}

#[derive(Deserialize)]
struct ExpectedLayer {
    lens: Vec<f32>,
    rank: usize,
    residual: f64,
    mixer: Option<[f64; 2]>,
    feed_forward: Option<[f64; 2]>,
    heads: Option<Vec<Vec<f32>>>,
    experts: Option<(Vec<f32>, Vec<usize>)>,
    state: Option<[Vec<f32>; 2]>,
}

fn expected() -> BTreeMap<String, Expected> {
    let bytes = std::fs::read(support::fixture("families/probe.json")).expect("the script's file");
    serde_json::from_slice(&bytes).expect("the script's format")
}

/// A probe of the last of these tokens that names every token of the vocabulary.
fn probe(model: &mut dyn LanguageModel, ids: &[u32], token: Option<u32>) -> Probe {
    let sequence = model.new_sequence();
    let (&input, before) = ids.split_last().expect("a prompt");
    if !before.is_empty() {
        model.forward(&Batch::chain(sequence, 0, before, RowOutput::Nothing)).expect("a prompt that fits");
    }
    let request = ProbeRequest { sequence, position: before.len(), input, token, top: model.vocabulary() };
    let probe = model.probing().expect("a model to look into").probe(&request).expect("a probe");
    assert_eq!(model.length(sequence), before.len(), "the sequence is as it was");
    model.release(sequence);
    probe
}

/// Both interpreters: the twin runs the plain plan, the engine the fused one.
fn both(name: &str, ids: &[u32]) -> [Probe; 2] {
    let opened = checkpoints::opened(&checkpoints::source(name));
    let mut twin =
        Reference::new(opened.plan.clone(), opened.context, &*opened.file.weights).expect("readable weights");
    [probe(&mut twin, ids, None), probe(&mut checkpoints::engine(&opened), ids, None)]
}

fn close(what: &str, ours: f64, theirs: f64, tolerance: f64) {
    assert!((ours - theirs).abs() <= tolerance, "{what}: {ours}, not {theirs}");
}

fn all_close(what: &str, ours: &[f32], theirs: &[f32], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (index, (&ours, &theirs)) in ours.iter().zip(theirs).enumerate() {
        close(&format!("{what}, {index}"), ours.into(), theirs.into(), tolerance);
    }
}

fn addition_is(what: &str, ours: Option<Addition>, theirs: Option<[f64; 2]>) {
    match (ours, theirs) {
        (None, None) => {}
        (Some(ours), Some([norm, logit])) => {
            close(&format!("{what}: length"), ours.norm, norm, 1e-4 * norm.max(1.0));
            close(&format!("{what}: part of the logit"), ours.logit, logit, 1e-3);
        }
        (ours, theirs) => panic!("{what}: {ours:?}, not {theirs:?}"),
    }
}

/// The logits of a lens that names all tokens.
fn row(lens: &Lens) -> Vec<f32> {
    let mut row = vec![0.0; lens.top.len()];
    lens.top.iter().for_each(|&(token, logit)| row[token as usize] = logit);
    row
}

fn layer_is(what: &str, ours: &LayerProbe, theirs: &ExpectedLayer) {
    all_close(&format!("{what}: lens"), &row(&ours.lens), &theirs.lens, 1e-3);
    assert_eq!(ours.lens.rank, theirs.rank, "{what}: rank");
    close(&format!("{what}: stream"), ours.residual_norm, theirs.residual, 1e-4 * theirs.residual);
    addition_is(&format!("{what}: attention"), ours.mixer, theirs.mixer);
    addition_is(&format!("{what}: feed-forward"), ours.feed_forward, theirs.feed_forward);
    let inside = &ours.inside;
    assert_eq!(inside.attention.is_some(), theirs.heads.is_some(), "{what}: attention");
    if let (Some(ours), Some(theirs)) = (&inside.attention, &theirs.heads) {
        assert_eq!(ours.heads.len(), theirs.len(), "{what}: heads");
        for (head, (weights, theirs)) in ours.heads.iter().zip(theirs).enumerate() {
            all_close(&format!("{what}: head {head}"), weights, theirs, 1e-4);
            let sum: f32 = weights.iter().chain(ours.sinks.get(head)).sum();
            close(&format!("{what}: head {head}, sum"), sum.into(), 1.0, 1e-5);
        }
    }
    if let Some((scores, chosen)) = &theirs.experts {
        let ours = inside.experts.as_ref().expect("experts");
        all_close(&format!("{what}: router"), &ours.scores, scores, 1e-4);
        let mut taken: Vec<usize> = ours.chosen.iter().map(|(expert, _)| *expert).collect();
        let mut chosen = chosen.clone();
        taken.sort_unstable();
        chosen.sort_unstable();
        assert_eq!(taken, chosen, "{what}: experts");
    }
    if let Some([kept, wrote]) = &theirs.state {
        let ours = inside.state.as_ref().expect("a state");
        all_close(&format!("{what}: kept"), &ours.kept, kept, 1e-4);
        all_close(&format!("{what}: wrote"), &ours.wrote, wrote, 1e-4);
    }
}

fn probe_is(what: &str, ours: &Probe, theirs: &Expected) {
    assert_eq!((ours.token, ours.position), (theirs.token, theirs.ids.len() - 1), "{what}");
    close(&format!("{what}: logit"), ours.uncapped_logit.into(), theirs.logit, 1e-3);
    close(&format!("{what}: log-probability"), ours.last.log_probability, theirs.logprob, 1e-3);
    close(&format!("{what}: sum of the parts"), ours.sum_of_parts(), theirs.logit, 1e-3);
    addition_is(&format!("{what}: embedding"), Some(ours.embedding), Some(theirs.embedding));
    assert_eq!(ours.layers.len(), theirs.layers.len(), "{what}: layers");
    for (index, (ours, theirs)) in ours.layers.iter().zip(&theirs.layers).enumerate() {
        assert_eq!(ours.layer, index, "{what}");
        layer_is(&format!("{what}, layer {index}"), ours, theirs);
    }
}

#[test]
fn probes_are_what_transformers_holds_between_the_layers() {
    let expected = expected();
    assert!(expected.len() >= 12, "sequential and parallel blocks, windows, sinks, caps, experts, states");
    for (name, expected) in &expected {
        let [twin, gpu] = both(name, &expected.ids);
        probe_is(&format!("{name}, twin"), &twin, expected);
        probe_is(&format!("{name}, GPU"), &gpu, expected);
    }
}

/// Every checkpoint, at the first position as well as at a later one: both interpreters see the same, the parts add up
/// to the logit, and no layer is left out.
#[test]
fn the_gpu_and_the_twin_see_the_same_in_every_family() {
    let entries = std::fs::read_dir(support::fixture("families")).expect("the fixtures are there");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    folders.retain(|folder| folder.join("expected.json").is_file());
    assert!(folders.len() > 90, "only {} checkpoints", folders.len());
    for folder in folders {
        let name = folder.file_name().expect("a folder's name").to_string_lossy().into_owned();
        let opened = checkpoints::opened(&checkpoints::source(&name));
        let mut twin = Reference::new(opened.plan.clone(), opened.context, &*opened.file.weights)
            .expect("readable weights");
        let mut engine = checkpoints::engine(&opened);
        for ids in [&[7][..], &[7, 3, 9, 9, 4, 30, 2, 11]] {
            let what = format!("{name}, position {}", ids.len() - 1);
            let (twin, gpu) = (probe(&mut twin, ids, Some(5)), probe(&mut engine, ids, Some(5)));
            assert_eq!(gpu.layers.len(), opened.file.config.layers.len(), "{what}");
            same(&what, &gpu, &twin, 1.0);
        }
    }
}

/// The LM head's row and the lens come from weights as they lie on the GPU; keys from the cache in half precision.
#[test]
fn probes_of_converted_weights_and_of_a_cache_in_halves_are_the_twins() {
    let choices = [
        (WeightsChoice::F16, CacheFormat::F32, 1.0),
        (WeightsChoice::Q8_0, CacheFormat::F32, 1.0),
        (WeightsChoice::Q4_0, CacheFormat::F32, 1.0),
        // A key between two halves may fall on either side.
        (WeightsChoice::Original, CacheFormat::F16, 20.0),
    ];
    for (weights, cache, slack) in choices {
        let opened = Opened::open(&ModelSource::BuiltIn, None, weights).expect("the built-in model");
        let opened = opened.with_cache(Some(cache));
        let mut twin = Reference::new(opened.plan.clone(), opened.context, &*opened.file.weights)
            .expect("readable weights");
        let ids = [5, 900, 41, 77, 3000, 260];
        let twin = probe(&mut twin, &ids, None);
        let gpu = probe(&mut checkpoints::engine(&opened), &ids, Some(twin.token));
        same(&format!("{weights:?}, {cache:?}"), &gpu, &twin, slack);
    }
}

/// `slack` multiplies what usual differences may be.
fn same(what: &str, gpu: &Probe, twin: &Probe, slack: f64) {
    let scale = slack * f64::from(row(&twin.last).iter().fold(1.0_f32, |most, logit| most.max(logit.abs())));
    close(&format!("{what}: sum of the parts"), gpu.sum_of_parts(), gpu.uncapped_logit.into(), 1e-4 * scale);
    close(&format!("{what}: logit"), gpu.last.logit.into(), twin.last.logit.into(), 1e-4 * scale);
    for (ours, theirs) in gpu.layers.iter().zip(&twin.layers) {
        let what = format!("{what}, layer {}", ours.layer);
        assert_eq!(ours.layer, theirs.layer, "{what}");
        all_close(&what, &row(&ours.lens), &row(&theirs.lens), 2e-4 * scale);
        for (ours, theirs) in [(ours.mixer, theirs.mixer), (ours.feed_forward, theirs.feed_forward)] {
            assert_eq!(ours.is_some(), theirs.is_some(), "{what}");
            let parts = ours.zip(theirs);
            parts.inspect(|(ours, theirs)| close(&what, ours.logit, theirs.logit, 2e-4 * scale));
        }
        let (ours, theirs) = (&ours.inside, &theirs.inside);
        let weights = |seen: &logitscope::model::probe::AttentionProbe| {
            seen.heads.concat().into_iter().chain(seen.sinks.clone()).collect::<Vec<f32>>()
        };
        let rows = [ours, theirs].map(|seen| seen.attention.as_ref().map(weights).unwrap_or_default());
        all_close(&format!("{what}: attention"), &rows[0], &rows[1], slack * 1e-4);
        let chosen = [ours, theirs].map(|seen| seen.experts.as_ref().map(|experts| experts.chosen.clone()));
        if let [Some(ours), Some(theirs)] = &chosen {
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_eq!(ours.0, theirs.0, "{what}: experts");
                close(&format!("{what}: share"), ours.1.into(), theirs.1.into(), slack * 1e-4);
            }
        }
        assert_eq!(chosen[0].is_some(), chosen[1].is_some(), "{what}: experts");
        let kept = [ours, theirs]
            .map(|seen| seen.state.as_ref().map(|state| state.kept.clone()).unwrap_or_default());
        all_close(&format!("{what}: kept"), &kept[0], &kept[1], slack * 1e-4);
    }
}
