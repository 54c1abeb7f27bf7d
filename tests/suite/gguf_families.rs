//! GGUF files of every family, written by llama.cpp's own converter: each has to mean what the Hugging Face folder
//! means that it was made from.

use std::fs;
use std::path::{Path, PathBuf};

use logitscope::formats::{self, ModelFile};
use logitscope::model::config::{
    Activation, BlockFactors, HeadOrder, HeadWeights, LayerConfig, RecurrentConfig, ScoreGrowth, StateHeads,
};
use logitscope::model::rotary::RotaryTable;
use logitscope::model::weight_format::BlockFormat;
use logitscope::model::weights::TensorInfo;
use logitscope::model::{ModelConfig, WeightFormat, Weights, plan_decoder};

use super::formats::fixture;
use super::support;

fn folder() -> PathBuf {
    support::fixture("gguf_families")
}

fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "gguf"));
    let mut names: Vec<String> =
        files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    assert!(names.len() > 30, "{names:?}");
    names
}

fn open(path: &Path) -> ModelFile {
    formats::open(path).unwrap_or_else(|error| panic!("{error}"))
}

/// What llama.cpp's files cannot say, or say by the sizes of published models, which these are not.
fn as_gguf_has_it(name: &str, config: &mut ModelConfig) {
    if name == "gemma2" {
        config.head = HeadWeights::Tied;
    }
    // Its converter takes the factor on the base for a longer context.
    if name == "hunyuan_v1_dense" {
        config.context = 1 << 18;
    }
    if name == "minicpm3" {
        (config.embedding.scale, config.logits.scale) = (12.0, (256.0_f64 / 24.0) as f32);
    }
    with_states_as_gguf_has_them(name, config);
    for layer in &mut config.layers {
        if let Some(heads) = reordered_heads(name, layer) {
            heads.order = HeadOrder::Turns;
        }
        let (Some(attention), Some(feed_forward)) = (&mut layer.attention, &mut layer.feed_forward) else {
            continue;
        };
        match name {
            // Its architecture is llama's, which has no windows.
            "mistral" | "mixtral" => attention.scores.window = None,
            // llama.cpp has the published factor on residuals.
            "minicpm3" => layer.residual.scale = (1.4 / 2.0_f64.sqrt()) as f32,
            // Its converter writes no activation.
            "llama-linear" => feed_forward.activation = Activation::Silu,
            // Chunks, and how scores grow.
            "llama4_text" => {
                attention.scores.chunk = attention.scores.chunk.map(|_| 8192);
                let growth = ScoreGrowth { rate: 0.1, interval: 8192, offset: 1 };
                attention.scores.growth = attention.scores.growth.map(|_| growth);
            }
            "gemma2" | "gemma3_text" => attention.scale = (attention.head_width as f32).sqrt().recip(),
            _ => {}
        }
    }
}

/// The same of families with states: llama.cpp has no least time step, and another context for heads that do not rotate;
/// and its files have all factors in their weights.
fn with_states_as_gguf_has_them(name: &str, config: &mut ModelConfig) {
    if name.starts_with("nemotron_h") || name.starts_with("granitemoehybrid-mamba") {
        config.context = 1 << 20;
    }
    let has_factors = name.starts_with("falcon_h1");
    if has_factors {
        (config.embedding.scale, config.logits.scale) = (1.0, 1.0);
    }
    for layer in &mut config.layers {
        if let Some(RecurrentConfig::Mamba2(state)) = &mut layer.recurrent {
            state.time_step = [0.0, f32::INFINITY];
        }
        if has_factors {
            layer.residual.factors = BlockFactors::NONE;
        }
        if let Some(attention) = layer.attention.as_mut().filter(|_| has_factors) {
            attention.scale = (attention.head_width as f32).sqrt().recip();
        }
    }
}

/// The heads of values that the converter reorders, so that those which share a key are as far apart as there are keys.
fn reordered_heads<'a>(name: &str, layer: &'a mut LayerConfig) -> Option<&'a mut StateHeads> {
    match &mut layer.recurrent {
        Some(RecurrentConfig::GatedDelta(block)) if name.starts_with("qwen3_5") => {
            Some(&mut block.heads).filter(|heads| heads.heads != heads.groups)
        }
        _ => None,
    }
}

/// A tensor of a block with such heads as the converter reorders it, by numpy's words for it: heads of values as keys ×
/// values of a key, with the first two axes exchanged.
fn in_turns(name: &str, info: &TensorInfo, values: Vec<f32>, heads: &StateHeads) -> Vec<f32> {
    let (groups, shared) = (heads.groups, heads.heads / heads.groups);
    let place = |head: usize| head % groups * shared + head / groups;
    // Runs of so many elements for a head, after those that stay.
    let turned = |values: &[f32], kept: usize, run: usize| -> Vec<f32> {
        let (first, rest) = values.split_at(kept);
        let heads = (0..heads.heads).flat_map(|head| &rest[place(head) * run..][..run]);
        first.iter().chain(heads).copied().collect()
    };
    let (width, keys) = (heads.value_width, 2 * heads.keys());
    let tensor = name.rsplit_once("recurrent.").map_or("", |(_, tensor)| tensor);
    match tensor {
        "input.weight" => turned(&values, keys * info.columns, width * info.columns),
        "convolution.weight" => {
            let taps = info.columns / heads.channels();
            turned(&values, keys * taps, width * taps)
        }
        "gate.weight" => turned(&values, 0, width * info.columns),
        "strength.weight" | "time_step.weight" => turned(&values, 0, info.columns),
        "time_step.bias" | "rate.weight" => turned(&values, 0, 1),
        "output.weight" => values.chunks(info.columns).flat_map(|row| turned(row, 0, width)).collect(),
        _ => values,
    }
}

