//! Opening good files: every fixture's configuration, its canonical tensors against plain slices of the
//! stored ones, shards, and the ways of pointing at a model.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use logitscope::formats::{self, ModelFile, TokenizerFiles, Vocabulary};
use logitscope::model::config::{Activation, Bias, HeadWeights, NormKind, Positions};
use logitscope::model::rotary::{RampEnds, RotaryScaling};
use logitscope::model::{WeightFormat, Weights, plan_decoder};
use safetensors::SafeTensors;
use serde_json::json;

use super::malformed::copy_of;

use super::support;

pub fn fixture(name: &str) -> PathBuf {
    support::fixture("families").join(name)
}

fn open(name: &str) -> ModelFile {
    formats::open(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All elements of a canonical tensor, read in chunks of `chunk` rows.
fn canonical(model: &ModelFile, name: &str, chunk: usize) -> Vec<f32> {
    let (index, info) = model
        .weights
        .tensors()
        .iter()
        .enumerate()
        .find(|(_, info)| info.name == name)
        .unwrap_or_else(|| panic!("{name} is not there"));
    let starts = (0..info.rows).step_by(chunk);
    let read = |start| model.weights.read(index, start..info.rows.min(start + chunk)).unwrap();
    starts.flat_map(|start| info.format.decode(&read(start))).collect()
}

/// Every stored tensor of a fixture, decoded by another reader: shape and elements.
fn stored(name: &str) -> HashMap<String, (Vec<usize>, Vec<f32>)> {
    let mut tensors = HashMap::new();
    for entry in fs::read_dir(fixture(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let contents = fs::read(path).unwrap();
            for (name, view) in SafeTensors::deserialize(&contents).unwrap().tensors() {
                let format = match view.dtype() {
                    safetensors::Dtype::F32 => WeightFormat::F32,
                    safetensors::Dtype::F16 => WeightFormat::F16,
                    safetensors::Dtype::BF16 => WeightFormat::Bf16,
                    _ => continue,
                };
                tensors.insert(name, (view.shape().to_vec(), format.decode(view.data())));
            }
        }
    }
    tensors
}

/// Columns `from..to` of a stored matrix, as rows.
fn columns((shape, elements): &(Vec<usize>, Vec<f32>), from: usize, to: usize) -> Vec<f32> {
    let (rows, width) = (shape[0], shape[1]);
    let element = |column: usize, row: usize| elements[row * width + column];
    (from..to).flat_map(|column| (0..rows).map(move |row| element(column, row))).collect()
}

#[test]
fn every_fixture_opens_and_fits_its_plan() {
    let folders = fs::read_dir(fixture("")).unwrap().map(|entry| entry.unwrap());
    let names = folders.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
    for name in names.map(|name| name.to_string_lossy().into_owned()) {
        let name = name.as_str();
        let model = open(name);
        let plan = plan_decoder(&model.config);
        let bound = plan.bind(model.weights).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(bound.tensors().len(), plan.tensors.len());
        assert_eq!(model.name, name);
        let config = fs::read_to_string(fixture(name).join("config.json")).unwrap();
        let (of_images, others): (Vec<&String>, Vec<&String>) =
            model.warnings.iter().partition(|warning| warning.starts_with("the image part of this "));
        assert_eq!(others, Vec::<&String>::new(), "{name}");
        assert_eq!(of_images.len(), usize::from(config.contains("\"vision_config\"")), "{name}");
        assert_eq!(model.config.vocabulary, 101, "{name}");
        assert_eq!(name.split('-').next(), Some(model.family.as_str()));
    }
}

#[test]
fn llama_configurations_mean_what_they_say() {
    let plain = open("llama-f32").config;
    assert_eq!((plain.width, plain.context), (30, 128));
    assert_eq!(plain.positions, Positions::InLayers);
    assert_eq!(plain.head, HeadWeights::Separate);
    assert_eq!(plain.final_norm.kind, NormKind::Rms);
    let layer = &plain.layers[1];
    let attention = layer.attention.as_ref().unwrap();
    assert_eq!((attention.heads, attention.key_value_heads, attention.head_width), (6, 2, 8));
    assert_eq!(attention.scale, 1.0 / 8.0_f32.sqrt());
    assert_eq!(attention.rotary.as_ref().unwrap().scaling, RotaryScaling::Plain);
    assert_eq!((attention.query_key_value_bias, attention.output_bias), (Bias::Absent, Bias::Absent));
    assert_eq!(
        (layer.feed_forward.unwrap().width, layer.feed_forward.unwrap().activation),
        (46, Activation::Silu)
    );

    let biased = open("llama-biases-tied").config;
    assert_eq!(biased.head, HeadWeights::Tied);
    assert_eq!(biased.final_norm.epsilon, 1e-3);
    assert_eq!(biased.layers[0].attention.as_ref().unwrap().output_bias, Bias::Present);
    assert_eq!(biased.layers[0].feed_forward.unwrap().bias, Bias::Present);

    let unmentioned = open("llama-qkv-biases").config.layers.remove(0);
    assert_eq!(unmentioned.attention.as_ref().unwrap().query_key_value_bias, Bias::Present);
    assert_eq!(unmentioned.attention.as_ref().unwrap().output_bias, Bias::Absent);
    assert_eq!(unmentioned.feed_forward.unwrap().bias, Bias::Absent);

    let inferred = open("llama-head-only").config.layers.remove(0).attention.unwrap();
    assert_eq!((inferred.heads, inferred.key_value_heads, inferred.head_width), (3, 3, 10));

    assert_eq!(open("llama-linear").config.layers[0].feed_forward.unwrap().activation, Activation::GeluTanh);
    assert_eq!(open("llama-yarn").config.layers[0].feed_forward.unwrap().activation, Activation::Gelu);
    assert_eq!(open("llama-yarn-exact").config.layers[0].feed_forward.unwrap().activation, Activation::Relu);
}

#[test]
fn rope_scalings_are_read_in_both_spellings() {
    let rotary = |name: &str| open(name).config.layers.remove(0).attention.unwrap().rotary.unwrap();
    assert_eq!(rotary("llama-linear").scaling, RotaryScaling::Linear { factor: 2.5 });

    // The old spelling: rope_theta and rope_scaling.
    let llama3 = rotary("llama-llama3");
    assert_eq!((llama3.theta, llama3.width), (5000.0, 8));
    assert_eq!(
        llama3.scaling,
        RotaryScaling::Llama3 {
            factor: 8.0,
            low_frequency_factor: 1.0,
            high_frequency_factor: 4.0,
            original_context: 32.0,
        }
    );

    // The new one: rope_parameters; everything else by default.
    let yarn = rotary("llama-yarn");
    assert_eq!(yarn.theta, 1000.0);
    assert_eq!(
        yarn.scaling,
        RotaryScaling::Yarn {
            factor: 4.0,
            original_context: 32.0,
            beta_fast: 32.0,
            beta_slow: 1.0,
            attention_factor: 0.1 * 4.0_f64.ln() + 1.0,
            ramp_ends: RampEnds::Whole,
        }
    );
    assert_eq!(
        rotary("llama-yarn-exact").scaling,
        RotaryScaling::Yarn {
            factor: 3.0,
            original_context: 40.0,
            beta_fast: 8.0,
            beta_slow: 0.5,
            attention_factor: (0.1 * 1.3 * 3.0_f64.ln() + 1.0) / (0.1 * 0.7 * 3.0_f64.ln() + 1.0),
            ramp_ends: RampEnds::Exact,
        }
    );
}

#[test]
fn gpt2_configurations_mean_what_they_say() {
    let plain = open("gpt2-f32").config;
    assert_eq!(plain.positions, Positions::Learned { rows: 128 });
    assert_eq!(plain.head, HeadWeights::Tied);
    assert_eq!((plain.final_norm.kind, plain.final_norm.bias), (NormKind::Layer, Bias::Present));
    let layer = &plain.layers[1];
    assert_eq!(
        (layer.attention.as_ref().unwrap().heads, layer.attention.as_ref().unwrap().head_width),
        (3, 10)
    );
    assert_eq!(layer.attention.as_ref().unwrap().scale, 1.0 / 10.0_f32.sqrt());
    assert_eq!(layer.attention.as_ref().unwrap().rotary, None);
    assert_eq!(
        (layer.feed_forward.unwrap().width, layer.feed_forward.unwrap().activation),
        (46, Activation::GeluTanh)
    );

    let bare = open("gpt2-bare-names").config;
    assert_eq!(bare.layers[0].feed_forward.unwrap().width, 4 * 24, "n_inner is absent");
    assert_eq!(bare.layers[0].feed_forward.unwrap().activation, Activation::Gelu);
    assert_eq!(bare.head, HeadWeights::Tied, "the stored head is the same table");

    let by_layer = open("gpt2-inverse-layer").config;
    assert_eq!(by_layer.layers[0].attention.as_ref().unwrap().scale, 1.0 / 10.0_f32.sqrt());
    assert_eq!(by_layer.layers[1].attention.as_ref().unwrap().scale, 0.5 / 10.0_f32.sqrt());

    let unscaled = open("gpt2-untied").config;
    assert_eq!(unscaled.layers[1].attention.as_ref().unwrap().scale, 1.0);
    assert_eq!(unscaled.head, HeadWeights::Separate);
}

#[test]
fn llama_tensors_are_the_stored_ones() {
    let (model, file) = (open("llama-f32"), stored("llama-f32"));
    for (canonical_name, stored_name) in [
        ("embed.tokens", "model.embed_tokens.weight"),
        ("layers.0.attention.norm.weight", "model.layers.0.input_layernorm.weight"),
        ("layers.1.attention.key.weight", "model.layers.1.self_attn.k_proj.weight"),
        ("layers.0.attention.output.weight", "model.layers.0.self_attn.o_proj.weight"),
        ("layers.1.feed_forward.norm.weight", "model.layers.1.post_attention_layernorm.weight"),
        ("layers.1.feed_forward.gate.weight", "model.layers.1.mlp.gate_proj.weight"),
        ("layers.0.feed_forward.up.weight", "model.layers.0.mlp.up_proj.weight"),
        ("layers.0.feed_forward.down.weight", "model.layers.0.mlp.down_proj.weight"),
        ("final_norm.weight", "model.norm.weight"),
        ("head.weight", "lm_head.weight"),
    ] {
        assert!(canonical(&model, canonical_name, 7) == file[stored_name].1, "{canonical_name}");
    }
    let rows = model.weights.read(0, 3..9).unwrap();
    assert!(matches!(rows, std::borrow::Cow::Borrowed(_)), "no copy of what lies there as needed");
}

#[test]
fn gpt2_tensors_are_split_and_turned() {
    for (name, prefix, width) in [("gpt2-f32", "transformer.", 30), ("gpt2-bare-names", "", 24)] {
        let (model, file) = (open(name), stored(name));
        let (fused, biases) = (
            &file[&format!("{prefix}h.1.attn.c_attn.weight")],
            &file[&format!("{prefix}h.1.attn.c_attn.bias")],
        );
        for (part, module) in ["query", "key", "value"].iter().enumerate() {
            let (from, to) = (part * width, (part + 1) * width);
            let weight = canonical(&model, &format!("layers.1.attention.{module}.weight"), 7);
            assert!(weight == columns(fused, from, to), "{module}");
            let bias = canonical(&model, &format!("layers.1.attention.{module}.bias"), 1);
            assert_eq!(bias, biases.1[from..to], "{module}");
        }
        let up = &file[&format!("{prefix}h.0.mlp.c_fc.weight")];
        assert!(canonical(&model, "layers.0.feed_forward.up.weight", 13) == columns(up, 0, up.0[1]));
        let down = &file[&format!("{prefix}h.0.mlp.c_proj.weight")];
        assert!(canonical(&model, "layers.0.feed_forward.down.weight", 1000) == columns(down, 0, width));
        assert!(canonical(&model, "embed.positions", 50) == file[&format!("{prefix}wpe.weight")].1);
        assert_eq!(canonical(&model, "final_norm.bias", 1), file[&format!("{prefix}ln_f.bias")].1);
    }
}

#[test]
fn matrices_of_experts_are_stacked() {
    let (model, file) = (open("mixtral"), stored("mixtral"));
    for (part, module, rows) in [("gate", "w1", 16), ("up", "w3", 16), ("down", "w2", 24)] {
        let of =
            |expert| &file[&format!("model.layers.1.block_sparse_moe.experts.{expert}.{module}.weight")].1;
        let all: Vec<f32> = (0..4).flat_map(of).copied().collect();
        let name = format!("layers.1.feed_forward.experts.{part}.weight");
        // Within an expert, across experts, all of one, all of all.
        for chunk in [3, rows, rows + 5, 4 * rows] {
            assert!(canonical(&model, &name, chunk) == all, "{part} in chunks of {chunk}");
        }
        let index = model.weights.tensors().iter().position(|info| info.name == name).unwrap();
        let one = model.weights.read(index, rows..2 * rows).unwrap();
        assert!(matches!(one, std::borrow::Cow::Borrowed(_)), "no copy of one expert's matrix");
        assert!(model.weights.read(index, 4 * rows..4 * rows).unwrap().is_empty());
    }
}

#[test]
fn a_tied_pair_may_be_stored_under_either_name() {
    let (model, file) = (open("llama-head-only"), stored("llama-head-only"));
    assert!(!file.contains_key("model.embed_tokens.weight"));
    assert!(canonical(&model, "embed.tokens", 101) == file["lm_head.weight"].1);
    let counted: usize = model.weights.tensors().iter().map(|tensor| tensor.rows * tensor.columns).sum();
    assert_eq!(model.parameters, counted as u64);
}

#[test]
fn formats_are_kept_as_stored() {
    for (name, format) in [
        ("llama-f32", WeightFormat::F32),
        ("llama-yarn", WeightFormat::F16),
        ("llama-sharded", WeightFormat::Bf16),
    ] {
        assert!(open(name).weights.tensors().iter().all(|tensor| tensor.format == format), "{name}");
    }
}

/// A fixture's folder with a mask of so many bytes before all other tensors.
fn with_mask_in_front(name: &str, mask: &str, bytes: usize) -> tempfile::TempDir {
    let folder = copy_of(name);
    let path = folder.path().join("model.safetensors");
    let contents = fs::read(&path).unwrap();
    let data = 8 + u64::from_le_bytes(contents[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&contents[8..data]).unwrap();
    let tensors = header.as_object_mut().unwrap();
    for offsets in tensors.values_mut().filter_map(|tensor| tensor.get_mut("data_offsets")) {
        *offsets = json!([0, 1].map(|end| offsets[end].as_u64().unwrap() as usize + bytes));
    }
    tensors.insert(mask.to_owned(), json!({"dtype": "U8", "shape": [bytes], "data_offsets": [0, bytes]}));
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length[..], header.as_bytes(), &vec![1; bytes], &contents[data..]].concat()).unwrap();
    folder
}

#[test]
fn tensors_may_begin_at_any_byte() {
    // f32, f16, bf16; as they are, and turned.
    for (name, mask) in [
        ("gpt2-f32", "transformer.h.7.attn.bias"),
        ("gpt2-bare-names", "h.7.attn.bias"),
        ("gpt2-untied", "transformer.h.7.attn.bias"),
        ("llama-f32", "model.layers.7.self_attn.rotary_emb.inv_freq"),
    ] {
        let plain = open(name);
        for bytes in [1, 2, 3, 5] {
            let folder = with_mask_in_front(name, mask, bytes);
            let contents = fs::read(folder.path().join("model.safetensors")).unwrap();
            assert!(SafeTensors::deserialize(&contents).is_ok(), "the format's own reader takes it");
            let shifted = formats::open(folder.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
            for (index, info) in plain.weights.tensors().iter().enumerate() {
                let (one, other) =
                    (plain.weights.read(index, 0..info.rows), shifted.weights.read(index, 0..info.rows));
                assert!(one.unwrap() == other.unwrap(), "{name}: {} after {bytes} bytes", info.name);
            }
        }
    }
}

#[test]
fn rows_outside_a_tensor_are_an_error() {
    let model = open("gpt2-f32");
    let error = model.weights.read(0, 100..102).unwrap_err().to_string();
    assert!(error.contains("embed.tokens") && error.contains("101"), "{error}");
}

#[test]
fn a_sharded_model_opens_by_folder_index_or_shard() {
    let file = stored("llama-sharded");
    let folder = fixture("llama-sharded");
    for path in ["", "model.safetensors.index.json", "model-00003-of-00004.safetensors"] {
        let model = formats::open(&folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(model.name, "llama-sharded");
        assert!(canonical(&model, "head.weight", 40) == file["lm_head.weight"].1, "{path}");
        assert_eq!(canonical(&model, "final_norm.weight", 1), file["model.norm.weight"].1, "{path}");
    }
}

#[test]
fn a_single_file_opens_with_what_lies_beside_it() {
    let model = formats::open(&fixture("gpt2-f32").join("model.safetensors")).unwrap();
    assert_eq!((model.name.as_str(), model.family.as_str()), ("gpt2-f32", "gpt2"));
    let Some(TokenizerFiles::Folder {
        vocabulary: Vocabulary::TokenizerJson(tokenizer_json),
        tokenizer_config,
        ..
    }) = model.tokenizer
    else {
        panic!("it has a tokenizer");
    };
    assert!(tokenizer_json.starts_with(b"{"));
    assert_eq!(tokenizer_config.unwrap()["eos_token"], "<|end|>");
    assert_eq!(open("llama-f32").tokenizer, None);
}

#[test]
fn the_built_in_model_goes_the_same_way() {
    let model = formats::open_built_in(formats::BuiltIn::Model).unwrap();
    let weights = plan_decoder(&model.config).bind(model.weights).unwrap();
    assert_eq!(model.path, "built-in");
    assert!(model.tokenizer.is_some());
    assert!(!model.special.eos.is_empty());
    let last = weights.tensors().len() - 1;
    assert!(matches!(weights.read(last, 0..1), Ok(std::borrow::Cow::Borrowed(_))));

    let facts = formats::inspect_built_in(formats::BuiltIn::Model);
    assert!(facts.supported, "{:?}", facts.problems);
    assert_eq!(facts.parameters, model.parameters);
    assert!((4_000_000..=8_000_000).contains(&facts.parameters), "{}", facts.parameters);
}

#[test]
fn special_ids_come_as_number_or_list() {
    let listed = open("llama-f32").special;
    assert_eq!((listed.bos, listed.eos), (Some(1), vec![2, 100]));
    let single = open("gpt2-f32").special;
    assert_eq!((single.bos, single.eos), (Some(0), vec![0]));
}

#[test]
fn inspection_tells_the_headers_facts() {
    let facts = formats::inspect(&fixture("llama-sharded")).unwrap();
    assert!(facts.supported, "{:?}", facts.problems);
    assert_eq!(facts.family.as_deref(), Some("llama"));
    assert_eq!(facts.architecture.key_value_heads, Some(2));
    assert_eq!(facts.files.len(), 4);
    assert_eq!(facts.formats.len(), 1);
    assert_eq!((facts.formats[0].format.as_str(), facts.formats[0].share), ("bf16", 1.0));
    assert_eq!(facts.parameters, open("llama-sharded").parameters);
    assert_eq!(facts.bytes, 2 * facts.parameters);
    assert_eq!(facts.cache_bytes_per_position, Some(2 * 2 * 16 * 4));
    assert_eq!((facts.tokenizer, facts.chat_template), (None, false));

    let facts = formats::inspect(&fixture("gpt2-f32")).unwrap();
    assert_eq!(facts.tokenizer.as_deref(), Some("BPE"));
    assert_eq!(facts.special.eos, [0]);
}