/// Rates are made of logarithms by the converter in f32, here with the last bit right.
fn agree(name: &str, ours: &[f32], expected: &[f32]) -> bool {
    let tolerance = if name.ends_with("rate.weight") { 2.0 * f32::EPSILON } else { 0.0 };
    let close = |(one, other): (&f32, &f32)| (one - other).abs() <= tolerance * other.abs();
    ours.len() == expected.len() && ours.iter().zip(expected).all(close)
}

/// The rotary embeddings apart, which may be described in other ways.
fn without_rotary(config: &ModelConfig) -> (ModelConfig, Vec<RotaryTable>) {
    let tables = plan_decoder(config).rotary_tables;
    let mut config = config.clone();
    config.attentions().for_each(|attention| attention.rotary = None);
    (config, tables)
}

fn assert_same_rotary(name: &str, ours: &[RotaryTable], expected: &[RotaryTable]) {
    assert_eq!(ours.len(), expected.len(), "{name}: {ours:?} for {expected:?}");
    for (ours, expected) in ours.iter().zip(expected) {
        assert_eq!(ours.inverse_frequencies.len(), expected.inverse_frequencies.len(), "{name}");
        let close = |one: f32, other: f32| (one - other).abs() <= 2e-6 * other.abs();
        assert!(close(ours.amplitude, expected.amplitude), "{name}: {ours:?} for {expected:?}");
        let mut pairs = ours.inverse_frequencies.iter().zip(&expected.inverse_frequencies);
        assert!(pairs.all(|(one, other)| close(*one, *other)), "{name}: {ours:?} for {expected:?}");
        let long = [ours, expected].map(|table| table.long.clone());
        assert_eq!(long[0], long[1], "{name}: divisors are stored as they are");
    }
}

fn elements(weights: &dyn Weights, index: usize) -> Vec<f32> {
    let info = &weights.tensors()[index];
    info.format.decode(&weights.read(index, 0..info.rows).unwrap())
}

#[test]
fn configurations_are_those_of_the_folders() {
    let mut differences = Vec::new();
    for name in names() {
        let ours = open(&folder().join(format!("{name}.gguf")));
        let mut expected = open(&fixture(&name));
        as_gguf_has_it(&name, &mut expected.config);
        assert_eq!(ours.warnings, Vec::<String>::new(), "{name}");
        let (ours, our_tables) = without_rotary(&ours.config);
        let (expected, expected_tables) = without_rotary(&expected.config);
        let (ours, expected) = (format!("{ours:#?}"), format!("{expected:#?}"));
        let mut lines = ours.lines().zip(expected.lines());
        if let Some((ours, expected)) = lines.find(|(ours, expected)| ours != expected) {
            differences.push(format!("{name}: {} for {}", ours.trim(), expected.trim()));
        }
        // llama.cpp knows which layers of SmolLM3 turn; the fixture has others.
        if name != "smollm3" {
            assert_same_rotary(&name, &our_tables, &expected_tables);
        }
    }
    assert_eq!(differences, Vec::<String>::new());
}

#[test]
fn tensors_are_those_of_the_folders_bit_for_bit() {
    let mut differences = Vec::new();
    // Weights with factors in them are held to what transformers computes.
    for name in names().into_iter().filter(|name| !name.starts_with("falcon_h1")) {
        let ours = open(&folder().join(format!("{name}.gguf"))).weights;
        let ModelFile { weights: expected, mut config, .. } = open(&fixture(&name));
        for (index, info) in expected.tensors().iter().enumerate() {
            let place = ours.tensors().iter().position(|tensor| tensor.name == info.name);
            // Rows of heads that do not rotate stay as the converter orders them, queries' and keys' alike.
            let is_reordered = ["query", "key"].iter().any(|part| info.name.contains(part));
            let does_not_rotate = name == "granitemoehybrid-no-positions"
                || name.starts_with("muse_glimmer") && info.name.starts_with("layers.1.")
                || name == "granite_swa" && info.name.starts_with("layers.0.")
                || ["granitemoehybrid-mamba", "nemotron_h"].iter().any(|start| name.starts_with(start));
            if does_not_rotate && is_reordered && place.is_some() {
                continue;
            }
            let mut values = elements(&*expected, index);
            let layer = info.name.split('.').nth(1).and_then(|layer| layer.parse::<usize>().ok());
            let layer = layer.and_then(|layer| config.layers.get_mut(layer));
            if let Some(heads) = layer.and_then(|layer| reordered_heads(&name, layer)) {
                values = in_turns(&info.name, info, values, heads);
            }
            let is_same = place.map(|place| agree(&info.name, &elements(&*ours, place), &values));
            // Heads that are tied in every published model are not written.
            if is_same != Some(true) && !(is_same.is_none() && info.name == "head.weight") {
                differences.push(format!("{name}: {}", info.name));
            }
        }
        assert!(ours.tensors().len() <= expected.tensors().len(), "{name}");
    }
    assert_eq!(differences, Vec::<String>::new());
}

#[test]
fn blocks_stay_blocks() {
    let model = open(&folder().join("gpt_oss-mxfp4.gguf"));
    let experts = |name: &&str| name.contains("experts.") && name.ends_with(".weight");
    let tensors = model.weights.tensors().iter().filter(|info| experts(&info.name.as_str()));
    let formats: Vec<WeightFormat> = tensors.map(|info| info.format).collect();
    assert_eq!(formats, [WeightFormat::Blocks(BlockFormat::Mxfp4); 6]);
}
